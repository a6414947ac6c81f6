"""A supervisor's way to a store that is no folder: another process, which may be slow or gone."""

from __future__ import annotations

import os
import signal

import pytest

from jupyter_kf.errors import BackendError, NotFound
from jupyter_kf.store import ArtifactStore
from jupyter_kf.worker import clerk
from jupyter_kf.worker.clerk import Clerk, store_of_a_supervisor


@pytest.fixture
def store():
    found = store_of_a_supervisor("memory://clerk")
    assert isinstance(found, Clerk)
    yield found
    os.kill(found.pid, signal.SIGKILL)
    os.waitpid(found.pid, 0)


def test_a_folder_needs_no_clerk(tmp_path):
    for url in (str(tmp_path), f"file://{tmp_path}"):
        assert type(store_of_a_supervisor(url)) is ArtifactStore


def test_a_clerk_reads_and_writes_elsewhere(store):
    store.put_json("a/b", {"one": 1})
    store.put("a/c", b"x" * 2**20)

    assert store.get_json("a/b") == {"one": 1}
    assert store.get("a/c", 2**20 - 1) == b"x"
    assert store.has("a/b")
    assert not store.has("a/d")
    assert store.local("a/b") is None
    assert not ArtifactStore(store.url).has("a/b")  # memory is a process's own


def test_errors_are_those_of_the_store(store):
    with pytest.raises(NotFound, match="no /clerk/absent"):
        store.get("absent")
    assert not store.has("absent")


def test_a_clerk_that_is_slow_is_not_waited_for_and_its_late_answer_is_not_taken(store, monkeypatch):
    store.put("a", b"late")
    monkeypatch.setattr(clerk, "ANSWER_SECONDS", 0.2)
    os.kill(store.pid, signal.SIGSTOP)
    with pytest.raises(BackendError, match=r"has not answered within 0\.2 s"):
        store.get("a")
    os.kill(store.pid, signal.SIGCONT)
    monkeypatch.undo()

    assert store.has("b") is False


def test_a_clerk_that_has_gone_is_told(store):
    os.kill(store.pid, signal.SIGKILL)
    with pytest.raises(BackendError, match="has ended"):
        store.has("a")

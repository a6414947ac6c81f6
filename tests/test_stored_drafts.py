"""A version is there whole or not at all, whoever is killed or comes at the same time."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from jupyter_kf.errors import BackendError, NotFound
from jupyter_kf.stored import shelf
from jupyter_kf.stored.record import GraphKind, GraphRecord
from tests.conftest import exit_code

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jupyter_kf.store import ArtifactStore

RECORD = GraphRecord("ranker", 0, GraphKind.FORWARD)


def make(store: ArtifactStore, content: bytes = b"weights", then: Callable[[], object] = int) -> GraphRecord:
    with shelf.draft(store) as folder:
        (folder / shelf.WEIGHTS).write_bytes(content)
        (folder / shelf.MODEL).mkdir()
        (folder / shelf.MODEL / "saved_model.pb").write_bytes(b"graph")
        then()
        return shelf.shelve(store, RECORD, folder)


def left(store: ArtifactStore) -> list[Path]:
    folder = store.local("graphs")
    assert folder is not None
    return [path for path in folder.iterdir() if path.name.startswith(".")]


def test_a_version_whose_maker_is_killed_is_not_there(
    store: ArtifactStore, forked: Callable[..., int]
) -> None:
    pid = forked(lambda: make(store, then=lambda: os.kill(os.getpid(), signal.SIGKILL)))
    assert exit_code(pid) == -signal.SIGKILL
    with pytest.raises(NotFound):
        shelf.list_versions(store, "ranker")
    assert store.list("graphs") == []
    assert make(store).version == 1
    (draft,) = left(store)  # it may still be worked on, for all that is known
    os.utime(draft, (0, 0))
    assert make(store).version == 2
    assert left(store) == []


def test_makers_at_the_same_time_get_versions_of_their_own(
    store: ArtifactStore, forked: Callable[..., int]
) -> None:
    def several(number: int) -> None:
        for i in range(5):
            make(store, b"%d-%d" % (number, i))

    pids = [forked(lambda number=number: several(number)) for number in range(4)]
    assert [exit_code(pid) for pid in pids] == [0] * 4
    records = shelf.list_versions(store, "ranker")
    assert [r.version for r in records] == list(range(20, 0, -1))
    assert len({bytes(shelf.checked(store, r, shelf.WEIGHTS)) for r in records}) == 20
    assert left(store) == []


def test_an_error_while_it_is_made_leaves_nothing(store: ArtifactStore) -> None:
    with pytest.raises(ZeroDivisionError):
        make(store, then=lambda: 1 // 0)
    assert store.list("graphs") == left(store) == []


def test_a_copy_that_was_cut_off_is_made_again(store: ArtifactStore, tmp_path: Path) -> None:
    record = make(store)
    other = type(store)(str(tmp_path / "other"))
    other.put("graphs/ranker/1/model/saved_model.pb", b"gr")
    assert shelf.copy_graph(store, "ranker", other) == [record]
    assert bytes(shelf.checked(other, record, "model/saved_model.pb")) == b"graph"


def test_a_place_that_refuses_says_so(store: ArtifactStore) -> None:
    store.put("graphs/ranker", b"a file where the graph's folder should be")
    with pytest.raises(BackendError, match=r"could not write .*graphs/ranker/1: Not a directory"):
        make(store)
    assert left(store) == []

"""Every test has a store and a runtime folder of its own and leaves no process behind."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jupyter_kf.backends import warm
from jupyter_kf.store import STORE_VARIABLE, ArtifactStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ENDING = 15.0


def wait_until(holds: Callable[[], object], what: str, timeout: float = 30.0) -> None:
    """Wait until ``holds()``; fail with ``what`` if it does not within ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while not holds():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {timeout:g} s in vain: {what}")
        time.sleep(0.01)


@pytest.fixture
def eventually() -> Callable[..., None]:
    """Wait for a condition: ``eventually(holds, what, timeout=30.0)``."""
    return wait_until


def processes_of(runtime: Path) -> dict[int, str]:
    """Give the processes that were started, or whose parents were, with this runtime folder."""
    mark = f"{warm.RUNTIME_VARIABLE}={runtime}".encode()
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
    found.pop(os.getpid(), None)
    return {pid: line for pid, line in found.items() if line}  # a zombie has none


def children() -> set[int]:
    """Give the living children of this process."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        for pid in (task / "children").read_text().split():
            if Path(f"/proc/{pid}/cmdline").read_bytes():
                found.add(int(pid))
    return found


@pytest.fixture
def runtime() -> Iterator[Path]:
    """This test's folder for sockets and locks; its name is short, as a socket's must be."""
    folder = Path(tempfile.mkdtemp(prefix="kf-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def place(runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the test have its own store and runtime folder, and end its warm process after it."""
    monkeypatch.setenv(STORE_VARIABLE, str(tmp_path / "store"))
    monkeypatch.setenv(warm.RUNTIME_VARIABLE, str(runtime))
    before = children()
    yield
    warm.stop()
    try:
        wait_until(lambda: not processes_of(runtime), "processes were left behind", _ENDING)
        wait_until(lambda: children() <= before, "children were left behind", _ENDING)
    except pytest.fail.Exception as err:
        pytest.fail(f"{err}: {processes_of(runtime) or children() - before}")


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    """The test's store, a folder."""
    return ArtifactStore(str(tmp_path / "store"))

"""Every test has a store and a runtime folder of its own and leaves no process behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from jupyter_kf.backends import warm
from jupyter_kf.store import STORE_VARIABLE, ArtifactStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# What takes long here is another program's work on the same processor, not ours.
settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")

# Who starts tests in the background, as machines do, has interrupts ignored, and what the tests start too.
signal.signal(signal.SIGINT, signal.default_int_handler)

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
        with contextlib.suppress(OSError):  # a thread, or a child, that has ended meanwhile
            for pid in (task / "children").read_text().split():
                # Not by the command line, which is empty for a moment when a program begins.
                if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX":
                    found.add(int(pid))
    return found


def parent_of(pid: int) -> int:
    """Give a process's parent, 0 if the process has gone."""
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


@pytest.fixture
def runtime() -> Iterator[Path]:
    """This test's folder for sockets and locks; its name is short, as a socket's must be."""
    folder = Path(tempfile.mkdtemp(prefix="kf-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def shared_runtime() -> Iterator[Path]:
    """One such folder, and so one warm process, for all tests of a module.

    A module that has it give its own ``runtime`` starts jobs quickly.
    """
    folder = Path(tempfile.mkdtemp(prefix="kf-"))
    yield folder
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(warm.RUNTIME_VARIABLE, str(folder))
        warm.stop()
    wait_until(lambda: not processes_of(folder), "the warm process does not end", _ENDING)
    shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def place(
    runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[None]:
    """Let the test have its own store and runtime folder; fail it if it leaves a process behind."""
    monkeypatch.setenv(STORE_VARIABLE, str(tmp_path / "store"))
    monkeypatch.setenv(warm.RUNTIME_VARIABLE, str(runtime))
    shared = "shared_runtime" in request.fixturenames
    before = children()
    yield
    if not shared:
        warm.stop()

    def left() -> dict[int, str]:
        found = processes_of(runtime)
        # A shared warm process is our own child, or the child of one that we started.
        kept = {pid for pid in found if parent_of(pid) not in found} if shared else set()
        strays = children() - before - kept
        return {pid: found.get(pid, "a child") for pid in (found.keys() - kept) | strays}

    try:
        wait_until(lambda: not left(), "processes were left behind", _ENDING)
    except pytest.fail.Exception as err:
        pytest.fail(f"{err}: {left()}")


@pytest.fixture
def forked() -> Iterator[Callable[[Callable[[], object]], int]]:
    """Run a function in a fork of this process: ``forked(function)`` gives its number.

    It ends with 0, or 1 if the function raises; whoever has not ended with the test is killed.
    """
    pids: list[int] = []

    def start(function: Callable[[], object]) -> int:
        pid = os.fork()
        if pid:
            pids.append(pid)
            return pid
        code = 1
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(60)
            function()
            code = 0
        finally:
            if code:
                traceback.print_exc()
            os._exit(code)

    yield start
    for pid in pids:
        with contextlib.suppress(ChildProcessError):  # the test has reaped it itself
            if not os.waitpid(pid, os.WNOHANG)[0]:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


def exit_code(pid: int) -> int:
    """Wait for a fork's end and give its exit code, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    """The test's store, a folder."""
    return ArtifactStore(str(tmp_path / "store"))

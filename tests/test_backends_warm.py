"""The asker's end of the warm process, with real warm processes that import nothing heavy."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
from pathlib import Path

import pytest

from jupyter_kf.backends import warm
from jupyter_kf.errors import BackendError
from jupyter_kf.locks import is_held, make_held

fork = multiprocessing.get_context("fork")


@pytest.fixture(autouse=True)
def light(monkeypatch):
    monkeypatch.setenv("JUPYTER_KF_PRELOAD", "")


@pytest.fixture
def ask(tmp_path):
    """Asks for the supervisor of a job that is not there: it ends at once, and gives its lock back."""

    def start(name: str = "absent") -> Path:
        path = tmp_path / f"{name}.lock"
        fd = make_held(path)
        with (tmp_path / f"{name}.log").open("ab") as log:
            warm.start_supervisor(str(tmp_path), name, [fd, log.fileno()])
        os.close(fd)
        return path

    return start


def _warm(runtime: Path) -> dict[int, str]:
    """Give the warm processes of this runtime folder and their folders."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        if "jupyter_kf.worker.forkserver" in line and line[-2].startswith(str(runtime)):
            found[int(process.name)] = line[-2]
    return found


@pytest.fixture
def one_warm(runtime, eventually):
    """Gives the only warm process; one that was just started has no command line for a moment."""

    def find() -> int:
        eventually(lambda: len(_warm(runtime)) == 1, "there is not one warm process")
        return next(iter(_warm(runtime)))

    return find


def test_the_runtime_folder_is_ours_alone(runtime):
    assert warm.runtime_folder() == runtime
    assert runtime.stat().st_mode & 0o077 == 0


def test_a_runtime_folder_that_others_can_open_is_refused(runtime):
    runtime.chmod(0o755)
    with pytest.raises(BackendError, match="open to other users"):
        warm.runtime_folder()
    runtime.chmod(0o700)


def test_a_link_in_the_place_of_the_runtime_folder_is_refused(runtime, tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to(runtime)
    monkeypatch.setenv(warm.RUNTIME_VARIABLE, str(tmp_path / "link"))
    with pytest.raises(BackendError, match="open to other users"):
        warm.runtime_folder()
    monkeypatch.setenv(warm.RUNTIME_VARIABLE, str(runtime))


def test_a_runtime_folder_that_cannot_be_made_is_told(runtime, tmp_path, monkeypatch):
    (runtime / "file").touch()
    monkeypatch.setenv(warm.RUNTIME_VARIABLE, str(runtime / "file" / "below"))
    with pytest.raises(BackendError, match=r"cannot be made.*JUPYTER_KF_RUNTIME"):
        warm.runtime_folder()
    monkeypatch.setenv(warm.RUNTIME_VARIABLE, str(runtime))


def test_a_path_too_long_for_a_socket_is_told(runtime, monkeypatch):
    monkeypatch.setenv(warm.RUNTIME_VARIABLE, str(runtime / ("x" * 100)))
    with pytest.raises(BackendError, match="too long for a socket's name"):
        warm.runtime_folder()
    monkeypatch.setenv(warm.RUNTIME_VARIABLE, str(runtime))


def test_a_request_is_served_by_one_warm_process_time_and_again(ask, runtime, eventually):
    for name in ("a", "b", "c"):
        lock = ask(name)
        eventually(lambda lock=lock: not is_held(lock), "the supervisor does not end")

    assert len(_warm(runtime)) == 1


def test_two_askers_at_once_start_one_warm_process(ask, runtime, eventually, forked):
    barrier = fork.Barrier(4)

    def race(name: str) -> None:
        barrier.wait(30)
        ask(name)
        signal.pause()  # a warm process is the child of whoever started it

    for name in "abcd":
        forked(lambda name=name: race(name))
    eventually(lambda: len(_warm(runtime)) == 1, "there is no warm process")
    ask("e")

    assert len(_warm(runtime)) == 1


def test_other_settings_have_another_warm_process(ask, runtime, monkeypatch, eventually):
    ask("a")
    monkeypatch.setenv("TF_NUM_INTEROP_THREADS", "1")
    ask("b")

    eventually(lambda: len(set(_warm(runtime).values())) == 2, "the settings are not told apart")


def test_a_setting_that_is_read_later_needs_no_other(monkeypatch):
    before = warm._key()

    monkeypatch.setenv("MY_SETTING", "1")

    assert warm._key() == before


def test_a_warm_process_that_was_killed_is_replaced(ask, runtime, eventually, one_warm):
    ask("a")
    first = one_warm()
    os.kill(first, signal.SIGKILL)
    eventually(lambda: not _warm(runtime), "it lives on")

    lock = ask("b")

    eventually(lambda: not is_held(lock), "the request is not served")
    second = one_warm()
    assert second != first


def test_files_that_ride_along_are_closed_if_the_warm_process_dies(ask, runtime, eventually, one_warm):
    ask("a")
    pid = one_warm()
    os.kill(pid, signal.SIGSTOP)
    lock = ask("b")
    assert is_held(lock)

    os.kill(pid, signal.SIGKILL)

    eventually(lambda: not is_held(lock), "the request is held by nobody and yet held")


def test_stopping_ends_it_and_takes_the_socket_away(ask, runtime, eventually):
    ask("a")

    warm.stop()

    eventually(lambda: not _warm(runtime), "it lives on")
    assert list(runtime.glob("*/socket")) == []


def test_a_request_before_the_stop_is_served(ask, runtime, tmp_path, eventually):
    lock = ask("a")
    warm.stop()

    eventually(lambda: not is_held(lock), "the request is not served")
    eventually(lambda: "absent" in _text(tmp_path) or "spec.json" in _text(tmp_path), "nothing was started")


def _text(folder: Path) -> str:
    return (folder / "a.log").read_text()


def test_stopping_nothing_does_no_harm(runtime):
    warm.stop()

    (runtime / "kind").mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(runtime / "kind" / "socket"))
    warm.stop()


def test_a_warm_process_that_takes_nothing_is_told(runtime, tmp_path, monkeypatch):
    monkeypatch.setattr(warm, "_PATIENCE", 0.1)
    folder = runtime / warm._key()
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as deaf, socket.socket(socket.AF_UNIX) as first:
        deaf.bind(str(folder / "socket"))
        deaf.listen(0)
        first.connect(str(folder / "socket"))  # the queue is full now
        with pytest.raises(BackendError, match="does not answer"):
            warm.start_supervisor(str(tmp_path), "a", [])
    (folder / "socket").unlink()


def test_a_program_that_cannot_be_started_gives_the_lock_back(ask, monkeypatch, eventually):
    monkeypatch.setattr(warm.sys, "executable", "/bin/false")

    try:
        lock = ask("a")  # the request may still have reached the socket
    except BackendError as err:
        assert "warm process" in str(err)
        return
    eventually(lambda: not is_held(lock), "the request is held by nobody and yet held")

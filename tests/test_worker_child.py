"""One rank's process, with real forks and plain functions in place of the user's code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_kf.worker.child import PEER_LOST, Child


@pytest.fixture
def start(tmp_path):
    """Forks children whose output goes to ``log``; they are killed with the test."""
    children: list[Child] = []

    def fork(run, close=()) -> Child:
        log = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC)
        try:
            children.append(Child.fork(len(children), log, run, close))
        finally:
            os.close(log)
        return children[-1]

    yield fork
    for child in children:
        if not child.poll():
            child.signal(signal.SIGKILL)
            os.waitpid(child.pid, 0)
            child.control.close()


@pytest.fixture
def ended(eventually):
    def wait(child: Child) -> Child:
        eventually(child.poll, "the rank does not end")
        return child

    return wait


def _say(control, **message) -> None:
    control.sendall(json.dumps(message).encode() + b"\n")


def test_a_rank_ends_with_what_its_run_gives(start, ended):
    assert ended(start(lambda _: 0)).exit_code == 0
    assert ended(start(lambda _: 3)).exit_code == 3


def test_a_rank_that_runs_has_no_exit_code(start):
    child = start(lambda _: signal.pause() or 0)

    assert not child.poll()
    assert child.exit_code is None
    assert child.reason() == ""


def test_its_output_goes_to_its_log(start, ended, tmp_path):
    def run(_) -> int:
        os.write(1, b"out ")
        os.write(2, b"err")
        return 0

    ended(start(run))

    assert (tmp_path / "log").read_bytes() == b"out err"


def test_a_broken_run_leaves_its_traceback(start, ended, tmp_path, monkeypatch):
    def run(_) -> int:
        sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115 - pytest has its own
        raise KeyError("lost")

    assert ended(start(run)).exit_code == 70
    assert "KeyError: 'lost'" in (tmp_path / "log").read_text()


def test_it_holds_only_the_files_it_should(start, ended, tmp_path):
    held = os.open(tmp_path / "held", os.O_RDWR | os.O_CREAT)

    def run(_) -> int:
        links = {str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.exists()}
        return int(str(tmp_path / "held") in links)

    assert ended(start(run, close=[held])).exit_code == 0
    assert ended(start(run)).exit_code == 1
    os.close(held)


def test_signals_are_as_in_a_fresh_process(start, ended):
    def run(_) -> int:
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        return 0

    previous = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        assert ended(start(run)).exit_code == 0
    finally:
        signal.signal(signal.SIGTERM, previous)


def test_a_rank_says_that_it_started(start, eventually):
    def run(control) -> int:
        _say(control, said="started")
        return signal.pause() or 0

    child = start(run)
    assert not child.started

    eventually(lambda: child.hear() or child.started, "it never says so")


def test_a_rank_says_why_it_failed(start, ended):
    def run(control) -> int:
        _say(control, said="failed", summary="raised ValueError: no", time=1.0, traceback="x" * 300_000)
        return 1

    child = start(run)
    while not child.poll():
        child.hear()

    assert child.failure["summary"] == child.reason() == "raised ValueError: no"
    assert len(child.failure["traceback"]) == 300_000


def test_the_last_words_of_a_rank_are_heard(start, ended):
    def run(control) -> int:
        _say(control, said="started")
        _say(control, said="failed", summary="raised E", time=1.0)
        return 1

    child = ended(start(run))

    assert child.started
    assert child.reason() == "raised E"


def test_words_that_arrive_in_pieces_are_put_together(start, eventually):
    def run(control) -> int:
        for byte in b'{"said": "started"}\n':
            control.send(bytes([byte]))
        return signal.pause() or 0

    child = start(run)

    eventually(lambda: child.hear() or child.started, "it is never understood")


def test_a_rank_that_falls_silent_is_not_listened_to_any_more(start, eventually):
    def run(control) -> int:
        control.close()
        return signal.pause() or 0

    child = start(run)

    eventually(lambda: child.hear() or child.silent, "its end of the line is not noticed")
    assert not child.poll()


def test_a_rank_hears_what_it_is_told(start, ended):
    def run(control) -> int:
        return 0 if json.loads(control.recv(100)) == {"do": "interrupt"} else 1

    child = start(run)
    child.tell("interrupt")

    assert ended(child).exit_code == 0
    child.tell("interrupt")  # too late, and no harm


def test_a_signal_reaches_what_the_rank_started(start, ended, tmp_path, eventually):
    def run(_) -> int:
        program = subprocess.Popen(["sleep", "600"])
        (tmp_path / "draft").write_text(str(program.pid))
        (tmp_path / "draft").rename(tmp_path / "pid")
        return program.wait()

    child = start(run)
    eventually((tmp_path / "pid").exists, "it starts nothing")
    program = int((tmp_path / "pid").read_text())

    child.signal(signal.SIGKILL)

    assert ended(child).exit_code == -signal.SIGKILL
    eventually(lambda: not Path(f"/proc/{program}/cmdline").exists() or not _running(program), "it runs on")


def _running(pid: int) -> bool:
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False


def test_a_signal_sent_at_once_is_not_lost(start, ended):
    """The process group is there before the fork returns."""
    for _ in range(20):
        child = start(lambda _: signal.pause() or 0)
        child.signal(signal.SIGKILL)
        assert ended(child).exit_code == -signal.SIGKILL


def test_a_signal_to_one_that_has_ended_goes_nowhere(start, ended):
    child = ended(start(lambda _: 0))

    child.signal(signal.SIGKILL)

    assert child.exit_code == 0


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, ""),
        (1, "ended by itself with exit code 1"),
        (PEER_LOST, "lost its peers"),
        (-signal.SIGTERM, "was ended by SIGTERM"),
        (-signal.SIGSEGV, "was ended by SIGSEGV"),
        (-signal.SIGKILL, "was killed (SIGKILL); the machine may have run out of memory"),
    ],
)
def test_an_end_is_put_into_words(code, words):
    assert Child(0, 1, None, exit_code=code).reason() == words


def test_its_own_words_count_more_than_its_exit_code():
    child = Child(0, 1, None, exit_code=1, failure={"summary": "raised ValueError: no"})

    assert child.reason() == "raised ValueError: no"

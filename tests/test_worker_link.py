"""The rank's end of the line to its supervisor, in real forks: it signals and kills its own process."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time

import pytest

from jupyter_kf.worker import link as module
from jupyter_kf.worker.link import Link

from .conftest import exit_code


@pytest.fixture
def rank(forked):
    """Runs a function with a link in a fork; gives the supervisor's end and the fork's number."""
    ends = []

    def start(function, stop=None):
        ours, theirs = socket.socketpair()
        ends.append(ours)

        def run() -> None:
            os.setpgid(0, 0)
            ours.close()
            signal.signal(signal.SIGINT, signal.default_int_handler)
            link = Link(theirs, stop)
            link.start()
            function(link)

        pid = forked(run)
        theirs.close()
        ours.settimeout(30)
        return ours, pid

    yield start
    for end in ends:
        end.close()


def _pause() -> None:
    while True:
        signal.pause()


def test_a_rank_speaks_in_lines_with_the_time(rank):
    ours, pid = rank(lambda link: link.say("failed", summary="raised E"))

    [line] = ours.makefile("rb").readlines()

    message = json.loads(line)
    assert message.pop("time") == pytest.approx(time.time(), abs=60)
    assert message == {"said": "failed", "summary": "raised E"}
    assert exit_code(pid) == 0


def test_an_interrupt_is_what_it_is_in_a_local_cell(rank):
    def work(link: Link) -> None:
        with pytest.raises(KeyboardInterrupt):
            link.say("started")
            _pause()
        assert link.interrupted

    ours, pid = rank(work)
    ours.recv(100)
    ours.sendall(b'{"do": "interrupt"}\n')

    assert exit_code(pid) == 0


def test_training_is_asked_to_stop_at_its_step_first(rank):
    asked = threading.Event()

    def work(link: Link) -> None:
        link.say("started")
        assert asked.wait(30)
        link.over()

    ours, pid = rank(work, stop=asked.set)
    ours.recv(100)
    ours.sendall(b'{"do": "interrupt"}\n')

    assert exit_code(pid) == 0


def test_what_comes_to_no_step_is_interrupted_where_it_stands(rank, monkeypatch):
    monkeypatch.setattr(module, "_STEP_PATIENCE", 0.05)
    asked = threading.Event()

    def work(link: Link) -> None:
        with pytest.raises(KeyboardInterrupt):
            link.say("started")
            _pause()
        assert asked.is_set()

    ours, pid = rank(work, stop=asked.set)
    ours.recv(100)
    ours.sendall(b'{"do": "interrupt"}\n')

    assert exit_code(pid) == 0


def test_an_interrupt_that_is_too_late_is_none(rank):
    def work(link: Link) -> None:
        link.over()
        link.say("started")
        deadline = time.monotonic() + 30
        while not link.interrupted and time.monotonic() < deadline:
            time.sleep(0.001)
        assert link.interrupted
        link._thread.join(0.05)  # whatever it would do, it has had its time
        os.kill(os.getpid(), signal.SIGINT)

    ours, pid = rank(work)
    ours.recv(100)
    ours.sendall(b'{"do": "interrupt"}\n')

    assert exit_code(pid) == 0


def test_work_that_stops_by_steps_alone_is_never_broken_off(rank, monkeypatch):
    monkeypatch.setattr(module, "_STEP_PATIENCE", 0.0)

    def work(link):
        stop = threading.Event()
        assert not link.by_steps(stop.set)
        link.say("started")
        while not stop.wait(0.01):
            pass
        os.kill(os.getpid(), signal.SIGINT)
        assert link.by_steps(stop.set)  # it says so to whoever comes later
        link.over()

    ours, pid = rank(work)
    ours.recv(4096)
    ours.sendall(b'{"do": "interrupt"}\n')
    assert exit_code(pid) == 0


def test_a_second_interrupt_changes_nothing(rank):
    def work(link: Link) -> None:
        with pytest.raises(KeyboardInterrupt):
            link.say("started")
            _pause()
        link.say("started")
        link._thread.join(0.1)  # whatever it would do, it has had its time

    ours, pid = rank(work)
    ours.recv(100)
    ours.sendall(b'{"do": "interrupt"}\n')
    ours.recv(100)
    ours.sendall(b'{"do": "interrupt"}\n')

    assert exit_code(pid) == 0


def test_a_rank_whose_supervisor_is_gone_is_killed_with_what_it_started(rank):
    ours, pid = rank(lambda _: os.system("sleep 600"))

    ours.close()

    assert exit_code(pid) == -signal.SIGKILL


def test_speaking_to_one_who_is_gone_does_no_harm(forked):
    def work() -> None:
        ours, theirs = socket.socketpair()
        ours.close()
        Link(theirs).say("started")

    assert exit_code(forked(work)) == 0

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import socket
from pathlib import Path

import pytest

from jupyter_kf.errors import BackendError
from jupyter_kf.locks import make_held
from jupyter_kf.worker import ports
from jupyter_kf.worker.ports import Ports

fork = multiprocessing.get_context("fork")


@pytest.fixture
def take(tmp_path):
    """Takes ports of one machine; they are given back with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda count: stack.enter_context(contextlib.closing(Ports(tmp_path, count)))


@pytest.fixture
def few(monkeypatch):
    """A machine of four ports."""
    chosen = range(31_990, 31_994)
    monkeypatch.setattr(ports, "_RANGE", chosen)
    return chosen


def test_ports_are_free_and_not_twice(take):
    numbers = [number for _ in range(5) for number in take(4).numbers]

    assert len(set(numbers)) == 20
    for number in numbers:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", number))


def test_ports_are_below_those_the_system_gives_out():
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])

    assert ports._RANGE[-1] < first


def test_none_are_taken_where_none_are_wanted(take):
    assert take(0).numbers == []


def test_what_is_given_back_can_be_had_again_and_leaves_no_file(take, few, tmp_path):
    first = take(4)
    assert sorted(first.numbers) == list(few)

    first.close()

    assert list(tmp_path.iterdir()) == []
    assert sorted(take(4).numbers) == list(few)


def test_a_machine_without_free_ports_says_so_and_keeps_none(take, few, tmp_path):
    held = take(2)

    with pytest.raises(BackendError, match="no 3 free ports from 31990 to 31993"):
        take(3)

    assert {int(path.name) for path in tmp_path.iterdir()} == set(held.numbers)
    assert take(2).numbers


def test_a_port_that_a_stranger_listens_on_is_passed_over(take, few, tmp_path):
    with socket.socket() as stranger:
        stranger.bind(("", few[0]))
        stranger.listen()

        assert sorted(take(3).numbers) == list(few[1:])
        assert not (tmp_path / str(few[0])).exists()


def test_a_killed_holder_gives_back_all(take, few, tmp_path):
    ready = fork.Event()

    def hold() -> None:
        held = Ports(tmp_path, 4)
        ready.set()
        signal.pause()
        held.close()

    holder = fork.Process(target=hold)
    holder.start()
    assert ready.wait(30)
    with pytest.raises(BackendError):
        take(1)

    holder.kill()
    holder.join(30)

    assert sorted(take(4).numbers) == list(few)


def test_a_child_that_closes_the_files_does_not_hold_the_ports(take, few, forked):
    first = take(4)
    fds = first.fds()
    closed = fork.Event()

    def child() -> None:
        for fd in fds:
            os.close(fd)
        closed.set()
        signal.pause()

    forked(child)
    assert closed.wait(30)
    first.close()

    assert sorted(take(4).numbers) == list(few)


def test_a_lock_whose_name_was_taken_away_meanwhile_is_worth_nothing(tmp_path):
    path = tmp_path / "20000"
    fd = make_held(path)
    assert ports._is_still(path, fd)

    path.unlink()
    assert not ports._is_still(path, fd)
    path.touch()
    assert not ports._is_still(path, fd)
    os.close(fd)


def _gangs(folder, start, given) -> None:
    start.wait(30)
    for _ in range(30):
        with contextlib.closing(Ports(folder, 3)) as gang:
            for number in gang.numbers:
                given.put((number, os.getpid()))
                probe = socket.socket()
                probe.bind(("127.0.0.1", number))  # fails if another gang has it
                probe.close()


def test_gangs_that_start_together_never_get_the_same_port(tmp_path, monkeypatch):
    monkeypatch.setattr(ports, "_RANGE", range(31_900, 31_930))
    start, given = fork.Barrier(4), fork.SimpleQueue()
    racers = [fork.Process(target=_gangs, args=(tmp_path, start, given)) for _ in range(4)]
    for racer in racers:
        racer.start()
    seen = [given.get() for _ in range(4 * 30 * 3)]
    for racer in racers:
        racer.join(60)

    assert [racer.exitcode for racer in racers] == [0] * 4
    shared = {number for number, _ in seen}
    assert len(shared) <= 30
    assert len({pid for _, pid in seen}) == 4
    assert list(tmp_path.iterdir()) == []

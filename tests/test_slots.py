from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal

import pytest

from jupyter_kf.slots import SLOTS_VARIABLE, Place, capacity, free

fork = multiprocessing.get_context("fork")


@pytest.fixture(autouse=True)
def two_slots(monkeypatch):
    monkeypatch.setenv(SLOTS_VARIABLE, "2")


@pytest.fixture
def line(tmp_path):
    """Makes places in one line; they are given up with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda count: stack.enter_context(contextlib.closing(Place(tmp_path, count)))


@pytest.mark.parametrize(("text", "slots"), [("1", 1), ("16", 16)])
def test_the_environment_says_how_many_there_are(monkeypatch, text, slots):
    monkeypatch.setenv(SLOTS_VARIABLE, text)
    assert capacity() == slots


@pytest.mark.parametrize("text", ["", "0", "-1", "many"])
def test_otherwise_there_is_one_a_core_and_room_for_a_gang(monkeypatch, text):
    monkeypatch.setenv(SLOTS_VARIABLE, text)
    assert capacity() == max(2, os.cpu_count() or 1)


def test_slots_are_taken_and_given_back(line):
    first, second = line(2), line(1)

    assert first.take()
    assert not second.take()
    assert second.reason() == "Waiting for 1 of this machine's 2 slots, number 1 in line."

    first.close()
    assert second.take()


def test_the_free_ones_are_counted_without_being_taken(line, tmp_path):
    assert free(tmp_path) == 2
    first, waiting = line(1), line(2)
    assert first.take()
    assert not waiting.take()
    assert free(tmp_path) == 1
    first.close()
    assert free(tmp_path) == 2
    assert waiting.take()
    assert free(tmp_path) == 0


def test_small_ones_run_side_by_side(line):
    assert line(1).take()
    assert line(1).take()
    assert not line(1).take()


def test_nobody_passes_the_head_of_the_line(line):
    runs, large, small = line(1), line(2), line(1)
    assert runs.take()

    assert not large.take()
    assert not small.take(), "one slot is free, but it is not its turn"
    assert small.reason().endswith("number 2 in line.")

    runs.close()
    assert large.take()


def test_a_slot_that_is_free_is_not_kept_by_who_waits_for_two(line):
    runs, large = line(1), line(2)
    assert runs.take()
    assert not large.take()

    large.close()
    assert line(1).take()


def test_what_is_larger_than_the_machine_takes_all_of_it(line):
    large = line(5)

    assert large.take()
    assert not line(1).take()
    assert len(large.fds()) == 2


def test_whoever_gives_up_leaves_the_line(line, tmp_path):
    runs, second, third = line(2), line(1), line(1)
    assert runs.take()
    assert third.reason().endswith("number 2 in line.")

    second.close()

    assert third.reason().endswith("number 1 in line.")
    third.close()
    runs.close()
    assert list((tmp_path / "line").iterdir()) == []


def test_closing_twice_does_no_harm(line):
    place = line(1)
    place.close()
    place.close()

    assert place.fds() == []


def test_a_killed_waiter_leaves_the_line(line, tmp_path):
    runs = line(2)
    assert runs.take()
    ready = fork.Event()
    ahead = fork.Process(target=_wait_in_line, args=(tmp_path, ready))
    ahead.start()
    assert ready.wait(30)
    waiting = line(1)
    assert waiting.reason().endswith("number 2 in line.")

    ahead.kill()
    ahead.join(30)

    assert waiting.reason().endswith("number 1 in line.")


def _wait_in_line(folder, ready) -> None:
    place = Place(folder, 1)
    ready.set()
    signal.pause()
    place.close()


def _take_and_hold(folder, count: int, taken) -> None:
    place = Place(folder, count)
    if place.take():
        taken.set()
    signal.pause()


def test_a_killed_holder_lets_the_next_go_on(line, tmp_path):
    taken = fork.Event()
    holder = fork.Process(target=_take_and_hold, args=(tmp_path, 2, taken))
    holder.start()
    assert taken.wait(30)
    waiting = line(1)
    assert not waiting.take()

    holder.kill()
    holder.join(30)

    assert waiting.take()


def test_a_child_that_closes_the_files_does_not_hold_the_slots(line, forked):
    first = line(2)
    assert first.take()
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

    assert line(2).take()


def _work(folder, start, running, most) -> None:
    start.wait(30)
    for count in (1, 2, 1, 2):
        place = Place(folder, count)
        while not place.take():
            pass
        with running.get_lock():
            running.value += count
            most.value = max(most.value, running.value)
        with running.get_lock():
            running.value -= count
        place.close()


def test_a_crowd_never_takes_more_than_there_is_and_all_come_through(tmp_path):
    start, running, most = fork.Barrier(4), fork.Value("i"), fork.Value("i")
    crowd = [fork.Process(target=_work, args=(tmp_path, start, running, most)) for _ in range(4)]
    for process in crowd:
        process.start()
    for process in crowd:
        process.join(60)

    assert [process.exitcode for process in crowd] == [0] * 4
    assert most.value == 2

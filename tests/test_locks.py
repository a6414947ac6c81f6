from __future__ import annotations

import multiprocessing
import os
import signal

import pytest

from jupyter_kf.errors import BackendError
from jupyter_kf.locks import hold, is_held, lock, make_held, open_lock

fork = multiprocessing.get_context("fork")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.lock"


def _hold(path, ready) -> None:
    fd = open_lock(path)
    assert lock(fd)
    ready.set()
    signal.pause()


@pytest.fixture
def holder(path):
    """Another process that holds the lock until it is killed."""
    ready = fork.Event()
    process = fork.Process(target=_hold, args=(path, ready))
    process.start()
    assert ready.wait(30)
    yield process
    process.kill()
    process.join(30)


def test_a_file_that_is_not_there_is_held_by_nobody(path):
    assert not is_held(path)
    assert not path.exists()


def test_a_lock_is_taken_and_given_back(path):
    fd = open_lock(path)
    assert not is_held(path)

    assert lock(fd)
    assert is_held(path)
    assert lock(fd), "the holder has it"

    os.close(fd)
    assert not is_held(path)


def test_asking_does_not_take_it(path):
    with hold(path):
        assert is_held(path)
        assert is_held(path)
    with hold(path, timeout=0.0):
        pass


def test_another_process_has_it(path, holder):
    fd = open_lock(path)
    try:
        assert is_held(path)
        assert not lock(fd)
    finally:
        os.close(fd)


def test_a_killed_holder_gives_it_back(path, holder):
    holder.kill()
    holder.join(30)

    assert not is_held(path)
    with hold(path, timeout=0.0):
        pass


def test_a_copy_of_the_open_file_holds_it_too(path, forked):
    fd = make_held(path)
    heir = forked(signal.pause)
    os.close(fd)

    assert is_held(path)
    os.kill(heir, signal.SIGKILL)
    os.waitpid(heir, 0)
    assert not is_held(path)


def test_waiting_is_bounded_and_told(path, holder):
    with (
        pytest.raises(BackendError, match=r"a\.lock is held by another process for more than 0\.1 s"),
        hold(path, 0.1),
    ):
        pass


def test_a_waiter_gets_it_when_the_holder_ends(path, holder):
    entered = fork.Event()

    def wait() -> None:
        with hold(path, timeout=30):
            entered.set()

    waiter = fork.Process(target=wait)
    waiter.start()
    assert not entered.is_set()
    holder.kill()

    assert entered.wait(30)
    waiter.join(30)
    assert waiter.exitcode == 0


def test_it_is_given_back_after_an_error(path):
    with pytest.raises(KeyError), hold(path):
        raise KeyError
    assert not is_held(path)


def test_a_made_lock_is_held_and_leaves_no_draft(path):
    fd = make_held(path)

    assert is_held(path)
    with pytest.raises(FileExistsError):
        make_held(path)
    assert [p.name for p in path.parent.iterdir()] == ["a.lock"]
    assert is_held(path)
    os.close(fd)
    assert not is_held(path)


def test_open_locks_are_not_inherited_by_programs(path):
    fd = open_lock(path)
    try:
        assert not os.get_inheritable(fd)
    finally:
        os.close(fd)


def _count(path, number) -> None:
    for _ in range(100):
        with hold(path, timeout=60):
            number.value += 1


def test_holders_exclude_each_other(path):
    number = fork.Value("i", lock=False)
    racers = [fork.Process(target=_count, args=(path, number)) for _ in range(3)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(60)

    assert [racer.exitcode for racer in racers] == [0, 0, 0]
    assert number.value == 300

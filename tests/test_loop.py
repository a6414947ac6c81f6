from __future__ import annotations

import asyncio
import itertools
import os
import signal
import threading

import pytest

from jupyter_kf import loop

from .conftest import exit_code


async def _numbers(count: int):
    for number in range(count):
        yield number
        await asyncio.sleep(0)


async def _thread() -> str:
    return threading.current_thread().name


def test_work_runs_in_a_thread_of_its_own_and_always_the_same():
    assert loop.run(_thread()) == loop.run(_thread()) == "jupyter_kf-loop"


def test_it_works_where_a_loop_runs_already():
    async def inside() -> str:
        return loop.run(_thread())

    assert asyncio.run(inside()) == "jupyter_kf-loop"


def test_errors_come_through():
    async def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError, match="x"):
        loop.run(fail())


def test_an_interrupt_of_the_caller_cancels_the_work():
    begun, cancelled = threading.Event(), threading.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    def interrupt() -> None:
        assert begun.wait(30)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            loop.run(work())
    finally:
        signal.signal(signal.SIGINT, before)
    thread.join(30)

    assert cancelled.wait(30)


def test_threads_that_come_first_at_once_share_one_loop(forked):
    def race() -> None:
        barrier, loops = threading.Barrier(8), []

        def ask() -> None:
            barrier.wait(30)
            loops.append(loop._loop())

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert len(loops) == 8
        assert len(set(map(id, loops))) == 1

    assert exit_code(forked(race)) == 0


def test_a_fork_has_a_loop_of_its_own(forked):
    assert loop.run(_thread())

    def use() -> None:
        assert loop.run(_thread()) == "jupyter_kf-loop"

    assert exit_code(forked(use)) == 0


def test_a_stream_gives_all_items_in_order():
    assert [item for item in loop.Stream(_numbers(5), 30) if item is not None] == [0, 1, 2, 3, 4]


def test_a_stream_that_is_at_its_end_stays_there():
    stream = loop.Stream(_numbers(1), 30)

    assert list(stream) == [0]
    assert list(stream) == []


def test_a_stream_whose_mark_of_the_end_was_lost_ends():
    stream = loop.Stream(_numbers(2), 0.05)
    assert [stream._items.get(timeout=30) for _ in range(2)] == [0, 1]
    stream._items.get(timeout=30)  # as if an interrupt had come in the midst of it

    assert set(stream) <= {None}


def test_a_stream_says_when_nothing_came():
    go = asyncio.Event()

    async def slow():
        await go.wait()
        yield "late"

    async def wake() -> None:
        go.set()

    stream = loop.Stream(slow(), 0.01)
    assert next(stream) is None
    loop.run(wake())

    assert [item for item in stream if item is not None] == ["late"]


def test_a_stream_gives_its_items_before_its_error():
    async def broken():
        yield 1
        raise KeyError("gone")

    stream = loop.Stream(broken(), 30)

    assert next(stream) == 1
    with pytest.raises(KeyError, match="gone"):
        next(stream)


def _endless() -> tuple[loop.Stream[int], threading.Event]:
    left = threading.Event()

    async def count():
        try:
            for number in itertools.count():
                yield number
                await asyncio.sleep(0.001)
        finally:
            left.set()

    return loop.Stream(count(), 30), left


def test_an_interrupt_does_not_end_a_stream():
    stream, _ = _endless()
    seen = []
    with pytest.raises(KeyboardInterrupt):
        for item in stream:
            seen.append(item)
            if item == 3:
                raise KeyboardInterrupt
    seen.append(next(stream))

    assert seen == [0, 1, 2, 3, 4]
    stream.close()


def test_closing_a_stream_leaves_its_source():
    stream, left = _endless()
    next(stream)

    stream.close()

    assert left.wait(30)
    for _ in stream:
        pass


def test_a_stream_that_nobody_holds_leaves_its_source():
    stream, left = _endless()
    next(stream)

    del stream

    assert left.wait(30)


def test_a_stream_that_was_closed_at_once_ends(eventually):
    stream, _ = _endless()
    stream.close()

    eventually(lambda: next(stream, "end") == "end", "the stream goes on")

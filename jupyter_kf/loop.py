"""The one event loop behind the synchronous face.

A kernel's main thread runs an event loop of its own, so ours lives in a thread. Nothing else in
the package starts a loop or a thread for one.
"""

from __future__ import annotations

import asyncio
import os
import queue
import threading
from functools import cache
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine
    from typing import Self

T = TypeVar("T")
_END = object()
_starting = threading.Lock()


@cache
def _started() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="jupyter_kf-loop", daemon=True).start()
    return loop


def _loop() -> asyncio.AbstractEventLoop:
    with _starting:
        return _started()


def _forget() -> None:
    """A fork has no thread but its own: it starts a loop anew if it needs one."""
    global _starting
    _starting = threading.Lock()
    _started.cache_clear()


os.register_at_fork(after_in_child=_forget)


def run(work: Coroutine[object, object, T]) -> T:
    """Run a coroutine to its end; an interrupt of the caller, whenever it comes, cancels it."""
    task: list[asyncio.Task[T] | None] = []
    gone = threading.Event()

    async def held() -> T:
        task.append(asyncio.current_task())
        if gone.is_set():
            work.close()
            raise asyncio.CancelledError
        return await work

    def cancel() -> None:
        for one in task:
            if one is not None:
                one.cancel()

    loop = _loop()
    try:
        return asyncio.run_coroutine_threadsafe(held(), loop).result()
    except BaseException:
        gone.set()
        loop.call_soon_threadsafe(cancel)
        raise


class Stream(Generic[T]):
    """The items of an asynchronous iterator; None whenever none came for ``idle`` seconds.

    An interrupt of the caller leaves it as it is: iterating again goes on where it was. The
    source is left when the stream is closed or nobody holds it any more.
    """

    def __init__(self, source: AsyncIterator[T], idle: float) -> None:
        self._items: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._idle = idle
        self._future = asyncio.run_coroutine_threadsafe(_pump(source, self._items), _loop())

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T | None:
        # An interrupt may have lost the mark of the end, so the source is asked too.
        ended = self._future.done()
        try:
            item = self._items.get(timeout=self._idle) if not ended else self._items.get_nowait()
        except queue.Empty:
            if not ended:
                return None
            item = _END
        if item is not _END:
            return item  # type: ignore[return-value]
        self._items.put(_END)
        if not self._future.cancelled():
            self._future.result()  # an error of the source is raised here
        raise StopIteration

    def close(self) -> None:
        """Stop listening to the source."""
        self._future.cancel()
        self._items.put(_END)

    __del__ = close


async def _pump(source: AsyncIterator[T], items: queue.SimpleQueue[object]) -> None:
    try:
        async for item in source:
            items.put(item)
    finally:
        items.put(_END)

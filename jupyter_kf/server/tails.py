"""Logs and metrics of single jobs, for one page.

A `Tail` reads one rank's log from the backend and keeps what the page has not fetched yet. Log
text is kept in a bounded window: what a page is too slow for is passed over and named in a gap,
which it can fetch by REST. Metrics are never passed over; there the reading waits for the page.
"""

from __future__ import annotations

import asyncio
import codecs
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ..errors import JupyterKFError, SpecError
from ..logs import LogReader
from ..names import check_job_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..backends.base import Backend

    Frame = dict[str, Any]

PIECE = 64 * 1024  # bytes of log in one frame
RECORDS = 500  # metrics records in one frame


@dataclass(frozen=True)
class Subscription:
    """What a page asked to hear: one rank's log from byte ``start``, or its metrics."""

    id: int
    topic: Literal["logs", "metrics"]
    job: str
    rank: int = 0
    start: int = 0

    @classmethod
    def read(cls, frame: dict[str, Any]) -> Subscription:
        """Read a ``subscribe`` frame; `SpecError` says what is wrong with it."""
        topic = frame.get("topic")
        if topic not in ("logs", "metrics"):
            raise SpecError("topic must be 'logs' or 'metrics'.")
        numbers = {key: frame.get(key, 0) for key in ("id", "rank", "from")}
        for key, value in numbers.items():
            if type(value) is not int or value < 0:
                raise SpecError(f"{key} must be a whole number of at least 0.")
        job = frame.get("job")
        if not isinstance(job, str):
            raise SpecError("job must be a job's name.")
        return cls(numbers["id"], topic, check_job_name(job), numbers["rank"], numbers["from"])


class Tail:
    """One subscription at work; `take` gives its next frame."""

    def __init__(self, backend: Backend, what: Subscription, wake: Callable[[], None]) -> None:
        self.what = what
        self._wake = wake
        self._ended: Frame | None = None
        self._task = asyncio.create_task(self._run(backend))

    def stop(self) -> None:
        """Read no further."""
        self._task.cancel()

    def take(self) -> Frame | None:
        """Give the next frame, or None if there is nothing to say now."""
        frame = self._next()
        if frame is None:
            frame, self._ended = self._ended, None
        return frame

    async def _run(self, backend: Backend) -> None:
        what = self.what
        try:
            async for piece in backend.logs(what.job, what.rank, start=what.start, follow=True):
                await self._add(piece)
                self._wake()
                await asyncio.sleep(0)
            self._finish()
            self._ended = {"kind": "end", "id": what.id}
        except (JupyterKFError, OSError) as err:  # a page must hear why nothing more comes
            said = str(err) or type(err).__name__
            self._ended = {"kind": "error", "id": what.id, "error": type(err).__name__, "message": said}
        self._wake()

    async def _add(self, piece: bytes) -> None:
        raise NotImplementedError

    def _finish(self) -> None:
        """Give out what a reader still holds."""

    def _next(self) -> Frame | None:
        raise NotImplementedError


class LogTail(Tail):
    """A window over the end of one rank's log, at most ``window`` bytes."""

    def __init__(self, backend: Backend, what: Subscription, wake: Callable[[], None], window: int) -> None:
        self._window = window
        self._pieces: deque[bytes] = deque()
        self._held = 0
        self._offset = what.start  # of the first byte in the window
        self._gap = what.start
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        super().__init__(backend, what, wake)

    async def _add(self, piece: bytes) -> None:
        for i in range(0, len(piece), PIECE):
            self._pieces.append(piece[i : i + PIECE])
        self._held += len(piece)
        while self._held > self._window and len(self._pieces) > 1:
            lost = len(self._pieces.popleft())
            self._held -= lost
            self._offset += lost

    def _next(self) -> Frame | None:
        if self._gap < self._offset:
            gap = {"kind": "gap", "id": self.what.id, "from": self._gap, "to": self._offset}
            self._gap = self._offset
            self._decoder.reset()
            return gap
        if not self._pieces:
            return None
        piece = self._pieces.popleft()
        self._held -= len(piece)
        start = self._offset - self._half()
        self._offset = self._gap = self._offset + len(piece)
        text = self._decoder.decode(piece)
        return {
            "kind": "log",
            "id": self.what.id,
            "from": start,
            "to": self._offset - self._half(),
            "text": text,
        }

    def _half(self) -> int:
        """Count the bytes of a character whose rest has not come yet."""
        return len(self._decoder.getstate()[0])


class MetricsTail(Tail):
    """The metrics records of one rank's log, all of them and in order."""

    def __init__(self, backend: Backend, what: Subscription, wake: Callable[[], None]) -> None:
        self._reader = LogReader()
        self._records: deque[Frame] = deque()
        self._room = asyncio.Event()
        super().__init__(backend, what, wake)

    async def _add(self, piece: bytes) -> None:
        self._keep(piece)
        while len(self._records) > 4 * RECORDS:
            self._room.clear()
            self._wake()
            await self._room.wait()

    def _finish(self) -> None:
        self._keep(b"", final=True)

    def _keep(self, piece: bytes, final: bool = False) -> None:
        for item in self._reader.feed(piece, final):
            if not isinstance(item, str) and item["kind"] == "metrics":
                self._records.append(item)

    def _next(self) -> Frame | None:
        if not self._records:
            return None
        records = [self._records.popleft() for _ in range(min(RECORDS, len(self._records)))]
        self._room.set()
        return {"kind": "metrics", "id": self.what.id, "records": records}


def open_tail(backend: Backend, what: Subscription, wake: Callable[[], None], window: int) -> Tail:
    """Begin to read what a page asked for."""
    if what.topic == "metrics":
        return MetricsTail(backend, what, wake)
    return LogTail(backend, what, wake, window)

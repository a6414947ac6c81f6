"""Jobs as they change, for any number of pages.

`Feed` watches the backend once for the whole server and keeps the picture of its jobs; `Page` is
what one open page has still to be told. A page that reads slowly costs no more than the list of
jobs: changes of one job replace each other, and where many jobs changed it gets a new snapshot.
This module knows nothing of sockets or requests.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from ..backends.base import Backend, JobEvent
    from ..spec import JobStatus

    Tell = Callable[[str, JobStatus], None]

FIRST_RETRY, LAST_RETRY = 0.5, 30.0

Frame = dict[str, Any]


class Page:
    """What one page has not been told yet."""

    def __init__(self, feed: Feed, limit: int) -> None:
        self._feed = feed
        self._limit = limit
        self._pending: dict[str, JobStatus | None] = {}
        self._since = 0.0
        self._whole = True
        self.ready = asyncio.Event()
        self.ready.set()

    def add(self, name: str, status: JobStatus | None) -> None:
        """Note a change; None for a job that is gone."""
        if not self._pending:
            self._since = time.time()
        self._pending[name] = status
        if len(self._pending) > self._limit:
            self.renew()
        self.ready.set()

    def renew(self) -> None:
        """Have the page told everything anew."""
        self._pending.clear()
        self._whole = True
        self.ready.set()

    def take(self) -> Frame | None:
        """Give the next frame for this page, or None if it knows all."""
        if self._whole:
            self._whole = False
            self._pending.clear()
            return self._feed.snapshot()
        if not self._pending:
            return None
        pending, self._pending = self._pending, {}
        return {
            "kind": "delta",
            "v": self._feed.version,
            "changed": [status.to_dict() for status in pending.values() if status],
            "removed": [name for name, status in pending.items() if not status],
            "time": self._since,
        }


class Feed:
    """The server's one watch over the backend.

    ``tell`` hears of each job's change of state, with the word for it. The watch starts again by
    itself, with growing pauses, when the backend fails; pages are told why meanwhile.
    """

    def __init__(self, backend: Backend, log: logging.Logger, tell: Tell, limit: int = 1000) -> None:
        self.backend = backend
        self.jobs: dict[str, JobStatus] = {}
        self.version = 0
        self.trouble = ""
        self.features: list[str] = []
        self._log = log
        self._tell = tell
        self._limit = limit
        self._pages: set[Page] = set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to watch."""
        self._task = asyncio.create_task(self._keep_watching())

    async def stop(self) -> None:
        """End the watch; jobs go on."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.backend.close()

    def join(self) -> Page:
        """Let a page take part; its first frame is a snapshot."""
        page = Page(self, self._limit)
        self._pages.add(page)
        return page

    def leave(self, page: Page) -> None:
        """Forget a page."""
        self._pages.discard(page)

    def snapshot(self) -> Frame:
        """Give all that is known."""
        return {
            "kind": "snapshot",
            "v": self.version,
            "jobs": [status.to_dict() for status in self.jobs.values()],
            "features": self.features,
            "trouble": self.trouble,
        }

    async def _keep_watching(self) -> None:
        pause = FIRST_RETRY
        while True:
            try:
                await self._begin()
                pause = FIRST_RETRY
                async for event in self.backend.watch():
                    self._see(event)
                self._stumble("The backend ended the watch.")
            except Exception as err:  # noqa: BLE001  one bad answer must not end the watch
                self._log.warning(
                    "jupyter_kf: the watch over jobs failed, next try in %.1f s: %s", pause, err
                )
                self._stumble(str(err) or type(err).__name__)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LAST_RETRY)

    async def _begin(self) -> None:
        self.jobs = {status.name: status for status in await self.backend.list()}
        self.trouble = ""
        self._renew()

    def _stumble(self, why: str) -> None:
        self.trouble = why
        self._renew()

    def _renew(self) -> None:
        self.version += 1
        for page in self._pages:
            page.renew()

    def _see(self, event: JobEvent) -> None:
        status, name = event.status, event.status.name
        old = self.jobs.get(name)
        if event.kind == "removed":
            if self.jobs.pop(name, None) is None:
                return
        elif old == status:
            return
        else:
            self.jobs[name] = status
        self.version += 1
        for page in self._pages:
            page.add(name, None if event.kind == "removed" else status)
        word = _transition(event.kind, old, status)
        if word:
            self._tell(word, status)


def _transition(kind: str, old: JobStatus | None, new: JobStatus) -> str:
    if kind == "removed":
        return "deleted"
    if old is not None and old.state is new.state:
        return ""
    if new.state == "PENDING":
        return "waiting" if old else "submitted"
    return str(new.state).lower()

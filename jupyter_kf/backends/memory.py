"""A backend that runs nothing: jobs are what a test says they are.

For tests of everything that stands on a backend, ours and other people's. It keeps the whole
contract of `Backend`; the payload is not looked at.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import threading
import time
from typing import TYPE_CHECKING, ClassVar

from ..errors import NotFound, SpecError
from ..spec import JobSpec, JobState, JobStatus, Replica
from ..store import job_path
from ..timetable import ScheduleStatus, next_run
from .base import Backend, JobEvent
from .schedules import Schedules

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from ..store import ArtifactStore
    from ..timetable import ScheduleSpec


class MemoryBackend(Backend):
    """Jobs in a dict; `tell` and `write` play the part of the replicas, from any thread."""

    name: ClassVar[str] = "memory"

    def __init__(self, store: ArtifactStore | None = None) -> None:
        super().__init__(store)
        self._jobs: dict[str, JobStatus] = {}
        self._logs: dict[tuple[str, int], bytes] = {}
        self._listeners: set[tuple[asyncio.AbstractEventLoop, asyncio.Queue[JobEvent | None]]] = set()
        self._lock = threading.RLock()
        self._schedules = MemorySchedules()

    def schedules(self) -> MemorySchedules:
        return self._schedules

    async def launch(self, spec: JobSpec) -> None:
        with self._lock:
            if spec.name in self._jobs:
                raise SpecError(f"There is a job {spec.name!r} already.")
            replicas = tuple(Replica(i) for i in range(spec.replicas))
            self._jobs[spec.name] = JobStatus(spec, replicas=replicas)
            self._send(JobEvent("added", self._jobs[spec.name]))

    def tell(self, name: str, state: JobState, reason: str = "", *, at: float = 0.0) -> None:
        """Let a job and all its replicas come into ``state`` at the time ``at``."""
        with self._lock:
            old = self._find(name)
            replicas = tuple(dataclasses.replace(r, state=state) for r in old.replicas)
            new = dataclasses.replace(old, state=state, reason=reason, replicas=replicas)
            if state is JobState.RUNNING:
                new = dataclasses.replace(new, started=at)
            elif state.finished:
                new = dataclasses.replace(new, finished=at)
            self._jobs[name] = new
            self._send(JobEvent("modified", new))

    def write(self, name: str, data: bytes, rank: int = 0) -> None:
        """Let a replica's log grow."""
        with self._lock:
            self._find(name)
            self._logs[name, rank] = self._logs.get((name, rank), b"") + data
            self._send(None)

    async def list(self) -> list[JobStatus]:
        with self._lock:
            return sorted(self._jobs.values(), key=lambda s: (-s.spec.created, s.name))

    async def watch(self) -> AsyncIterator[JobEvent]:
        with contextlib.ExitStack() as stack:
            with self._lock:  # nothing happens between the list and the first event
                known = await self.list()
                queue = stack.enter_context(self._listen())
            for status in known:
                yield JobEvent("added", status)
            while True:
                if event := await queue.get():
                    yield event

    async def logs(
        self, name: str, rank: int = 0, *, start: int = 0, follow: bool = False
    ) -> AsyncIterator[bytes]:
        if not 0 <= rank < self._find(name).spec.replicas:
            raise NotFound(f"The job {name!r} has no rank {rank}.")
        with self._listen() as queue:
            while True:
                with self._lock:
                    status = self._jobs.get(name)
                    data = self._logs.get((name, rank), b"")[start:]
                if data:
                    start += len(data)
                    yield data
                if not follow or status is None or status.state.finished:
                    return
                await queue.get()

    async def cancel(self, name: str) -> None:
        if not self._find(name).state.finished:
            self.tell(name, JobState.CANCELLED, "Cancelled.", at=time.time())

    async def delete(self, name: str) -> None:
        await self.cancel(name)
        with self._lock:
            status = self._jobs.pop(name)
            for key in [k for k in self._logs if k[0] == name]:
                del self._logs[key]
            self._send(JobEvent("removed", status))
        self.store.delete(job_path(name))

    def _find(self, name: str) -> JobStatus:
        try:
            return self._jobs[name]
        except KeyError:
            raise NotFound(f"There is no job {name!r}.") from None

    @contextlib.contextmanager
    def _listen(self) -> Iterator[asyncio.Queue[JobEvent | None]]:
        """Give a queue that gets every event, and None when a log has grown."""
        queue: asyncio.Queue[JobEvent | None] = asyncio.Queue()
        listener = (asyncio.get_running_loop(), queue)
        self._listeners.add(listener)
        try:
            yield queue
        finally:
            self._listeners.discard(listener)

    def _send(self, event: JobEvent | None) -> None:
        for loop, queue in list(self._listeners):
            with contextlib.suppress(RuntimeError):  # a loop that was closed listens no more
                loop.call_soon_threadsafe(queue.put_nowait, event)


class MemorySchedules(Schedules):
    """Schedules in a dict, which never come round."""

    def __init__(self) -> None:
        self.all: dict[str, ScheduleStatus] = {}

    async def create(self, spec: ScheduleSpec) -> None:
        if spec.name in self.all:
            raise SpecError(f"There is a schedule {spec.name!r} already: choose another name.")
        self.all[spec.name] = ScheduleStatus(spec, next=next_run(spec, time.time()))

    async def list(self) -> list[ScheduleStatus]:
        return sorted(self.all.values(), key=lambda status: status.name)

    async def pause(self, name: str, paused: bool) -> None:
        status = await self.get(name)
        then = None if paused else next_run(status.spec, time.time())
        self.all[name] = dataclasses.replace(status, paused=paused, next=then)

    async def delete(self, name: str) -> None:
        await self.get(name)
        del self.all[name]

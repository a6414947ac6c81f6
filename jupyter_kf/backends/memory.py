"""A backend that runs nothing: jobs are what a test says they are.

For tests of everything that stands on a backend, ours and other people's. It keeps the whole
contract of `Backend`; the payload is not looked at.
"""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING, ClassVar

from ..errors import NotFound, SpecError
from ..spec import JobSpec, JobState, JobStatus, Replica
from ..store import job_path
from .base import Backend, JobEvent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ..store import ArtifactStore


class MemoryBackend(Backend):
    """Jobs in a dict; `tell` and `write` play the part of the replicas."""

    name: ClassVar[str] = "memory"

    def __init__(self, store: ArtifactStore | None = None) -> None:
        super().__init__(store)
        self._jobs: dict[str, JobStatus] = {}
        self._logs: dict[tuple[str, int], bytes] = {}
        self._watchers: set[asyncio.Queue[JobEvent]] = set()
        self._changed = asyncio.Event()

    async def launch(self, spec: JobSpec) -> None:
        if spec.name in self._jobs:
            raise SpecError(f"There is a job {spec.name!r} already.")
        replicas = tuple(Replica(i) for i in range(spec.replicas))
        self._emit("added", JobStatus(spec, replicas=replicas))

    def tell(self, name: str, state: JobState, reason: str = "", *, at: float = 0.0) -> None:
        """Let a job and all its replicas come into ``state`` at the time ``at``."""
        old = self._find(name)
        replicas = tuple(dataclasses.replace(r, state=state) for r in old.replicas)
        new = dataclasses.replace(old, state=state, reason=reason, replicas=replicas)
        if state is JobState.RUNNING:
            new = dataclasses.replace(new, started=at)
        elif state.finished:
            new = dataclasses.replace(new, finished=at)
        self._emit("modified", new)

    def write(self, name: str, data: bytes, rank: int = 0) -> None:
        """Let a replica's log grow."""
        self._find(name)
        self._logs[name, rank] = self._logs.get((name, rank), b"") + data
        self._wake()

    async def list(self) -> list[JobStatus]:
        return sorted(self._jobs.values(), key=lambda s: (-s.spec.created, s.name))

    async def watch(self) -> AsyncIterator[JobEvent]:
        queue: asyncio.Queue[JobEvent] = asyncio.Queue()
        for status in await self.list():
            queue.put_nowait(JobEvent("added", status))
        self._watchers.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._watchers.discard(queue)

    async def logs(
        self, name: str, rank: int = 0, *, start: int = 0, follow: bool = False
    ) -> AsyncIterator[bytes]:
        if not 0 <= rank < self._find(name).spec.replicas:
            raise NotFound(f"The job {name!r} has no rank {rank}.")
        while True:
            changed = self._changed
            status = self._jobs.get(name)
            data = self._logs.get((name, rank), b"")[start:]
            if data:
                start += len(data)
                yield data
            if not follow or status is None or status.state.finished:
                return
            await changed.wait()

    async def cancel(self, name: str) -> None:
        if not self._find(name).state.finished:
            self.tell(name, JobState.CANCELLED, "Cancelled.")

    async def delete(self, name: str) -> None:
        await self.cancel(name)
        status = self._jobs.pop(name)
        for key in [k for k in self._logs if k[0] == name]:
            del self._logs[key]
        self.store.delete(job_path(name))
        self._send(JobEvent("removed", status))

    def _find(self, name: str) -> JobStatus:
        try:
            return self._jobs[name]
        except KeyError:
            raise NotFound(f"There is no job {name!r}.") from None

    def _emit(self, kind: str, status: JobStatus) -> None:
        self._jobs[status.name] = status
        self._send(JobEvent("added" if kind == "added" else "modified", status))

    def _send(self, event: JobEvent) -> None:
        for queue in self._watchers:
            queue.put_nowait(event)
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

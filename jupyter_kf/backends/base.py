"""What every place that runs jobs can do, and no more.

The backend is the only database of jobs: whatever it lists is what there is. It never looks
into a payload and never raises an exception of the library it stands on.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from ..errors import NotFound, SpecError
from ..spec import Record
from ..store import PAYLOAD, REQUESTS, SPEC, ArtifactStore, job_path
from .schedules import NoSchedules

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ..spec import JobSpec, JobStatus
    from .schedules import Schedules


@dataclass(frozen=True)
class JobEvent:
    """One change that a watch saw; ``removed`` carries the last status that was known."""

    kind: Literal["added", "modified", "removed"]
    status: JobStatus


@dataclass(frozen=True)
class Availability(Record):
    """How many workers could start at once, of how many; None where the place cannot tell."""

    free: int | None = None
    total: int | None = None


@dataclass(frozen=True)
class PlaceEvent(Record):
    """What the place itself said about a part of a job: ``time`` in seconds since the epoch."""

    time: float
    about: str
    reason: str
    message: str


class Backend(ABC):
    """Runs jobs whose payload lies in ``store``.

    Subclasses must implement `launch`, `list`, `watch`, `logs`, `cancel` and `delete`. `submit`,
    `get`, `wait` and `interrupt` are made of these and of the store; a subclass may do them
    better. All of it is asynchronous, and every call comes back in bounded time except `watch`,
    `wait` without a time-out and `logs` with ``follow``.

    Raises `NotFound` for a job that is not there, `Forbidden` where the user may not,
    `BackendError` where the place fails.
    """

    name: ClassVar[str]

    def __init__(self, store: ArtifactStore | None = None) -> None:
        self.store = store or ArtifactStore()

    async def submit(self, spec: JobSpec) -> None:
        """Start the job of ``spec``, whose payload the store has already; return at once."""
        if not self.store.has(job_path(spec.name, PAYLOAD)):
            raise SpecError(f"The store holds no payload for the job {spec.name!r}.")
        self.store.put_json(job_path(spec.name, SPEC), spec.to_dict())
        await self.launch(spec)

    @abstractmethod
    async def launch(self, spec: JobSpec) -> None:
        """Make the processes or objects of a job whose payload and spec lie in the store."""

    @abstractmethod
    async def list(self) -> list[JobStatus]:
        """Give all jobs of this user, the newest first."""

    @abstractmethod
    def watch(self) -> AsyncIterator[JobEvent]:
        """Give every job as ``added``, then every change, for as long as it is asked."""

    @abstractmethod
    def logs(self, name: str, rank: int = 0, *, start: int = 0, follow: bool = False) -> AsyncIterator[bytes]:
        """Give one rank's log from byte ``start``; with ``follow`` until the job has ended.

        Pieces are cut anywhere; `jupyter_kf.logs` reads them.
        """

    @abstractmethod
    async def cancel(self, name: str) -> None:
        """End a job and keep its record; a job that has ended already stays as it is."""

    @abstractmethod
    async def delete(self, name: str) -> None:
        """End a job if it runs and remove all that is left of it, the store's folder too."""

    async def get(self, name: str) -> JobStatus:
        """Give one job's status."""
        for status in await self.list():
            if status.name == name:
                return status
        raise NotFound(f"There is no job {name!r}.")

    async def wait(self, name: str, timeout: float | None = None) -> JobStatus:
        """Wait for a job's end; `TimeoutError` after ``timeout`` seconds."""
        status = await self.get(name)
        if status.state.finished:
            return status
        try:
            async with asyncio.timeout(timeout):
                return await self._end(name)
        except TimeoutError as err:
            raise TimeoutError(f"The job {name!r} has not ended within {timeout:g} s; it goes on.") from err

    async def _end(self, name: str) -> JobStatus:
        async for event in self.watch():
            if event.status.name != name:
                continue
            if event.kind == "removed":
                raise NotFound(f"The job {name!r} was deleted while it was waited for.")
            if event.status.state.finished:
                return event.status
        raise NotFound(f"The job {name!r} is not watched any more.")

    async def manifests(self, spec: JobSpec) -> str:
        """Give what `launch` would make in the place's own language, where it has one."""
        raise SpecError(f"Jobs of the backend {self.name!r} have no manifests; those on Kubernetes have.")

    async def events(self, name: str) -> tuple[PlaceEvent, ...]:
        """Give what the place has said about a job, the oldest first, where it speaks at all."""
        raise SpecError(f"The backend {self.name!r} tells no events; Kubernetes does.")

    async def availability(self, profile: str = "") -> Availability:
        """Tell what is free for workers of a profile; that it is not known is not that nothing is."""
        return Availability()

    def schedules(self) -> Schedules:
        """Give the schedules of this place; one that keeps none says so when one is made."""
        return NoSchedules(self.name, self.store.url)

    async def interrupt(self, name: str) -> None:
        """Ask a running job to stop after its present step and to bring back what it has."""
        if not (await self.get(name)).state.finished:
            self.store.put(job_path(name, REQUESTS, "interrupt"), b"")

    async def close(self) -> None:
        """Give back connections; jobs go on."""

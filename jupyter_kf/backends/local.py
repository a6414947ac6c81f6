"""Jobs as processes of this machine: a folder in the store and a supervisor that outlives us.

The job's folder is all there is to know. This module starts supervisors and reads folders; what
runs inside a job is `jupyter_kf.worker`, which it never imports.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
import time
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import BackendError, NotFound, SpecError
from ..locks import hold, is_held, lock, open_lock
from ..spec import JobSpec, JobState, JobStatus, Replica
from ..store import APPLIED, LOGS, OUTCOME, REQUESTS, SPEC, STATUS, SUMMARY, ArtifactStore, job_path, log_path
from . import warm
from .base import Backend, JobEvent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

_LOCK = "supervisor.lock"
_WATCH_INTERVAL = 0.1
_LOG_INTERVAL = 0.03
# A supervisor gives its ranks 5 s to end and looks for requests ten times a second.
_CANCEL_PATIENCE = 10.0


class LocalBackend(Backend):
    """Runs jobs on this machine; the store must be a folder of it."""

    name: ClassVar[str] = "local"

    def __init__(self, store: ArtifactStore | None = None) -> None:
        super().__init__(store)
        root = self.store.local()
        if root is None:
            raise SpecError(f"Jobs of this machine need a store in a folder, not {self.store.url}.")
        self._root = root
        self._seen: dict[str, tuple[object, JobStatus]] = {}

    def _folder(self, name: str) -> Path:
        return self._root / job_path(name)

    async def launch(self, spec: JobSpec) -> None:
        folder = self._folder(spec.name)
        (folder / LOGS).mkdir(mode=0o700, exist_ok=True)
        fd = open_lock(folder / _LOCK)
        log = os.open(folder / LOGS / "supervisor.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            if not lock(fd):
                raise SpecError(f"There is a job {spec.name!r} already.")
            await asyncio.to_thread(warm.start_supervisor, str(self._root), spec.name, [fd, log])
        finally:
            os.close(fd)
            os.close(log)

    async def list(self) -> list[JobStatus]:
        return list(self._all())

    def _all(self) -> Sequence[JobStatus]:
        found = [status for name in self.store.list("jobs") if (status := self._status(name))]
        for gone in self._seen.keys() - {status.name for status in found}:
            del self._seen[gone]
        return sorted(found, key=lambda s: (-s.spec.created, s.name))

    async def get(self, name: str) -> JobStatus:
        status = self._status(name)
        if status is None:
            raise NotFound(f"There is no job {name!r} in {self.store.url}.")
        return status

    def _status(self, name: str) -> JobStatus | None:
        """Read a job's status; None for a folder that is not (or not yet, or no more) a job."""
        folder = self._folder(name)
        held = is_held(folder / _LOCK)
        try:
            when = (folder / STATUS).stat()
            mark: object = (when.st_mtime_ns, when.st_ino, held, (folder / APPLIED).exists())
        except FileNotFoundError:
            mark = held
        known = self._seen.get(name)
        if known and known[0] == mark:
            return known[1]
        try:
            spec = JobSpec.from_dict(self.store.get_json(job_path(name, SPEC)))
        except NotFound:
            return None
        status = self._read(spec)
        if not status.state.finished and not held:
            status = self._lost(spec, status)
        self._seen[name] = (mark, status)
        return status

    def _read(self, spec: JobSpec) -> JobStatus:
        try:
            now: dict[str, Any] = self.store.get_json(job_path(spec.name, STATUS))
        except NotFound:
            return JobStatus(spec, reason="Waiting for its supervisor to start.")
        if self.store.has(job_path(spec.name, APPLIED)):
            now |= self.store.get_json(job_path(spec.name, APPLIED))
        return JobStatus.from_dict({**now, "spec": spec.to_dict()})

    def _lost(self, spec: JobSpec, last: JobStatus) -> JobStatus:
        """Say what became of a job whose supervisor is gone without a word."""
        if self.store.has(job_path(spec.name, OUTCOME, SUMMARY)):
            told = self.store.get_json(job_path(spec.name, OUTCOME, SUMMARY))
            return dataclasses.replace(last, state=JobState(told["state"]), reason=told["reason"])
        replicas = tuple(
            r if r.state.finished else Replica(r.index, JobState.FAILED, "its supervisor was killed")
            for r in last.replicas
        )
        if self.store.has(job_path(spec.name, REQUESTS, "cancel")):
            return dataclasses.replace(last, state=JobState.CANCELLED, reason="Cancelled.", replicas=replicas)
        reason = "Its supervisor was killed; the log of the supervisor may say more."
        return dataclasses.replace(last, state=JobState.FAILED, reason=reason, replicas=replicas)

    async def watch(self) -> AsyncIterator[JobEvent]:
        known: dict[str, JobStatus] = {}
        while True:
            now = {status.name: status for status in await asyncio.to_thread(self._all)}
            for name, status in now.items():
                if name not in known:
                    yield JobEvent("added", status)
                elif known[name] != status:
                    yield JobEvent("modified", status)
            for name in known.keys() - now.keys():
                yield JobEvent("removed", known[name])
            known = now
            await asyncio.sleep(_WATCH_INTERVAL)

    async def logs(
        self, name: str, rank: int = 0, *, start: int = 0, follow: bool = False
    ) -> AsyncIterator[bytes]:
        if not 0 <= rank < (await self.get(name)).spec.replicas:
            raise NotFound(f"The job {name!r} has no rank {rank}.")
        path = self._root / log_path(name, rank)
        while True:
            # Asked before the read: what a job wrote until its end is then in what is read.
            status = self._status(name)
            ended = status is None or status.state.finished
            if data := _tail(path, start):
                start += len(data)
                yield data
            elif ended or not follow:
                return
            else:
                await asyncio.sleep(_LOG_INTERVAL)

    async def cancel(self, name: str) -> None:
        status = await self.get(name)
        if status.state.finished:
            return
        self.store.put(job_path(name, REQUESTS, "cancel"), b"")
        deadline = time.monotonic() + _CANCEL_PATIENCE
        while not (await self.get(name)).state.finished:
            if time.monotonic() > deadline:
                self._kill(name)
                deadline = time.monotonic() + _CANCEL_PATIENCE
            await asyncio.sleep(_WATCH_INTERVAL)

    def _kill(self, name: str) -> None:
        """Kill a supervisor that does not answer; its ranks are killed with it by the system."""
        if not is_held(self._folder(name) / _LOCK):
            return
        pid = self.store.get_json(job_path(name, STATUS)).get("pid")
        if not isinstance(pid, int):
            raise BackendError(f"The supervisor of {name!r} does not answer and has not said who it is.")
        os.kill(pid, signal.SIGKILL)

    async def delete(self, name: str) -> None:
        await self.cancel(name)
        with hold(self._folder(name) / _LOCK):
            self.store.delete(job_path(name))


def _tail(path: Path, start: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(start)
            return file.read(1 << 20)
    except FileNotFoundError:
        return b""

"""Jobs as processes of this machine: a folder in the store and a supervisor that outlives us.

The job's folder is all there is to know. This module starts supervisors and reads folders; what
runs inside a job is `jupyter_kf.worker`, which it never imports.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import signal
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import BackendError, NotFound, SpecError
from ..locks import hold, is_held, make_held
from ..names import is_job_name
from ..slots import SLOTS_VARIABLE, capacity, free
from ..spec import JobSpec, JobState, JobStatus
from ..store import APPLIED, LOGS, OUTCOME, REQUESTS, SPEC, STATUS, SUMMARY, ArtifactStore, job_path, log_path
from . import warm
from .base import Availability, Backend, JobEvent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

_LOCK = "supervisor.lock"
_WATCH_INTERVAL = 0.1
_LOG_INTERVAL = 0.03
# A supervisor gives its ranks 5 s to end and looks for requests ten times a second; one that the
# warm process has not forked yet may have to wait for the import of TensorFlow.
_CANCEL_PATIENCE = 10.0
_FORK_PATIENCE = 120.0
# Replicas of a job that is larger than the machine share its slots; far more of them would fill its memory.
_MOST_A_SLOT = 16
_KILLED = "Its supervisor was killed; the log of the supervisor may say more."


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
        if spec.replicas > (most := _MOST_A_SLOT * capacity()):
            raise SpecError(
                f"{spec.replicas} workers are too many for this machine: its {capacity()} slots take at most "
                f"{most} at once. Take fewer, or set {SLOTS_VARIABLE}."
            )
        if spec.replicas > 1 and find_spec("tensorflow") is None:
            raise SpecError(
                "TensorFlow is not installed here, and it is what replicas work together by: "
                "pip install 'jupyter-kf[tensorflow-cpu]', and restart the kernel."
            )
        await asyncio.to_thread(self._launch, spec.name)

    def _launch(self, name: str) -> None:
        folder = self._folder(name)
        (folder / LOGS).mkdir(mode=0o700, exist_ok=True)
        try:
            # Held from the first moment: a lock that is free means that the supervisor is gone.
            fd = make_held(folder / _LOCK)
        except FileExistsError as err:
            raise SpecError(f"There is a job {name!r} already.") from err
        try:
            with (folder / LOGS / "supervisor.log").open("ab") as log:
                warm.start_supervisor(str(self._root), name, [fd, log.fileno()])
        finally:
            os.close(fd)

    async def list(self) -> list[JobStatus]:
        found = await asyncio.to_thread(self._all)
        return sorted(found.values(), key=lambda s: (-s.spec.created, s.name))

    def _all(self) -> dict[str, JobStatus]:
        found = {name: status for name in self.store.list("jobs") if (status := self._status(name))}
        for gone in set(self._seen) - set(found):
            self._seen.pop(gone, None)
        return found

    async def get(self, name: str) -> JobStatus:
        status = self._status(name)
        if status is None:
            raise NotFound(f"There is no job {name!r} in {self.store.url}.")
        return status

    def _status(self, name: str) -> JobStatus | None:
        """Read a job's status; None for a folder that is not (or not yet, or no more) a job."""
        folder = self._folder(name)
        if not is_job_name(name) or not (lock := _mark(folder / _LOCK)):
            return None
        marks = [lock, _mark(folder / STATUS), _mark(folder / APPLIED)]
        known = self._seen.get(name)
        if known and known[0] == marks and known[1].state.finished:
            return known[1]
        # Asked before the read: what a supervisor wrote until its end is then in what is read.
        held = is_held(folder / _LOCK)
        try:
            spec = JobSpec.from_dict(self.store.get_json(job_path(name, SPEC)))
            status = self._read(spec)
        except NotFound:
            return None
        except (BackendError, SpecError) as err:
            status = JobStatus(JobSpec(name), JobState.FAILED, f"Its record cannot be read: {err}")
        if not status.state.finished and not held:
            status = self._lost(status)
        self._seen[name] = (marks, status)
        return status

    def _read(self, spec: JobSpec) -> JobStatus:
        now: dict[str, Any] = {"reason": "Waiting for its supervisor to start."}
        for part in (STATUS, APPLIED):
            with contextlib.suppress(NotFound):
                now |= self.store.get_json(job_path(spec.name, part))
        return JobStatus.from_dict({**now, "spec": spec.to_dict()})

    def _lost(self, last: JobStatus) -> JobStatus:
        """Say what became of a job whose supervisor is gone without a word."""
        state, reason, rank_reason = JobState.FAILED, _KILLED, "its supervisor was killed"
        if self.store.has(job_path(last.name, OUTCOME, SUMMARY)):
            told = self.store.get_json(job_path(last.name, OUTCOME, SUMMARY))
            state, reason, rank_reason = JobState(told["state"]), told["reason"], ""
        elif self.store.has(job_path(last.name, REQUESTS, "cancel")):
            state, reason, rank_reason = JobState.CANCELLED, "Cancelled.", ""
        replicas = tuple(
            r if r.state.finished else dataclasses.replace(r, state=state, reason=rank_reason)
            for r in last.replicas
        )
        return dataclasses.replace(last, state=state, reason=reason, replicas=replicas)

    async def availability(self, profile: str = "") -> Availability:
        """All profiles share this machine's slots."""
        return Availability(await asyncio.to_thread(free, warm.runtime_folder()), capacity())

    async def watch(self) -> AsyncIterator[JobEvent]:
        known: dict[str, JobStatus] = {}
        while True:
            now = await asyncio.to_thread(self._all)
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
            # Asked before the read, as above.
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
        if (await self.get(name)).state.finished:
            return
        self.store.put(job_path(name, REQUESTS, "cancel"), b"")
        forked = self.store.has(job_path(name, STATUS))
        if await self._ends(name, _CANCEL_PATIENCE if forked else _FORK_PATIENCE):
            return
        self._kill(name)
        if not await self._ends(name, _CANCEL_PATIENCE):
            raise BackendError(f"The supervisor of the job {name!r} was killed and does not end.")

    async def _ends(self, name: str, patience: float) -> bool:
        """Wait at most ``patience`` seconds for a job's end."""
        deadline = time.monotonic() + patience
        while not (await self.get(name)).state.finished:
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(_WATCH_INTERVAL)
        return True

    def _kill(self, name: str) -> None:
        """Kill a supervisor that does not answer; its ranks are killed with it by the system."""
        try:
            handle = os.pidfd_open(self.store.get_json(job_path(name, STATUS))["pid"])
        except NotFound as err:
            raise BackendError(f"The warm process does not start the job {name!r}; see %kf stop.") from err
        except ProcessLookupError:
            return
        try:
            # Asked after the open: whoever holds the lock now is the process that was opened.
            if is_held(self._folder(name) / _LOCK):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        finally:
            os.close(handle)

    async def delete(self, name: str) -> None:
        await self.cancel(name)
        with hold(self._folder(name) / _LOCK):
            await asyncio.to_thread(self.store.delete, job_path(name))


def _mark(path: Path) -> tuple[int, int] | None:
    """Give what changes whenever a file is written anew."""
    try:
        seen = path.stat()
    except FileNotFoundError:
        return None
    return seen.st_mtime_ns, seen.st_ino


def _tail(path: Path, start: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(start)
            return file.read(1 << 20)
    except FileNotFoundError:
        return b""

"""How the contract of `Backend` is tried on each backend: one rig a backend.

A backend is added by a `Rig` of its own in `RIGS`.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, ClassVar, Literal

from jupyter_kf.backends.local import LocalBackend
from jupyter_kf.backends.memory import MemoryBackend
from jupyter_kf.capture import pack
from jupyter_kf.capture.call import Call
from jupyter_kf.spec import JobSpec, JobState
from jupyter_kf.store import PAYLOAD, ArtifactStore, job_path

if TYPE_CHECKING:
    from jupyter_kf.backends.base import Backend
    from jupyter_kf.spec import JobStatus

Course = Literal["succeed", "fail", "go on"]
HELLO = "hello from a replica\n"


def call(source: str) -> Call:
    """Make work of a few lines of Python that need nothing of this process."""
    return Call(exec, (source, {}))


class Rig:
    """Lets jobs take a course on one backend."""

    backend: Backend

    async def submit(self, name: str, course: Course = "succeed", **more: object) -> JobSpec:
        """Submit a job that prints `HELLO` on every rank and then takes its course."""
        raise NotImplementedError

    async def until(self, name: str, state: JobState, timeout: float = 30.0) -> JobStatus:
        """Wait until a job is in a state."""
        async with asyncio.timeout(timeout):
            while (status := await self.backend.get(name)).state is not state:
                assert not status.state.finished, f"ended as {status.state}: {status.reason}"
                await asyncio.sleep(0.01)
        return status


class MemoryRig(Rig):
    """Plays the replicas itself."""

    def __init__(self, store: ArtifactStore) -> None:
        self.memory = MemoryBackend(store)
        self.backend = self.memory

    async def submit(self, name: str, course: Course = "succeed", **more: object) -> JobSpec:
        spec = JobSpec(name, created=time.time(), **more)  # type: ignore[arg-type]
        self.backend.store.put(job_path(name, PAYLOAD, "payload"), b"")
        await self.backend.submit(spec)
        self.memory.tell(name, JobState.RUNNING, at=1.0)
        for rank in range(spec.replicas):
            self.memory.write(name, HELLO.encode(), rank)
        if course == "succeed":
            self.memory.tell(name, JobState.SUCCEEDED, at=2.0)
        elif course == "fail":
            self.memory.tell(name, JobState.FAILED, "Rank 0 raised ValueError: wrong.", at=2.0)
        return spec


class LocalRig(Rig):
    """Runs real processes of this machine. No TensorFlow is needed, so none is imported."""

    SOURCES: ClassVar = {
        "succeed": f"print({HELLO!r}, end='')",
        "fail": f"print({HELLO!r}, end=''); raise ValueError('wrong')",
        "go on": f"print({HELLO!r}, end=''); import time; time.sleep(600)",
    }

    def __init__(self, store: ArtifactStore) -> None:
        self.backend = LocalBackend(store)

    async def submit(self, name: str, course: Course = "succeed", **more: object) -> JobSpec:
        return await self.submit_source(name, self.SOURCES[course], **more)

    async def submit_source(self, name: str, source: str, **more: object) -> JobSpec:
        """Submit Python source as a job."""
        # Ranks that make a strategy of their own are not joined by TensorFlow.
        spec = JobSpec(name, created=time.time(), own_strategy=True, **more)  # type: ignore[arg-type]
        self.backend.store.claim(job_path(name))
        folder = self.backend.store.local(job_path(name, PAYLOAD))
        assert folder is not None
        # As from a kernel without TensorFlow, whatever this process has imported.
        pack({"work": call(source), "ambient": {"random": random.getstate()}}, folder)
        await self.backend.submit(spec)
        return spec


RIGS: dict[str, type[MemoryRig] | type[LocalRig]] = {"memory": MemoryRig, "local": LocalRig}

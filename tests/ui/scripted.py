"""A backend whose jobs follow a script, for what real gangs cannot show in a test's time.

``JUPYTER_KF_SCRIPT`` holds JSON: ``jobs`` how many there are, ``changes`` and ``lines`` how many
changes of jobs and lines of the first job's log come each second, ``log`` how many lines the
first job's log has from the start, ``nodes`` how large its graph is, ``free`` how many of 8
places are free for the profile ``small`` (-1: that is not known).
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import math
import os
import time
import zlib
from typing import TYPE_CHECKING

from jupyter_kf.backends.base import Availability
from jupyter_kf.backends.memory import MemoryBackend
from jupyter_kf.logs import encode
from jupyter_kf.spec import JobSpec, JobState, JobStatus, Replica

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from jupyter_kf.backends.base import JobEvent
    from jupyter_kf.store import ArtifactStore

VARIABLE = "JUPYTER_KF_SCRIPT"
FIRST = "night-training"
TICK = 0.05
SOURCE = "%%kf --workers 4\nhistory = model.fit(train, epochs=30)\n"
STORY = [
    (FIRST, JobState.RUNNING, "", 4),
    ("waiting-for-a-place", JobState.PENDING, "Waits for 4 free places; 2 jobs are before it.", 4),
    ("digits-small", JobState.SUCCEEDED, "", 2),
    ("digits-broken", JobState.FAILED, "Rank 1 ended with ValueError: shapes (3,) and (4,)", 2),
    ("digits-stopped", JobState.CANCELLED, "Cancelled.", 2),
]


class ScriptedBackend(MemoryBackend):
    """Jobs in memory that change by themselves."""

    def __init__(self, store: ArtifactStore | None = None) -> None:
        super().__init__(store)
        self.script = {"jobs": 5, "changes": 0, "lines": 0, "log": 60, "nodes": 5000, "free": -1}
        self.script |= json.loads(os.environ.get(VARIABLE, "{}"))
        self._task: asyncio.Task[None] | None = None
        self._born = time.time()
        for i in range(self.script["jobs"]):
            status = self._story(i)
            self._jobs[status.name] = status
        self._logs[FIRST, 0] = b"".join(_line(i) for i in range(self.script["log"]))
        for name in (FIRST, "digits-small"):
            self._logs[name, 0] = self._logs.get((name, 0), b"") + _metrics(len(name))
        self._logs[FIRST, 0] += _graph(self.script["nodes"])
        self._logs[FIRST, 1] = b"rank 1 is here\n"

    def _story(self, i: int) -> JobStatus:
        name, state, reason, count = (
            STORY[i] if i < len(STORY) else (f"job-{i:05}", JobState.SUCCEEDED, "", 2)
        )
        created = self._born - 60 * (i + 1)
        spec = JobSpec(name, count, notebook=f"work/notebook-{i % 7}.ipynb", source=SOURCE, created=created)
        started = None if state is JobState.PENDING else created + 2
        finished = created + 2 + 7 * (i + 1) if state.finished else None
        replicas = tuple(Replica(r, state, node=f"node-{r}") for r in range(count))
        return JobStatus(spec, state, reason, replicas, started, finished)

    async def availability(self, profile: str = "") -> Availability:
        free = self.script["free"]
        return Availability(free, 8) if free >= 0 and profile == "small" else Availability()

    async def watch(self) -> AsyncIterator[JobEvent]:
        self._task = asyncio.create_task(self._play())
        async for event in super().watch():
            yield event

    async def close(self) -> None:
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _play(self) -> None:
        """Keep to the rates of the script however late the loop wakes up."""
        began, changed, written = time.monotonic(), 0, 0
        names = list(self._jobs)
        while True:
            await asyncio.sleep(TICK)
            passed = time.monotonic() - began
            for _ in range(int(passed * self.script["changes"]) - changed):
                changed += 1
                name = names[changed % len(names)]
                self.tell(name, JobState.RUNNING, f"change {changed} at {time.time():.3f}", at=self._born)
            if lines := int(passed * self.script["lines"]) - written:
                self.write(FIRST, b"".join(_line(i) for i in range(written, written + lines)))
                written += lines


def _line(i: int) -> bytes:
    colour = 31 + i % 6
    text = f"step took {i % 13} ms, <b>not bold</b> loss {1 / (i + 1):.5f}"
    return f"\x1b[{colour}m{i:07}\x1b[0m {text}\n".encode()


def _metrics(seed: int) -> bytes:
    records = []
    for step in range(1, 201):
        loss = math.exp(-step / (40 + seed)) + 0.05 * math.sin(step * seed)
        values = {"loss": loss, "accuracy": 1 - loss / 1.2}
        event = {"kind": "metrics", "event": "step", "epoch": step // 50, "step": step, "time": 0.0}
        records.append(encode({**event, "values": values}))
    return b"".join(records)


def _graph(count: int) -> bytes:
    """A deep network of blocks of ten operations, as Keras names them."""
    nodes: list[list[object]] = [["iterator", "IteratorGetNext", []]]
    parts = [
        "ReadVariableOp",
        "MatMul",
        "BiasAdd",
        "Relu",
        "Mul",
        "AddV2",
        "Rsqrt",
        "Sub",
        "Mean",
        "Identity",
    ]
    for i in range(1, count):
        block, part = divmod(i - 1, len(parts))
        name = f"network/stage_{block // 50}/block_{block}/{parts[part]}"
        nodes.append([name, parts[part], [i - 1] if part else [max(0, i - len(parts) + 8)]])
    packed = base64.b64encode(zlib.compress(json.dumps(nodes).encode())).decode()
    return encode({"kind": "graph", "title": "train_step", "packed": packed})

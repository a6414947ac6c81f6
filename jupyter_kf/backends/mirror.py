"""A live copy of the cluster's objects of our jobs: listed once, then watched.

It never misses a state: when a watch cannot go on, the objects are listed anew. It never spins:
it comes back to a server that fails with longer and longer pauses, until that answers again.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..errors import JupyterKFError, NotFound
from .apiserver import Expired
from .manifests import JOB_LABEL
from .observed import spec_or_none, status_of
from .queueing import Line, lines_of, waits_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from ..spec import JobStatus
    from .apiserver import ApiServer, Object

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0
_QUEUE_PAUSE = 5.0
# The events that say why a Job has no pods; what is wrong with a pod stands in the pod.
REFUSALS = {"fieldSelector": "involvedObject.kind=Job,reason=FailedCreate"}


# Of a job by its uid: what its status was made of, and the status.
Known = dict[str, tuple[object, "JobStatus | None"]]
Own = tuple[list["Object"], list["Object"]]  # pods and events


@dataclass
class Seen:
    """The cluster's objects of our jobs, and the queues that some of the jobs wait in."""

    jobs: Iterable[Object]
    pods: Iterable[Object]
    events: Iterable[Object]
    lines: dict[str, Line] = field(default_factory=dict)


def statuses(seen: Seen, known: Known | None = None) -> list[JobStatus]:
    """Put the statuses of all our jobs together, the newest first.

    ``known`` keeps, by the Job's uid, what was made of which versions of the objects: with many
    jobs, a change of one costs the work of one.
    """
    by_job: dict[str, Own] = {}
    for pod in seen.pods:
        name = pod["metadata"].get("labels", {}).get(JOB_LABEL, "")
        by_job.setdefault(name, ([], []))[0].append(pod)
    for event in seen.events:
        by_job.setdefault(event["involvedObject"]["name"], ([], []))[1].append(event)
    known = {} if known is None else known
    jobs = list(seen.jobs)
    for gone in known.keys() - {job["metadata"]["uid"] for job in jobs}:
        del known[gone]
    found = (_status(job, _own(job, by_job), seen.lines.get(waits_in(job), Line()), known) for job in jobs)
    return sorted((status for status in found if status), key=lambda s: (-s.spec.created, s.name))


def _status(job: Object, own: Own, line: Line, known: Known) -> JobStatus | None:
    uid = job["metadata"]["uid"]
    versions = tuple(each["metadata"].get("resourceVersion") for each in (job, *own[0], *own[1]))
    state = (versions, line)
    if uid not in known or known[uid][0] != state or None in versions:
        known[uid] = state, status_of(job, *own, line) if spec_or_none(job) else None
    return known[uid][1]


def _own(job: Object, by_job: dict[str, Own]) -> Own:
    """The pods and events of this Job, not of an earlier one of its name."""
    pods, events = by_job.get(job["metadata"]["name"], ([], []))
    uid = job["metadata"]["uid"]
    owned = [p for p in pods if any(o["uid"] == uid for o in p["metadata"].get("ownerReferences", []))]
    return owned, [e for e in events if e["involvedObject"].get("uid") == uid]


class Mirror:
    """Jobs, pods and events as they are now. It runs while somebody holds it: ``async with``."""

    def __init__(self, api: ApiServer, selector: str) -> None:
        self._api = api
        self._queries = {"jobs": {"labelSelector": selector}, "pods": {"labelSelector": selector}}
        self._queries["events"] = REFUSALS
        self._objects: dict[str, dict[str, Object]] = {kind: {} for kind in self._queries}
        self._lines: dict[str, Line] = {}
        self._known: Known = {}
        self._holders = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._listed: set[str] = set()
        self._changed = asyncio.Event()
        self._trouble: JupyterKFError | None = None

    async def __aenter__(self) -> Mirror:
        self._holders += 1
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._follow(kind)) for kind in self._queries]
            self._tasks.append(asyncio.create_task(self._follow_queues()))
        while len(self._listed) < len(self._queries):
            if self._trouble is not None:
                trouble = self._trouble
                await self.__aexit__()
                raise trouble
            await self._changed.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._holders -= 1
        if self._holders:
            return
        tasks, self._tasks, self._trouble = self._tasks, [], None
        self._listed.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def statuses(self) -> list[JobStatus]:
        """The statuses of all jobs, the newest first."""
        jobs, pods, events = (list(self._objects[kind].values()) for kind in ("jobs", "pods", "events"))
        return statuses(Seen(jobs, pods, events, self._lines), self._known)

    async def changes(self) -> AsyncIterator[list[JobStatus]]:
        """Give the statuses now, and again after every change."""
        while True:
            changed = self._changed
            yield self.statuses()
            await changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _follow(self, kind: str) -> None:
        """Keep one kind up to date for ever."""
        pause, version = _FIRST_PAUSE, ""
        while True:
            try:
                if not version:
                    version = await self._list(kind)
                async for event in self._api.watch(kind, version, **self._queries[kind]):
                    version = self._take(kind, event)
                    pause = _FIRST_PAUSE
            except JupyterKFError as err:
                if isinstance(err, Expired | NotFound):
                    version = ""
                if kind not in self._listed:
                    self._trouble = err
                    self._wake()
                await asyncio.sleep(pause * random.uniform(0.5, 1.5))
                pause = min(2 * pause, _LONGEST_PAUSE)

    async def _follow_queues(self) -> None:
        """Look again and again at the queues that jobs wait in, of which no watch tells."""
        while True:
            while not any(map(waits_in, self._objects["jobs"].values())):
                await self._changed.wait()
            try:
                jobs = list(self._objects["jobs"].values())
                lines = await lines_of(self._api.ask, await self._api.namespace(), jobs)
            except JupyterKFError:
                lines = {}
            if lines != self._lines:
                self._lines = lines
                self._wake()
            await asyncio.sleep(_QUEUE_PAUSE)

    async def _list(self, kind: str) -> str:
        found = await self._api.list(kind, **self._queries[kind])
        self._objects[kind] = {item["metadata"]["uid"]: item for item in found.get("items") or []}
        self._listed.add(kind)
        self._wake()
        return str(found["metadata"]["resourceVersion"])

    def _take(self, kind: str, event: Object) -> str:
        found = event["object"]
        if event["type"] == "DELETED":
            self._objects[kind].pop(found["metadata"]["uid"], None)
        elif event["type"] != "BOOKMARK":
            self._objects[kind][found["metadata"]["uid"]] = found
        if event["type"] != "BOOKMARK":
            self._wake()
        return str(found["metadata"]["resourceVersion"])

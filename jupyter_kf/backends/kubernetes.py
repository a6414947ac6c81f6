"""Jobs on Kubernetes: an Indexed Job and a headless Service each, and nothing else in the cluster.

Labels and annotations of the Job are the only record of it; payload, log and outcome are in the
store, which the replicas share with the notebook. No controller of ours runs in the cluster.
"""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from ..errors import BackendError, NotFound, SpecError
from ..names import is_job_name, label_value
from ..profiles import find
from ..store import APPLIED, ArtifactStore, job_path, log_path
from . import manifests
from .apiserver import ApiServer, Conflict
from .base import Backend, JobEvent, PlaceEvent
from .cronjobs import CronJobs
from .events import events_of
from .manifests import CANCELLED_ANNOTATION, CONTAINER, INDEX_LABEL, JOB_LABEL, USER_LABEL
from .mirror import REFUSALS, Mirror, Seen, statuses
from .placement import Placement, read_own_pod, told
from .queueing import is_suspended, lines_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from ..spec import JobSpec, JobStatus
    from .apiserver import Object
    from .queueing import Line

_LOG_INTERVAL = 0.1
_TURN = 0.2
# A replica has 30 s to end, and a node that is gone is noticed later still.
_CANCEL_PATIENCE = 45.0
_OUTAGE_PATIENCE, _OUTAGE_TURN = 120.0, 1.0
_DELETE_PATIENCE = 90.0


class KubernetesBackend(Backend):
    """Runs jobs in one namespace of a cluster.

    Credentials are this pod's, else those of ``kubeconfig``. ``placement`` says where replicas
    go; by default where this notebook's pod is.
    """

    name: ClassVar[str] = "kubernetes"

    def __init__(
        self,
        store: ArtifactStore | None = None,
        *,
        namespace: str = "",
        kubeconfig: str | None = None,
        placement: Placement | None = None,
    ) -> None:
        super().__init__(store)
        self.api = ApiServer(namespace, kubeconfig)
        self._placement = placement
        user = os.environ.get("JUPYTERHUB_USER", "")
        self._selector = f"{USER_LABEL}={label_value(user)}" if user else JOB_LABEL
        self._mirror: tuple[asyncio.AbstractEventLoop, Mirror] | None = None

    # -- making --

    async def manifests(self, spec: JobSpec) -> str:
        """Give what `launch` would make as YAML that ``kubectl apply -f`` takes.

        The Service in it is owned by nobody, as the Job's identity is not known before it is made.
        """
        service = manifests.service(spec, "")
        del service["metadata"]["ownerReferences"]
        return manifests.to_yaml([service, await self._job(spec)])

    async def launch(self, spec: JobSpec) -> None:
        try:
            made = await self.api.create("jobs", await self._job(spec))
        except Conflict as err:
            raise SpecError(f"There is a job {spec.name!r} already.") from err
        try:
            await self.api.create("services", manifests.service(spec, made["metadata"]["uid"]))
        except BaseException:
            await self.api.delete("jobs", spec.name, "Background")
            raise

    async def _job(self, spec: JobSpec) -> Object:
        profile = find(spec.profile) if spec.profile else None
        return manifests.job(spec, await self.placement(), profile)

    async def placement(self) -> Placement:
        """Give where replicas go; it is found out once."""
        if self._placement is None:
            self._placement = told(self.store) or await read_own_pod(self.api, self.store)
        return self._placement

    # -- seeing --

    async def list(self) -> list[JobStatus]:
        query = {"labelSelector": self._selector}
        listed = await asyncio.gather(
            self.api.list("jobs", **query),
            self.api.list("pods", **query),
            self.api.list("events", **REFUSALS),
        )
        jobs, pods, events = (each.get("items") or [] for each in listed)
        found = statuses(Seen(jobs, pods, events, await self._lines(jobs)))
        return [self._with_applied(status) for status in found]

    async def get(self, name: str) -> JobStatus:
        try:
            job = await self._get_job(name)
        except NotFound as err:
            raise NotFound(
                f"There is no job {name!r} in the namespace {await self.api.namespace()}."
            ) from err
        about = f"{REFUSALS['fieldSelector']},involvedObject.name={name}"
        pods, events = await asyncio.gather(
            self.api.list("pods", labelSelector=f"{JOB_LABEL}={name}"),
            self.api.list("events", fieldSelector=about),
        )
        own, about_it = (each.get("items") or [] for each in (pods, events))
        found = statuses(Seen([job], own, about_it, await self._lines([job])))
        if not found:
            raise NotFound(f"{name!r} is a Job of the cluster, but none of jupyter_kf.")
        return self._with_applied(found[0])

    async def _lines(self, jobs: Iterable[Object]) -> dict[str, Line]:
        """The queues that some of these wait in; without an answer the jobs are told all the same."""
        try:
            return await lines_of(self.api.ask, await self.api.namespace(), jobs)
        except BackendError:
            return {}

    async def _get_job(self, name: str) -> Object:
        if not is_job_name(name):
            raise NotFound(f"No job can have the name {name!r}.")
        return await self.api.get("jobs", name)

    async def events(self, name: str) -> tuple[PlaceEvent, ...]:
        """Give what the cluster said about the Job and its pods, for as long as the cluster keeps it."""
        job = await self._get_job(name)
        told = (await self.api.list("events")).get("items") or []
        return tuple(events_of(job, told))

    def _with_applied(self, status: JobStatus) -> JobStatus:
        if status.state.finished and self.store.has(job_path(status.name, APPLIED)):
            return replace(status, **self.store.get_json(job_path(status.name, APPLIED)))
        return status

    async def wait(self, name: str, timeout: float | None = None) -> JobStatus:
        """Wait for a job's end, over times in which the cluster does not answer."""
        begun = time.monotonic()
        away_since = None
        while True:
            left = None if timeout is None else max(0.0, timeout - (time.monotonic() - begun))
            try:
                return await super().wait(name, left)
            except BackendError:
                away_since = away_since or time.monotonic()
                if time.monotonic() - away_since > _OUTAGE_PATIENCE:
                    raise
            await asyncio.sleep(_OUTAGE_TURN)

    def _shared_mirror(self) -> Mirror:
        """The one mirror of this loop, however many watch."""
        loop = asyncio.get_running_loop()
        if self._mirror is None or self._mirror[0] is not loop:
            self._mirror = loop, Mirror(self.api, self._selector)
        return self._mirror[1]

    async def watch(self) -> AsyncIterator[JobEvent]:
        known: dict[str, JobStatus] = {}
        async with self._shared_mirror() as mirror:
            async for found in mirror.changes():
                now = {status.name: self._with_applied(status) for status in found}
                for name, status in now.items():
                    if name not in known:
                        yield JobEvent("added", status)
                    elif known[name] != status:
                        yield JobEvent("modified", status)
                for name in known.keys() - now.keys():
                    yield JobEvent("removed", known[name])
                known = now

    async def logs(
        self, name: str, rank: int = 0, *, start: int = 0, follow: bool = False
    ) -> AsyncIterator[bytes]:
        if not 0 <= rank < (await self.get(name)).spec.ranks:
            raise NotFound(f"The job {name!r} has no rank {rank}.")
        if self.store.local() is None and not self.store.has(log_path(name, rank)):
            async for piece in self._pod_log(name, rank, start, follow):
                yield piece
            return
        async with self._shared_mirror() as mirror:
            while True:
                # Asked before the read: what a job wrote until its end is then in what is read.
                status = next((s for s in mirror.statuses() if s.name == name), None)
                if data := await asyncio.to_thread(self._tail, name, rank, start):
                    start += len(data)
                    yield data
                elif not follow or status is None or status.state.finished:
                    return
                else:
                    await asyncio.sleep(_LOG_INTERVAL)

    def _tail(self, name: str, rank: int, start: int) -> bytes:
        path = self.store.local(log_path(name, rank))
        if path is None:
            return self.store.get(log_path(name, rank), start)
        try:
            with path.open("rb") as file:
                file.seek(start)
                return file.read(1 << 20)
        except FileNotFoundError:
            return b""

    async def _pod_log(self, name: str, rank: int, start: int, follow: bool) -> AsyncIterator[bytes]:
        """A rank's log from its pod, for stores that cannot be written bit by bit."""
        selector = f"{JOB_LABEL}={name},{INDEX_LABEL}={rank}"
        while True:
            pods = (await self.api.list("pods", labelSelector=selector)).get("items") or []
            pods = [p for p in pods if p["status"].get("phase") != "Pending"]
            if pods:
                break
            if not follow or (await self.get(name)).state.finished:
                return
            await asyncio.sleep(_TURN)
        youngest = max(pods, key=lambda p: p["metadata"]["creationTimestamp"])
        async for piece in self.api.log(youngest["metadata"]["name"], CONTAINER, follow):
            if len(piece) > start:
                yield piece[start:]
            start = max(0, start - len(piece))

    # -- ending --

    async def interrupt(self, name: str) -> None:
        if is_suspended(await self._get_job(name)):  # there is nothing yet to stop after its step
            await self.cancel(name)
        else:
            await super().interrupt(name)

    async def cancel(self, name: str) -> None:
        if (await self.get(name)).state.finished:
            return
        mark = {CANCELLED_ANNOTATION: str(time.time())}
        # A deadline that has passed ends the pods and keeps the Job, which is its record.
        changes: Object = {"activeDeadlineSeconds": 1}
        if is_suspended(await self._get_job(name)):
            changes["parallelism"] = 0  # it leaves the queue by a turn that takes no room and makes no pods
        await self.api.patch("jobs", name, {"metadata": {"annotations": mark}, "spec": changes})
        deadline = time.monotonic() + _CANCEL_PATIENCE
        while not (await self.get(name)).state.finished:
            if time.monotonic() > deadline:
                raise BackendError(
                    f"The cluster was told to end {name!r} but has not done so within {_CANCEL_PATIENCE:g} s."
                )
            await asyncio.sleep(_TURN)

    async def delete(self, name: str) -> None:
        await self.get(name)
        await self.api.delete("jobs", name, "Foreground")
        deadline = time.monotonic() + _DELETE_PATIENCE
        while await self._is_there(name):
            if time.monotonic() > deadline:
                raise BackendError(
                    f"The cluster was told to delete {name!r}; a part is there after {_DELETE_PATIENCE:g} s."
                )
            await asyncio.sleep(_TURN)
        await asyncio.to_thread(self.store.delete, job_path(name))

    async def _is_there(self, name: str) -> bool:
        try:
            await self.api.get("jobs", name)
        except NotFound:
            return False
        return True

    def schedules(self) -> CronJobs:
        return CronJobs(self.api, self.store, self.placement)

    async def close(self) -> None:
        await self.api.close()

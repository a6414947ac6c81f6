"""Schedules on Kubernetes: a CronJob each, whose pod sends an ordinary job out and waits for its end.

The pod waits so that ``Forbid`` means what it says: while a run trains, the next one is left out. It is
small, has no accelerator, and alone among our pods a token, since it makes a Job as the notebook would.
Only the API server knows of schedules; no controller of ours runs.
"""

from __future__ import annotations

import dataclasses
import json
import os
import time
from datetime import datetime
from typing import TYPE_CHECKING

from ..errors import SpecError
from ..names import label_key, label_value
from ..profiles import PROFILES_VARIABLE, find
from ..timetable import LAUNCHER_LABELS, SCHEDULE_LABEL, ScheduleSpec, ScheduleStatus, next_run
from . import BACKEND_VARIABLE, manifests
from .apiserver import Conflict
from .manifests import USER_LABEL
from .placement import PLACEMENT_VARIABLE, told
from .schedules import Schedules

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..profiles import Profile
    from ..store import ArtifactStore
    from .apiserver import ApiServer, Object
    from .placement import Placement

SPEC_ANNOTATION = label_key("schedule-spec")
_LATE_SECONDS = 300  # a run that cannot begin within this time is left out
_KEEP_SECONDS = 24 * 3600
# Sends a job out and waits; what trains gets its resources from the profile.
_REQUESTS, _LIMITS = {"cpu": "100m", "memory": "512Mi"}, {"cpu": "1", "memory": "2Gi"}


class CronJobs(Schedules):
    """The CronJobs of ours in one namespace."""

    def __init__(
        self, api: ApiServer, store: ArtifactStore, placement: Callable[[], Awaitable[Placement]]
    ) -> None:
        self._api, self._store, self._placement = api, store, placement
        user = os.environ.get("JUPYTERHUB_USER", "")
        self._selector = f"{SCHEDULE_LABEL},{USER_LABEL}={label_value(user)}" if user else SCHEDULE_LABEL

    async def create(self, spec: ScheduleSpec) -> None:
        profile = find(spec.profile) if spec.profile else None
        if profile:
            profile.check_replicas(spec.workers)
        place = await self._placement()
        reads_own_pod = bool(place.node) and told(self._store) is None
        try:
            await self._api.create("cronjobs", cron_job(spec, place, profile, reads_own_pod))
        except Conflict as err:
            raise SpecError(
                f"There is a schedule {spec.name!r} already: choose another name, or delete it first."
            ) from err

    async def list(self) -> list[ScheduleStatus]:
        query = {"labelSelector": self._selector}
        cronjobs = (await self._api.list("cronjobs", **query)).get("items") or []
        if not cronjobs:
            return []
        jobs = (await self._api.list("jobs", **query)).get("items") or []
        pods = (await self._api.list("pods", **query)).get("items") or []
        found = [status for each in cronjobs if (status := status_of(each, jobs, pods, time.time()))]
        return sorted(found, key=lambda status: status.name)

    async def pause(self, name: str, paused: bool) -> None:
        await self.get(name)
        await self._api.patch("cronjobs", name, {"spec": {"suspend": paused}})

    async def delete(self, name: str) -> None:
        await self.get(name)
        # A run that waits for its job outlives its schedule; the cluster removes it a day after its end.
        await self._api.delete("cronjobs", name, "Orphan")


def cron_job(spec: ScheduleSpec, place: Placement, profile: Profile | None, reads_own_pod: bool) -> Object:
    """The CronJob; with ``reads_own_pod`` its pod finds out where replicas go as a notebook does."""
    labels = {SCHEDULE_LABEL: spec.name, "app.kubernetes.io/managed-by": "jupyter-kf"}
    labels |= {USER_LABEL: label_value(spec.user)} if spec.user else {}
    pod = manifests.merge(_pod(spec, place, profile, reads_own_pod), place.overrides)
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {
            "name": spec.name,
            "labels": labels,
            "annotations": {SPEC_ANNOTATION: json.dumps(spec.to_dict())},
        },
        "spec": {
            "schedule": spec.cron,
            "timeZone": spec.time_zone,
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": _LATE_SECONDS,
            "successfulJobsHistoryLimit": 1,
            "failedJobsHistoryLimit": 1,
            "jobTemplate": {
                "metadata": {"labels": labels},
                "spec": {
                    "backoffLimit": 0,  # a second attempt could train a second time
                    "ttlSecondsAfterFinished": _KEEP_SECONDS,
                    "template": {"metadata": {"labels": labels | LAUNCHER_LABELS}, "spec": pod},
                },
            },
        },
    }


def _pod(spec: ScheduleSpec, place: Placement, profile: Profile | None, reads_own_pod: bool) -> Object:
    env = {
        BACKEND_VARIABLE: "kubernetes",
        "JUPYTERHUB_USER": spec.user,
        PROFILES_VARIABLE: json.dumps([profile.to_dict()]) if profile else "",
        PLACEMENT_VARIABLE: "" if reads_own_pod else json.dumps(dataclasses.asdict(place)),
    }
    container = manifests.container(place, ["-m", "jupyter_kf", *spec.command], env)
    container |= {
        "resources": {"requests": _REQUESTS, "limits": _LIMITS},
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    pod = manifests.pod(dataclasses.replace(place, node=""), container)
    pod |= {"automountServiceAccountToken": True}
    if place.account:
        pod["serviceAccountName"] = place.account
    if reads_own_pod:
        pod["affinity"] = _near_the_notebook()
    if profile and profile.store_secret:
        pod = manifests.merge(pod, manifests.store_access(profile.store_secret))
    return pod


def _near_the_notebook() -> Object:
    """Where the notebook runs its home volume is; where none runs any node can have it."""
    beside = {
        "labelSelector": {"matchLabels": {"component": "singleuser-server"}},
        "topologyKey": "kubernetes.io/hostname",
    }
    weighed = [{"weight": 100, "podAffinityTerm": beside}]
    return {"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": weighed}}


def status_of(found: Object, jobs: list[Object], pods: list[Object], now: float) -> ScheduleStatus | None:
    """Read a CronJob, with the Jobs and pods of all schedules; None for a deleted or foreign one."""
    if found["metadata"].get("deletionTimestamp"):  # the cluster still has to let its runs go
        return None
    try:
        spec = ScheduleSpec.from_dict(json.loads(found["metadata"]["annotations"][SPEC_ANNOTATION]))
    except (KeyError, ValueError):
        return None
    status, paused = found.get("status", {}), bool(found["spec"].get("suspend"))
    last = _time(status.get("lastScheduleTime"))
    uid = found["metadata"]["uid"]
    own = [job for job in jobs if any(o["uid"] == uid for o in job["metadata"].get("ownerReferences", []))]
    return ScheduleStatus(
        spec,
        paused=paused,
        running=len(status.get("active") or []),
        last=last,
        succeeded=_time(status.get("lastSuccessfulTime")),
        next=None if paused else next_run(spec, now, last),
        trouble=_trouble(own, pods),
    )


def _trouble(jobs: list[Object], pods: list[Object]) -> str:
    """Why the latest run that has ended failed, in its own last words; nothing if it did not."""
    ended = [job for job in jobs if _condition(job, "Failed") or _condition(job, "Complete")]
    if not ended:
        return ""
    latest = max(ended, key=lambda job: job["metadata"]["creationTimestamp"])
    failed = _condition(latest, "Failed")
    if failed is None:
        return ""
    name = latest["metadata"]["name"]
    for pod in pods:
        if pod["metadata"].get("labels", {}).get("batch.kubernetes.io/job-name") == name:
            for container in pod.get("status", {}).get("containerStatuses") or []:
                told = (container.get("state", {}).get("terminated") or {}).get("message", "").strip()
                if told:
                    return f"The last run failed: {told.splitlines()[-1]}"
    return f"The last run failed: {failed.get('message', '')}".strip()


def _condition(job: Object, kind: str) -> Object | None:
    found = job.get("status", {}).get("conditions") or []
    return next((c for c in found if c["type"] == kind and c["status"] == "True"), None)


def _time(text: str | None) -> float | None:
    return datetime.fromisoformat(text).timestamp() if text else None

"""Schedules as users hold them: stored graphs that run again and again, at times of the clock.

`Graph.schedule` makes one; `schedules` and `schedule` find them again, from any kernel. All there is of
a schedule is kept by the backend.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from . import executor, loop
from .backends import connect
from .errors import JupyterKFError, SpecError
from .names import SCHEDULE_LIMIT, slug
from .profiles import find
from .stored.record import GraphKind
from .timetable import SCHEDULE_LABEL, ScheduleSpec, ScheduleStatus

if TYPE_CHECKING:
    from .backends.base import Backend
    from .handle import Job
    from .stored.record import GraphRecord


class Schedule:
    """One schedule: it may be paused, resumed and deleted; its runs are ordinary jobs."""

    def __init__(self, backend: Backend, name: str) -> None:
        self.backend = backend
        self.name = name

    @property
    def status(self) -> ScheduleStatus:
        """What is seen of it now; `NotFound` when it has been deleted."""
        return loop.run(self.backend.schedules().get(self.name))

    @property
    def spec(self) -> ScheduleSpec:
        """What was asked."""
        return self.status.spec

    def pause(self) -> None:
        """Begin no more runs; one that goes on goes on."""
        loop.run(self.backend.schedules().pause(self.name, True))

    def resume(self) -> None:
        """Begin runs again; those that were left out stay left out."""
        loop.run(self.backend.schedules().pause(self.name, False))

    def delete(self) -> None:
        """End the schedule; the jobs that it has begun stay."""
        loop.run(self.backend.schedules().delete(self.name))

    def jobs(self) -> list[Job]:
        """Give the runs of this schedule, the newest first."""
        found = loop.run(self.backend.list())
        mine = [status.name for status in found if status.spec.labels.get(SCHEDULE_LABEL) == self.name]
        return [executor.job(name, self.backend) for name in mine]

    def __repr__(self) -> str:
        try:
            status = self.status
        except JupyterKFError as err:
            return f"Schedule {self.name}: {err}"
        spec = status.spec
        then = "paused"
        if status.next is not None:
            then = f"next {datetime.fromtimestamp(status.next, ZoneInfo(spec.time_zone)):%Y-%m-%d %H:%M}"
        what = f"{spec.graph} on {spec.workers} workers, {spec.cron!r} in {spec.time_zone}, {then}"
        return f"Schedule {self.name}: {what}" + (f". {status.trouble}" if status.trouble else "")


def plan(record: GraphRecord, cron: str, options: dict[str, Any]) -> ScheduleSpec:
    """Make the specification of a graph's schedule; `SpecError` for what no run could do.

    ``options`` are fields of `ScheduleSpec`, and ``steps``, ``data``, ``batch_size``, ``checkpoint`` and
    ``allow`` of a run; None stands for what is usual.
    """
    given = {key: value for key, value in options.items() if value is not None}
    if given.get("data") and Path(given["data"]).exists():
        given["data"] = Path(given["data"]).resolve()  # runs begin in another folder
    words: list[str] = []
    for key in ("steps", "data", "batch_size", "checkpoint"):
        if given.get(key):
            words += [f"--{key.replace('_', '-')}", str(given[key])]
        given.pop(key, None)
    allowed = tuple(given.pop("allow", ()))
    words += [word for op in allowed for word in ("--allow", op)]
    if "--data" not in words and not record.has_data:
        raise SpecError(
            f"The graph {record.name!r} has no dataset: name a file, data=..., that its runs will find, or "
            "store one with it, kf.save_graph(..., data=dataset)."
        )
    if missing := [op for op in record.asks if op not in allowed]:
        raise SpecError(
            f"The graph {record.name!r} reads or writes files, prints or opens connections: agree to it, "
            f"allow={missing}."
        )
    forward = record.kind is GraphKind.FORWARD
    workers = given.pop("workers", 1 if forward else 2)
    if forward and workers != 1:
        raise SpecError(f"{record.name!r} is a forward graph, which runs on one worker, not {workers}.")
    name = given.pop("name", "") or slug(record.name, SCHEDULE_LIMIT)
    try:
        return ScheduleSpec(name, record.name, cron, workers=workers, arguments=tuple(words), **given)
    except TypeError as err:
        raise SpecError(f"A schedule has no such option: {err}.") from err


def create(spec: ScheduleSpec, backend: Backend | None = None) -> Schedule:
    """Make a schedule."""
    place = backend or connect()
    loop.run(place.schedules().create(signed(spec)))
    return Schedule(place, spec.name)


def signed(spec: ScheduleSpec) -> ScheduleSpec:
    """Put user and time on a specification; `SpecError` if its profile cannot be had."""
    if spec.profile:
        find(spec.profile).check_replicas(spec.workers)
    return replace(spec, user=os.environ.get("JUPYTERHUB_USER", ""), created=time.time())


def schedules(backend: Backend | None = None) -> list[Schedule]:
    """Give all schedules, by name; where the backend keeps none there are none."""
    place = backend or connect()
    return [Schedule(place, status.name) for status in loop.run(place.schedules().list())]


def schedule(name: str, backend: Backend | None = None) -> Schedule:
    """Give a schedule by its name; `NotFound` if there is none."""
    place = backend or connect()
    loop.run(place.schedules().get(name))
    return Schedule(place, name)

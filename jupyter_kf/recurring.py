"""Schedules as users hold them: stored graphs that run again and again, at times of the clock.

`Graph.schedule` makes one; `schedules` and `schedule` find them again, from any kernel. All there is of
a schedule is kept by the backend.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from . import executor, loop
from .backends import connect
from .names import SCHEDULE_LIMIT, slug
from .profiles import find
from .timetable import SCHEDULE_LABEL, ScheduleSpec, ScheduleStatus

if TYPE_CHECKING:
    from .backends.base import Backend
    from .handle import Job


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
        status = self.status
        spec = status.spec
        then = "paused"
        if status.next is not None:
            then = f"next {datetime.fromtimestamp(status.next, ZoneInfo(spec.time_zone)):%Y-%m-%d %H:%M}"
        what = f"{spec.graph} on {spec.workers} workers, {spec.cron!r} in {spec.time_zone}, {then}"
        return f"Schedule {self.name}: {what}" + (f". {status.trouble}" if status.trouble else "")


def create(spec: ScheduleSpec, backend: Backend | None = None) -> Schedule:
    """Make a schedule; its name is made from the graph's where the specification has none."""
    place = backend or connect()
    loop.run(place.schedules().create(signed(spec)))
    return Schedule(place, spec.name)


def signed(spec: ScheduleSpec) -> ScheduleSpec:
    """Put user and time on a specification; `SpecError` if its profile cannot be had."""
    if spec.profile:
        find(spec.profile).check_replicas(spec.workers)
    return replace(spec, user=os.environ.get("JUPYTERHUB_USER", ""), created=time.time())


def name_for(graph: str) -> str:
    """Give the name that a graph's schedule has unless another is chosen."""
    return slug(graph, SCHEDULE_LIMIT)


def schedules(backend: Backend | None = None) -> list[Schedule]:
    """Give all schedules, by name; where the backend keeps none there are none."""
    place = backend or connect()
    return [Schedule(place, status.name) for status in loop.run(place.schedules().list())]


def schedule(name: str, backend: Backend | None = None) -> Schedule:
    """Give a schedule by its name; `NotFound` if there is none."""
    place = backend or connect()
    loop.run(place.schedules().get(name))
    return Schedule(place, name)

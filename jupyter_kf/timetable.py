"""What a schedule is asked to be and what is seen of it: frozen values, JSON both ways.

A schedule runs a stored graph again and again at times that `jupyter_kf.cron` reads; each run is an
ordinary job. Nothing here knows where it runs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from .cron import Cron
from .errors import SpecError
from .names import check_schedule_name, label_key
from .spec import Record

# Jobs that a schedule has begun carry its name.
SCHEDULE_LABEL = label_key("schedule")
# The pods that send them out, which may reach the API server.
LAUNCHER_LABELS = {label_key("part"): "launcher"}


@dataclass(frozen=True)
class ScheduleSpec(Record):
    """What was asked: run the graph ``graph`` whenever ``cron`` comes round in ``time_zone``.

    ``version`` is the graph's, None for whatever is the newest then. ``arguments`` stand behind
    ``python -m jupyter_kf run-graph GRAPH``; ``created`` is in seconds since the epoch.
    """

    name: str
    graph: str
    cron: str
    time_zone: str = "Etc/UTC"
    version: int | None = None
    workers: int = 2
    profile: str = ""
    arguments: tuple[str, ...] = ()
    user: str = ""
    created: float = 0.0

    def __post_init__(self) -> None:
        check_schedule_name(self.name)
        if not 1 <= self.workers <= 99_999:
            raise SpecError(f"A run needs between 1 and 99999 workers, not {self.workers}.")
        Cron(self.cron, self.time_zone)

    @property
    def command(self) -> tuple[str, ...]:
        """What stands behind ``python -m jupyter_kf`` for one run."""
        version = () if self.version is None else ("--version", str(self.version))
        profile = ("--profile", self.profile) if self.profile else ()
        workers = ("--workers", str(self.workers))
        mark = ("--schedule", self.name)
        return ("run-graph", self.graph, *version, *workers, *profile, *self.arguments, *mark)


@dataclass(frozen=True)
class ScheduleStatus(Record):
    """What is seen of a schedule. Times are seconds since the epoch, None where there is none.

    ``running`` is how many runs go on, ``last`` when it last came round, ``next`` when it will.
    ``trouble`` says why the last run could not be begun, or that it failed.
    """

    spec: ScheduleSpec
    paused: bool = False
    running: int = 0
    last: float | None = None
    succeeded: float | None = None
    next: float | None = None
    trouble: str = ""

    @property
    def name(self) -> str:
        """The schedule's name."""
        return self.spec.name


def next_run(spec: ScheduleSpec, now: float, last: float | None = None) -> float | None:
    """When a schedule comes round next; ``@every`` counts from the last time, or from when it was made."""
    cron = Cron(spec.cron, spec.time_zone)
    if cron.every is None:
        return cron.next(now)
    begun = last if last is not None else spec.created
    return begun + cron.every * max(1, math.ceil((now - begun) / cron.every))

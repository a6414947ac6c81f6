"""What a place can do about schedules, and what one says that cannot keep any.

A schedule lives where the jobs run and in no process of ours, so only a place that can wake up by
itself has them. Each run is an ordinary job, which knows nothing of these.
"""

from __future__ import annotations

import shlex
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import NotFound, SpecError
from ..store import STORE_VARIABLE

if TYPE_CHECKING:
    from ..timetable import ScheduleSpec, ScheduleStatus


class Schedules(ABC):
    """The schedules of one user at one place.

    Raises `NotFound` for a schedule that is not there, `Forbidden` where the user may not,
    `BackendError` where the place fails.
    """

    @abstractmethod
    async def create(self, spec: ScheduleSpec) -> None:
        """Make a schedule; `SpecError` if there is one of its name."""

    @abstractmethod
    async def list(self) -> list[ScheduleStatus]:
        """Give all schedules, by name."""

    @abstractmethod
    async def pause(self, name: str, paused: bool) -> None:
        """Have no more runs begun, or let them begin again; a run that goes on goes on."""

    @abstractmethod
    async def delete(self, name: str) -> None:
        """End a schedule; its jobs stay, and a run that goes on goes on."""

    async def get(self, name: str) -> ScheduleStatus:
        """Give one schedule's status."""
        for status in await self.list():
            if status.name == name:
                return status
        raise NotFound(f"There is no schedule {name!r}.")


class NoSchedules(Schedules):
    """Of a place where nothing of ours runs between the jobs: it has none and says what to do."""

    def __init__(self, backend: str, store: str) -> None:
        self._backend, self._store = backend, store

    async def create(self, spec: ScheduleSpec) -> None:
        raise SpecError(
            f"Jobs of the backend {self._backend!r} cannot be scheduled: nothing of jupyter_kf runs there "
            "between the jobs. Choose Kubernetes (JUPYTER_KF_BACKEND=kubernetes), or put a line into this "
            f"machine's own crontab (crontab -e, in the machine's time): {self._line(spec)}"
        )

    def _line(self, spec: ScheduleSpec) -> str:
        times = "0 3 * * *" if spec.cron.startswith("@every") else spec.cron
        command = shlex.join([sys.executable, "-m", "jupyter_kf", *spec.command])
        store = shlex.quote(self._store if "://" in self._store else str(Path(self._store).resolve()))
        return f"{times} {STORE_VARIABLE}={store} {command}".replace("%", "\\%")

    async def list(self) -> list[ScheduleStatus]:
        return []

    async def pause(self, name: str, paused: bool) -> None:
        await self.get(name)

    async def delete(self, name: str) -> None:
        await self.get(name)

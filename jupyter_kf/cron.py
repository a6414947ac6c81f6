"""When a schedule comes round: the grammar of Kubernetes's CronJobs, read before anything is made.

Five fields (minute, hour, day of the month, month, day of the week) or one of the words ``@hourly``,
``@daily``, ``@midnight``, ``@weekly``, ``@monthly``, ``@yearly``, ``@annually``, ``@every 1h30m``, as
the parser of the CronJob controller (robfig/cron, version 3) takes them: names of months and days, lists,
ranges and steps, ``?`` for ``*``, and Sunday as 0 and not as 7. Refused beyond it are expressions that
never come round. Pure; it knows no cluster.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from .errors import SpecError

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}
_DAYS = dict(zip(("sun", "mon", "tue", "wed", "thu", "fri", "sat"), range(7), strict=True))
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of the month", 1, 31, {}),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 6, _DAYS),
)
_WORDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PIECE = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_LONGEST = 292 * 365 * 86400.0  # what Go's durations hold
_YEARS = 8  # as far as one 29th of February may be from the next


@dataclass(frozen=True)
class Cron:
    """A valid expression in a time zone; `SpecError` names the field that is wrong, and why."""

    text: str
    time_zone: str = "Etc/UTC"

    def __post_init__(self) -> None:
        _ = self._zone, self._sets
        if self.every is None and self.next(0.0) is None:
            raise SpecError(f"{self.text!r} never comes round: no month named has such a day.")

    @cached_property
    def _zone(self) -> ZoneInfo:
        try:
            if not self.time_zone or self.time_zone.lower() == "local":
                raise ValueError("name a place")
            return ZoneInfo(self.time_zone)
        except (ValueError, OSError, LookupError) as err:
            raise SpecError(
                f"There is no time zone {self.time_zone!r}: write one such as 'Europe/Berlin' or 'Etc/UTC'."
            ) from err

    @cached_property
    def every(self) -> float | None:
        """The seconds between two times of ``@every``; None for all else."""
        return _every(self.text[7:], self.text) if self.text.startswith("@every ") else None

    @cached_property
    def _sets(self) -> tuple[frozenset[int], ...]:
        if self.every is not None:
            return ()
        if "TZ=" in self.text:
            raise SpecError(f"{self.text!r}: give the time zone apart, as time_zone.")
        if self.text.startswith("@") and self.text not in _WORDS:
            raise SpecError(f"{self.text!r} is none of {', '.join(_WORDS)}, @every 1h30m.")
        fields = _WORDS.get(self.text, self.text).split()
        if len(fields) != len(_FIELDS):
            raise SpecError(
                f"{self.text!r} has {len(fields)} fields, not 5: minute, hour, day of the month, month, "
                "day of the week, as in '0 3 * * *' for every night at three."
            )
        return tuple(_field(text, number) for number, text in enumerate(fields))

    @cached_property
    def _stars(self) -> tuple[bool, bool]:
        """Whether the days of the month and of the week are left open; ``*/2`` is a limit, ``*/1`` none."""
        fields = _WORDS.get(self.text, self.text).split()
        month, week = (any(re.match(r"[*?](/1)?$", p) for p in fields[i].split(",")) for i in (2, 4))
        return month, week

    def next(self, after: float) -> float | None:
        """The first time after ``after``, in seconds since the epoch; None if there is none for years."""
        if self.every is not None:
            return math.floor(after) + self.every
        minutes, hours, _, months, _ = self._sets
        start = datetime.fromtimestamp(after, UTC).astimezone(self._zone)
        day = start.date()
        for _ in range(_YEARS * 366):
            if day.month in months and self._on(day.day, (day.weekday() + 1) % 7):
                for hour in sorted(hours):
                    for minute in sorted(minutes):
                        local = datetime(day.year, day.month, day.day, hour, minute, tzinfo=self._zone)
                        moment = local.timestamp()
                        if moment > after and _exists(local):
                            return moment
            day += timedelta(days=1)
        return None

    def _on(self, day: int, weekday: int) -> bool:
        """Days of both fields count when both are limited, as cron has always had it."""
        month, week = day in self._sets[2], weekday in self._sets[4]
        return (month and week) if any(self._stars) else (month or week)


def _exists(local: datetime) -> bool:
    """Tell whether a clock ever shows this time: not in the hour that spring leaves out."""
    back = datetime.fromtimestamp(local.timestamp(), UTC).astimezone(local.tzinfo)
    return (back.hour, back.minute) == (local.hour, local.minute)


def _every(text: str, whole: str) -> float:
    sign, rest = (-1, text[1:]) if text[:1] == "-" else (1, text.removeprefix("+"))
    pieces = _PIECE.findall(rest)
    if rest != "0" and (not pieces or "".join(n + u for n, u in pieces) != rest):
        raise SpecError(f"{whole!r}: after @every stands a length of time such as 30m or 1h30m.")
    seconds = sign * sum(float(n) * _UNITS[u] for n, u in pieces)
    if seconds > _LONGEST:
        raise SpecError(f"{whole!r} is longer than the cluster can count.")
    return max(1.0, float(math.floor(seconds)))  # shorter ones are made a second there


def _field(text: str, number: int) -> frozenset[int]:
    parts = [part for part in text.split(",") if part]
    if not parts:
        raise SpecError(f"{text!r} names no {_FIELDS[number][0]}.")
    return frozenset().union(*(_range(part, number) for part in parts))


def _range(text: str, number: int) -> range:
    what, low, high, _ = _FIELDS[number]
    span, *steps = text.split("/")
    ends = span.split("-")
    if len(ends) > 2 or len(steps) > 1:
        raise SpecError(f"{text!r} is no {what}: write a number, 1-5, */15 or a list of these.")
    if ends[0] in ("*", "?"):
        first, last = low, high
    else:
        first = _value(ends[0], number)
        last = _value(ends[1], number) if len(ends) == 2 else (high if steps else first)
    step = _whole(steps[0], what) if steps else 1
    if step == 0:
        raise SpecError(f"{text!r}: a step is at least 1.")
    if first < low or last > high:
        hint = " (Sunday is 0)" if number == 4 else ""
        raise SpecError(f"{text!r} is no {what}: it goes from {low} to {high}{hint}.")
    if first > last:
        raise SpecError(f"{text!r}: the {what} begins after its end.")
    return range(first, last + 1, step)


def _value(text: str, number: int) -> int:
    what, _, _, names = _FIELDS[number]
    return names[text.lower()] if text.lower() in names else _whole(text, what)


def _whole(text: str, what: str) -> int:
    if not re.fullmatch(r"\+?[0-9]{1,18}", text):
        raise SpecError(f"{text!r} is no {what}: write a number, 1-5, */15 or a list of these.")
    return int(text)

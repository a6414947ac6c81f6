"""When a schedule comes round, and what is refused with which reason."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from jupyter_kf.cron import Cron
from jupyter_kf.errors import SpecError
from jupyter_kf.timetable import ScheduleSpec, ScheduleStatus, next_run
from tests.expressions import ACCEPTED, REFUSED


def at(text, zone="Etc/UTC"):
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize("text", ACCEPTED)
def test_what_the_cluster_takes_is_taken(text):
    Cron(text)


@pytest.mark.parametrize("text", [*REFUSED, "0 0 31 2 *", "0 0 30 feb *", "0 0 31 4,6,9,11 *"])
def test_what_is_refused_is_refused_with_the_field(text):
    with pytest.raises(SpecError) as refused:
        Cron(text)
    said = str(refused.value)
    assert len(said.split()) >= 4
    assert said.endswith(".")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0 25 * * *", "'25' is no hour: it goes from 0 to 23."),
        ("0 3 * * 7", "'7' is no day of the week: it goes from 0 to 6 (Sunday is 0)."),
        ("0 3 * *", "has 4 fields, not 5"),
        ("*/0 * * * *", "'*/0': a step is at least 1."),
        ("0 3 * foo *", "'foo' is no month"),
        ("0 5-3 * * *", "'5-3': the hour begins after its end."),
        ("0 0 31 2 *", "never comes round"),
        ("CRON_TZ=Europe/Berlin 0 3 * * *", "give the time zone apart"),
        ("@nightly", "is none of @yearly"),
        ("@every soon", "after @every stands a length of time such as 30m"),
    ],
)
def test_the_reason_helps(text, says):
    with pytest.raises(SpecError) as refused:
        Cron(text)
    assert says in str(refused.value)


@pytest.mark.parametrize("zone", ["", "Local", "local", "Berlin", "../etc/passwd", "Europe/", "\x00"])
def test_zones_that_are_none(zone):
    with pytest.raises(SpecError, match="There is no time zone"):
        Cron("0 3 * * *", zone)


@pytest.mark.parametrize(
    ("text", "after", "then"),
    [
        ("0 3 * * *", "2026-01-01 02:59", "2026-01-01 03:00"),
        ("0 3 * * *", "2026-01-01 03:00", "2026-01-02 03:00"),
        ("*/15 9-17 * * mon-fri", "2026-01-02 17:50", "2026-01-05 09:00"),
        ("30 8 1,15 * *", "2026-01-02 00:00", "2026-01-15 08:30"),
        ("0 0 13 * fri", "2026-01-03 00:00", "2026-01-09 00:00"),  # both limited: either counts
        ("0 0 */2 * fri", "2026-01-02 12:00", "2026-01-03 00:00"),
        ("0 0 */1 * fri", "2026-01-03 12:00", "2026-01-09 00:00"),
        ("0 0 29 2 *", "2096-03-01 00:00", "2104-02-29 00:00"),
        ("5/20 * * * *", "2026-01-01 00:26", "2026-01-01 00:45"),
        ("@weekly", "2026-01-01 00:00", "2026-01-04 00:00"),
        ("@every 90m", "2026-01-01 00:00", "2026-01-01 01:30"),
    ],
)
def test_the_next_time(text, after, then):
    assert Cron(text).next(at(after)) == at(then)


def test_the_next_time_in_a_zone_with_summer_time():
    berlin = Cron("30 2 * * *", "Europe/Berlin")
    zone = "Europe/Berlin"
    assert berlin.next(at("2026-01-01 12:00", zone)) == at("2026-01-02 02:30", zone)
    # the clocks go from 2 to 3 on the 29th of March: there is no half past two
    assert berlin.next(at("2026-03-28 12:00", zone)) == at("2026-03-30 02:30", zone)


def test_a_schedule_is_json_both_ways_and_has_a_command():
    spec = ScheduleSpec("night", "ranker", "0 3 * * *", "Europe/Berlin", 4, 3, "a100", ("--steps", "5"))
    assert ScheduleSpec.from_dict(spec.to_dict()) == spec
    status = ScheduleStatus(spec, paused=True, last=1.0)
    assert ScheduleStatus.from_dict(status.to_dict()) == status
    line = "run-graph ranker --version 4 --workers 3 --profile a100 --steps 5 --schedule night"
    assert spec.command == tuple(line.split())


@pytest.mark.parametrize("name", ["", "Night", "3am", "a" * 53, "a/b", "night-"])
def test_names_that_the_cluster_could_not_lengthen(name):
    with pytest.raises(SpecError, match=r"cannot be a schedule's name.*for example"):
        ScheduleSpec(name, "ranker", "@daily")


def test_every_counts_from_the_last_time():
    spec = ScheduleSpec("a", "g", "@every 10m", created=1000.0)
    assert next_run(spec, 1001.0) == 1600.0
    assert next_run(spec, 1001.0, last=900.0) == 1500.0
    assert next_run(spec, 9000.0, last=900.0) == 9300.0

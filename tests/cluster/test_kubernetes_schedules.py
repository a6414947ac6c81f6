"""Schedules on a real cluster: what it takes and refuses, and a graph that runs when its minute comes."""

from __future__ import annotations

import asyncio

import pytest

from jupyter_kf.backends.cronjobs import cron_job
from jupyter_kf.errors import SpecError
from jupyter_kf.timetable import ScheduleSpec
from tests.expressions import ACCEPTED, REFUSED

pytestmark = pytest.mark.cluster


async def test_the_cluster_takes_and_refuses_the_same_expressions(jobs):
    """Nothing is made: each is asked about as a trial."""
    place = await jobs.placement()

    async def takes(**changes):
        made = cron_job(ScheduleSpec("trial", "ranker", "@daily"), place, None, False)
        made["spec"] |= changes
        try:
            await jobs.api.create("cronjobs", made, dryRun="All")
        except SpecError:
            return False
        return True

    taken = await asyncio.gather(*(takes(schedule=text) for text in ACCEPTED))
    assert [text for text, ok in zip(ACCEPTED, taken, strict=True) if not ok] == []
    taken = await asyncio.gather(*(takes(schedule=text) for text in REFUSED))
    assert [text for text, ok in zip(REFUSED, taken, strict=True) if ok] == []
    zones = {"Europe/Berlin": True, "Etc/UTC": True, "Local": False, "Berlin": False, "": False}
    assert {zone: await takes(timeZone=zone) for zone in zones} == zones
    assert await jobs.schedules().list() == []

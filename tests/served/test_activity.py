"""A server is active while it works, and says what a hub says is free."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from jupyter_kf.backends.base import Availability
from jupyter_kf.profiles import AVAILABILITY_VARIABLE, PROFILES_VARIABLE
from jupyter_kf.server import activity, hub
from jupyter_kf.spec import JobSpec, JobState, JobStatus

JOB = JobStatus(JobSpec("a"), state=JobState.RUNNING)


def server(*states):
    kernels = {str(number): SimpleNamespace(execution_state=state) for number, state in enumerate(states)}
    manager = SimpleNamespace(get_kernel=kernels.get, list_kernel_ids=lambda: list(kernels))
    settings = {"last_activity_times": {}}
    return SimpleNamespace(kernel_manager=manager, web_app=SimpleNamespace(settings=settings))


@pytest.mark.parametrize(
    ("states", "jobs", "working"),
    [
        ((), {}, False),
        (("idle",), {}, False),
        (("idle", "busy"), {}, True),
        ((), {"a": JOB}, True),
        ((), {"a": replace(JOB, state=JobState.SUCCEEDED)}, False),
        ((), {"a": replace(JOB, state=JobState.PENDING)}, False),
        ((), {"a": replace(JOB, state=JobState.PENDING, started=1.0)}, True),  # its node does not answer
        ((), {"a": replace(JOB, state=JobState.FAILED, started=1.0)}, False),
    ],
)
def test_a_job_that_runs_and_a_busy_kernel_are_work(states, jobs, working):
    assert activity.is_working(server(*states), SimpleNamespace(jobs=jobs)) is working


async def test_the_last_activity_is_now_for_as_long_as_a_job_runs():
    found, feed, noted = server(), SimpleNamespace(jobs={}), asyncio.Event()

    class Times(dict):
        def __setitem__(self, key, value):
            super().__setitem__(key, value)
            noted.set()

    times = found.web_app.settings["last_activity_times"] = Times()
    task = asyncio.create_task(activity.keep(found, feed, every=0.01))
    for _ in range(10):
        await asyncio.sleep(0)
    assert times == {}
    feed.jobs["a"] = JOB
    before = datetime.now(UTC)
    await asyncio.wait_for(noted.wait(), 10)
    assert before <= times["jupyter_kf"] <= datetime.now(UTC)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


class Told(RequestHandler):
    """A hub that says what is free, to the server's own token."""

    answer = json.dumps({"availability": {"gpu": {"free": 3, "total": 8}, "cpu": {}}})

    def get(self):
        if self.request.headers.get("Authorization") != "token mine":
            self.set_status(403)
        self.finish(self.answer)


@pytest.fixture
async def told(monkeypatch):
    sockets = bind_sockets(0, "127.0.0.1")
    listening = HTTPServer(Application([("/free", Told)]))
    listening.add_sockets(sockets)
    monkeypatch.setenv(AVAILABILITY_VARIABLE, f"http://127.0.0.1:{sockets[0].getsockname()[1]}/free")
    monkeypatch.setenv(hub.TOKEN_VARIABLE, "mine")
    yield
    listening.stop()
    await listening.close_all_connections()


async def test_what_the_hub_says_is_free_is_the_panels(served, told, monkeypatch):
    monkeypatch.setenv(PROFILES_VARIABLE, '[{"name": "gpu"}, {"name": "cpu"}]')
    known = await served.json("availability")
    unknown = Availability().to_dict()
    gpu = Availability(3, 8).to_dict()
    assert known == {"availability": {"": unknown, "gpu": gpu, "cpu": unknown}}


@pytest.mark.parametrize("answer", ["", "[]", '{"availability": 3}', '{"availability": {"a": 3}}'])
async def test_a_hub_that_talks_nonsense_has_said_nothing(served, told, monkeypatch, answer):
    monkeypatch.setattr(Told, "answer", answer)
    assert await hub.availability(served.app.log) == {}


async def test_a_hub_that_refuses_or_is_away_has_said_nothing(served, told, monkeypatch):
    monkeypatch.setenv(hub.TOKEN_VARIABLE, "other")
    assert await hub.availability(served.app.log) == {}
    monkeypatch.setenv(AVAILABILITY_VARIABLE, "http://127.0.0.1:9/")
    assert await hub.availability(served.app.log) == {}
    monkeypatch.delenv(AVAILABILITY_VARIABLE)
    assert await hub.availability(served.app.log) == {}

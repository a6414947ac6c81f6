"""What is told while a server starts, though the cluster says nothing; and the place in a queue of Kueue."""

from __future__ import annotations

import asyncio
import json

import pytest
from aiohttp import web
from kubernetes_asyncio.client import ApiClient, Configuration, CoreV1Api
from kubespawner import KubeSpawner

from jupyter_kf.hub import patient
from jupyter_kf.hub.patient import PatientSpawner
from jupyter_kf.hub.pending import Why
from jupyter_kf.hub.queueing import place

POD = {"metadata": {"namespace": "space", "uid": "mine"}}
PENDING = {"items": [{"metadata": {"ownerReferences": [{"uid": "mine"}]}, "positionInLocalQueue": 1}]}


class Kueue:
    """The visibility API as a cluster serves it: some versions, some status."""

    def __init__(self) -> None:
        self.served, self.status, self.body, self.asked = "v1beta2", 200, json.dumps(PENDING), []

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        if f"/{self.served}/" not in request.path:
            return web.Response(status=404)
        return web.Response(status=self.status, text=self.body, content_type="application/json")


@pytest.fixture
async def kueue():
    """One, and an API to ask it."""
    found = Kueue()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", found.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    async with ApiClient(Configuration(host=f"http://127.0.0.1:{port}")) as client:
        found.api = CoreV1Api(client)
        yield found
    await runner.cleanup()


@pytest.mark.parametrize("version", ["v1beta2", "v1beta1"])
async def test_the_place_is_asked_of_the_version_that_is_served(kueue, version):
    kueue.served = version
    assert await place(kueue.api, POD, "gpus") == 2
    path = f"/apis/visibility.kueue.x-k8s.io/{version}/namespaces/space/localqueues/gpus/pendingworkloads"
    assert kueue.asked[-1] == path


@pytest.mark.parametrize(
    ("status", "body"), [(403, "{}"), (500, ""), (200, "no JSON"), (200, "{}"), (404, "{}")]
)
async def test_a_place_that_is_not_to_be_had_is_not_known(kueue, status, body):
    kueue.status, kueue.body = status, body
    assert await place(kueue.api, POD, "gpus") is None


async def test_no_cluster_no_place():
    async with ApiClient(Configuration(host="http://127.0.0.1:9")) as client:
        assert await place(CoreV1Api(client), POD, "gpus") is None


@pytest.fixture
def spawner(monkeypatch):
    """One that starts, of which the cluster says one thing and then nothing until `go` is set."""
    go = asyncio.Event()

    async def told(_):
        yield {"progress": 30, "raw_event": {}, "message": "<b>"}
        await go.wait()
        yield {"progress": 50, "message": "patience"}

    async def nothing(_):
        return None

    monkeypatch.setattr(KubeSpawner, "progress", told)
    monkeypatch.setattr(PatientSpawner, "_find_place", nothing)
    monkeypatch.setattr(PatientSpawner, "why", lambda self: self.now)
    monkeypatch.setattr(patient, "_LOOK_AGAIN", 0.01)
    found = PatientSpawner.__new__(PatientSpawner)
    found.go, found.now = go, Why("queue", "The server is number 3.")
    return found


async def test_a_change_is_told_without_a_word_of_the_cluster(spawner):
    steps = spawner.progress()
    first = await anext(steps)
    assert first["message"] == "The server is number 3."
    assert first["html_message"] == (
        "The server is number 3.<details><summary>details</summary>&lt;b&gt;</details>"
    )
    spawner.now = Why("queue", "The server is number 2.")
    assert await anext(steps) == {"progress": 30, "message": "The server is number 2."}
    spawner.go.set()
    assert await anext(steps) == {"progress": 50, "message": "patience"}
    assert [step async for step in steps] == []


async def test_who_stops_listening_leaves_nothing_behind(spawner):
    before = asyncio.all_tasks()
    steps = spawner.progress()
    await anext(steps)
    waiting = asyncio.ensure_future(anext(steps))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await steps.aclose()
    while asyncio.all_tasks() - before:
        await asyncio.wait(asyncio.all_tasks() - before, timeout=5)

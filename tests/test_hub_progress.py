"""What is told while a server starts, though the cluster says nothing; and the place in a queue of Kueue."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from kubernetes_asyncio.client import ApiClient, Configuration, CoreV1Api
from kubespawner import KubeSpawner

from jupyter_kf.backends.queueing import Line
from jupyter_kf.hub import patient
from jupyter_kf.hub.patient import PatientSpawner
from jupyter_kf.hub.pending import Why
from jupyter_kf.hub.queueing import line_before

POD = {"metadata": {"namespace": "space", "uid": "mine"}}
WAITING = {"metadata": {"ownerReferences": [{"uid": "mine"}]}, "positionInClusterQueue": 1}


@pytest.fixture
async def api():
    """An API of a cluster that tells of one who waits."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"items": [WAITING]})

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    async with ApiClient(Configuration(host=f"http://127.0.0.1:{port}")) as client:
        yield CoreV1Api(client)
    await runner.cleanup()


async def test_the_cluster_is_asked_who_waits(api):
    assert (await line_before(api, POD, "gpus")).places == {"mine": 2}


async def test_no_cluster_nothing_known():
    async with ApiClient(Configuration(host="http://127.0.0.1:9")) as client:
        assert await line_before(CoreV1Api(client), POD, "gpus") == Line()


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
    monkeypatch.setattr(PatientSpawner, "_look_at_queue", nothing)
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

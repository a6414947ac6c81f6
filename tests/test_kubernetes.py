"""What the Kubernetes backend does without a cluster: profiles, errors of the server, the live copy."""

from __future__ import annotations

import asyncio
import gc
import json
import socket

import pytest
import yaml

from jupyter_kf import loop
from jupyter_kf.backends import connect, manifests, mirror
from jupyter_kf.backends.apiserver import ApiServer, Conflict, Expired, error_of
from jupyter_kf.backends.kubernetes import KubernetesBackend
from jupyter_kf.backends.mirror import Mirror, Seen
from jupyter_kf.backends.placement import Placement
from jupyter_kf.errors import BackendError, Forbidden, NotFound, SpecError
from jupyter_kf.profiles import PROFILES_VARIABLE
from jupyter_kf.spec import JobSpec, JobState


def test_it_is_chosen_by_name_and_asks_nobody(store):
    assert connect("kubernetes", store).name == "kubernetes"


async def test_a_profile_shapes_the_pod(store, monkeypatch):
    chips = {"cloud.google.com/gke-tpu-topology": "2x4"}
    profile = {"name": "tpu", "queue": "chips", "pod_overrides": {"nodeSelector": chips}}
    monkeypatch.setenv(PROFILES_VARIABLE, json.dumps([profile]))
    backend = KubernetesBackend(store, placement=Placement(image="x"))
    service, job = yaml.safe_load_all(await backend.manifests(JobSpec("a", profile="tpu")))

    assert job["spec"]["template"]["spec"]["nodeSelector"] == chips
    assert job["metadata"]["labels"][manifests.QUEUE_LABEL] == "chips"
    assert "ownerReferences" not in service["metadata"]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, SpecError),
        (401, Forbidden),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (410, Expired),
        (422, SpecError),
        (500, BackendError),
        (503, BackendError),
    ],
)
def test_an_answer_becomes_an_error_of_ours(status, kind):
    error = error_of(status, json.dumps({"message": "because"}))

    assert type(error) is kind
    assert "because" in str(error)


@pytest.mark.parametrize("body", ["", "<html>", "[]", '{"message"'])
def test_an_answer_that_is_no_status_is_told_as_it_is(body):
    assert str(error_of(502, body)) == (body or "status 502")


def _event(name, at, message, count=1, **more):
    about = {"kind": "Pod" if "-0-" in name else "Job", "name": name}
    return {"involvedObject": about, "message": message, "count": count, "lastTimestamp": at, **more}


async def test_events_of_a_job_and_of_its_pods_are_told(store, monkeypatch):
    backend = KubernetesBackend(store, placement=Placement(image="x"))
    job = {"metadata": {"name": "a", "creationTimestamp": "2026-01-01T00:00:01Z"}}
    told = [
        _event("a-0-x7k2p", "2026-01-01T00:00:03Z", "no room", 4, reason="FailedScheduling"),
        _event("a", "2026-01-01T00:00:02Z", "Created pod", reason="SuccessfulCreate"),
        _event("a", "2026-01-01T00:00:00Z", "of an earlier job of this name"),
        _event("a-b", "2026-01-01T00:00:02Z", "of another job"),
        _event("a-b-0-x7k2p", "2026-01-01T00:00:02Z", "of another job's pod"),
    ]
    for name in ("job-a-1a2b3", "job-a-b-1a2b3"):
        told.append(_event(name, "2026-01-01T00:00:04Z", "no quota", reason="Pending"))
        told[-1]["involvedObject"]["kind"] = "Workload"
    told[1] |= {"lastTimestamp": None, "eventTime": "2026-01-01T00:00:02.500000Z"}

    async def get(kind, name):
        return job

    async def events(kind):
        return {"items": told}

    monkeypatch.setattr(backend.api, "get", get)
    monkeypatch.setattr(backend.api, "list", events)
    first, second, third = await backend.events("a")
    assert (first.about, first.reason, first.time % 60) == ("Job a", "SuccessfulCreate", 2.5)
    assert (second.about, second.message) == ("Pod a-0-x7k2p", "no room (4 times)")
    assert (third.about, third.message) == ("Workload job-a-1a2b3", "no quota")


def test_a_backend_that_is_let_go_closes_its_connections(tmp_path, caplog):
    """Else asyncio complains of them in the notebook, some cells later."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        config = {
            "current-context": "x",
            "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
            "clusters": [{"name": "x", "cluster": {"server": f"http://127.0.0.1:{silent.getsockname()[1]}"}}],
            "users": [{"name": "x", "user": {}}],
        }
        (tmp_path / "config").write_text(json.dumps(config))
        api = ApiServer("space", str(tmp_path / "config"))
        asking = asyncio.run_coroutine_threadsafe(api.get("jobs", "a"), loop._loop())
        answering, _ = silent.accept()
        with answering:
            answering.recv(1 << 16)
            answering.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            assert asking.result(10) == {}
            del api, asking
            gc.collect()
            answering.settimeout(10)
            assert answering.recv(1) == b""  # the other side has closed it
    assert "Unclosed" not in caplog.text


class Server:
    """Plays an API server: gives one list and then what a test puts into the watches."""

    def __init__(self):
        self.jobs = [self._job("a")]
        self.lists = 0
        self.fail = None
        self.watches: asyncio.Queue = asyncio.Queue()
        self.place = 1

    def _job(self, name):
        job = manifests.job(JobSpec(name, created=1.0), Placement(image="x"))
        job["metadata"] |= {"uid": f"uid-{name}", "resourceVersion": "1"}
        return job

    async def list(self, kind, **query):
        if self.fail:
            raise self.fail
        self.lists += kind == "jobs"
        return {"items": self.jobs if kind == "jobs" else None, "metadata": {"resourceVersion": "1"}}

    async def namespace(self):
        return "space"

    async def ask(self, path):
        if self.fail:
            raise self.fail
        waiting = {"metadata": {"ownerReferences": [{"uid": "uid-a"}]}, "positionInClusterQueue": self.place}
        return 200, json.dumps({"items": [waiting]})

    async def watch(self, kind, version, **query):
        if kind != "jobs":
            await asyncio.Event().wait()
        while (event := await self.watches.get()) is not None:
            if isinstance(event, Exception):
                raise event
            yield event


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(mirror, "_FIRST_PAUSE", 0.001)


async def _next(changes, holds):
    async with asyncio.timeout(10):
        while not holds(found := {s.name: s for s in await anext(changes)}):
            pass
    return found


async def test_changes_are_followed():
    server = Server()
    async with Mirror(server, "x") as live:
        changes = live.changes()
        assert list(await _next(changes, bool)) == ["a"]

        job = server._job("a")
        condition = {"type": "Complete", "status": "True", "lastTransitionTime": "2026-01-01T00:00:01Z"}
        job["status"] = {"conditions": [condition]}
        job["metadata"]["resourceVersion"] = "2"
        server.watches.put_nowait({"type": "MODIFIED", "object": job})
        await _next(changes, lambda found: found["a"].state is JobState.SUCCEEDED)
        server.watches.put_nowait({"type": "DELETED", "object": job})
        await _next(changes, lambda found: not found)
    assert server.lists == 1


async def test_a_place_in_a_queue_is_followed_though_no_object_changes(monkeypatch):
    monkeypatch.setattr(mirror, "_QUEUE_PAUSE", 0.001)
    server = Server()
    server.jobs[0]["spec"]["suspend"] = True
    server.jobs[0]["metadata"]["labels"][manifests.QUEUE_LABEL] = "gpus"
    async with Mirror(server, "x") as live:
        changes = live.changes()
        await _next(changes, lambda found: found["a"].reason == "Queued: it is number 2 in the queue gpus.")
        server.place = 0
        await _next(changes, lambda found: found["a"].reason == "Queued: it is number 1 in the queue gpus.")
        server.fail = BackendError("away")
        await _next(changes, lambda found: found["a"].reason == "Queued: it waits in the queue gpus.")


@pytest.mark.parametrize("missed", [Expired("too old"), NotFound("gone")])
async def test_what_a_watch_missed_is_listed(missed):
    server = Server()
    async with Mirror(server, "x") as live:
        server.jobs = [server._job("b")]
        server.watches.put_nowait(missed)
        changes = live.changes()
        assert list(await _next(changes, lambda found: "b" in found)) == ["b"]


@pytest.mark.parametrize("trouble", [BackendError("reset"), Forbidden("for now"), SpecError("odd")])
async def test_a_broken_line_is_taken_up_where_it_broke(trouble):
    server = Server()
    async with Mirror(server, "x") as live:
        server.watches.put_nowait(trouble)
        server.watches.put_nowait(None)  # the server's own end of a watch
        server.watches.put_nowait({"type": "ADDED", "object": server._job("b")})
        changes = live.changes()
        assert set(await _next(changes, lambda found: "b" in found)) == {"a", "b"}
    assert server.lists == 1


@pytest.mark.parametrize("trouble", [BackendError("away"), Forbidden("no"), SpecError("wrong")])
async def test_a_server_that_never_answered_is_told_and_may_be_asked_again(trouble):
    server = Server()
    server.fail = trouble
    live = Mirror(server, "x")
    with pytest.raises(type(trouble)):
        async with live:
            pass

    server.fail = None
    async with live:
        assert [s.name for s in live.statuses()] == ["a"]


async def test_one_mirror_serves_many_and_ends_with_the_last():
    server = Server()
    live = Mirror(server, "x")
    async with live:
        async with live:
            pass
        assert [s.name for s in live.statuses()] == ["a"]
    assert server.lists == 1
    assert live._tasks == []


async def test_pods_and_events_of_an_earlier_job_of_the_name_do_not_count():
    job = Server()._job("a")
    pod = {"metadata": {"labels": {manifests.JOB_LABEL: "a"}, "ownerReferences": [{"uid": "older"}]}}
    event = {"involvedObject": {"name": "a", "uid": "older"}, "message": "exceeded", "metadata": {}}

    assert (
        mirror.statuses(Seen([job], [pod], [event]))[0].reason
        == "Waiting for the cluster to make its replicas."
    )


def test_what_is_known_is_not_made_again_until_an_object_changes():
    server = Server()
    jobs = [server._job("a"), server._job("b")]
    known: mirror.Known = {}
    first = mirror.statuses(Seen(jobs, [], []), known)
    jobs[1]["metadata"]["resourceVersion"] = "2"
    jobs[1]["spec"]["suspend"] = True
    again = mirror.statuses(Seen(jobs, [], []), known)

    assert again[0] is first[0]
    assert again[1].reason.startswith("Queued")
    assert mirror.statuses(Seen(jobs[:1], [], []), known) == first[:1]
    assert list(known) == ["uid-a"]

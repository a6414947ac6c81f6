"""A real Kueue: jobs and servers that name a queue wait in it, say where they stand, and leave nothing."""

from __future__ import annotations

import json

import pytest
from hub import PROXY, give_places, running
from throwaway import kueue
from throwaway.client import Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.skipif(not PROXY.exists(), reason="no proxy: make test-lab")]

QUOTAS = {"cpu": "64", "memory": "256Gi", "nvidia.com/gpu": "2"}
SUBMIT = """%%kf --workers {workers} --detach --quiet --profile queued --name {name}
import pathlib, time
while not pathlib.Path("/home/gil/{name}").exists():
    time.sleep(0.1)
"""
STATUS = "import jupyter_kf as kf; now = kf.job('{name}').status; print(now.state, now.reason)"
EVENTS = """
from jupyter_kf import loop
from jupyter_kf.backends import connect
print(loop.run(connect("kubernetes").events("large")))
"""
FIRST, SECOND = "is number 1 in the queue gpus", "is number 2 in the queue gpus"


@pytest.fixture(scope="module")
def queues(machine_can):
    """A cluster of its own, as Kueue has a say in all jobs and pods, with two GPUs for all namespaces."""
    with Cluster.start(1, devices={"nvidia.com/gpu": 4}) as running:
        kueue.install(running)
        kueue.add_queue(running, "all", QUOTAS)
        yield running


@pytest.fixture(scope="module")
def hub(queues, tmp_path_factory):
    """A hub with gil, whose namespace has the queue; hana's is made with her first server."""
    with running(queues, tmp_path_factory.mktemp("hub"), gil={"profile": "cpu"}) as found:
        kueue.add_local_queue(queues, "jhub-gil", "gpus", "all")
        yield found


@pytest.fixture
def told(hub):
    """What gil's notebook says of a job, once a text is in it."""

    def say(name, text):
        def now():
            lines = hub.run("gil", STATUS.format(name=name)).splitlines()
            return next((line for line in lines if text in line), "")

        return hub.until(now, f"{name}: {text}", 90)

    return say


@pytest.fixture
def submitted(hub, queues):
    """Send out a job of gil's that goes on until `end`; it is gone after the test."""
    names = []

    def submit(name, workers=2):
        names.append(name)
        hub.run("gil", SUBMIT.format(workers=workers, name=name))

    submit.end = lambda name: (hub.folder / "gil" / name).touch()
    yield submit
    for name in names:
        hub.run("gil", f"import jupyter_kf as kf\ntry: kf.job('{name}').delete()\nexcept kf.NotFound: pass")


def _names(cluster, kind, user="gil"):
    listed = cluster.kubectl("-n", f"jhub-{user}", "get", kind, "-o", "name").split()
    return {each.partition("/")[2] for each in listed}


def _pods(cluster, job):
    return cluster.kubectl("-n", "jhub-gil", "get", "pods", "-l", f"job-name={job}", "-o", "name").split()


def _counts(cluster, job):
    """How many pods each set has that Kueue sees of a job."""
    found = json.loads(cluster.kubectl("-n", "jhub-gil", "get", "workloads", "-o", "json"))["items"]
    [own] = [each for each in found if each["metadata"]["ownerReferences"][0]["name"] == job]
    return [pods["count"] for pods in own["spec"]["podSets"]]


def test_a_job_waits_until_the_one_before_it_ends(queues, submitted, told):
    submitted("first")
    told("first", "RUNNING")
    submitted("second")
    submitted("third")
    assert told("third", SECOND).startswith("PENDING Queued: it ")
    told("second", FIRST)
    assert _pods(queues, "second") == _pods(queues, "third") == []
    assert _counts(queues, "second") == [2], "its replicas are let in together, or not at all"
    submitted.end("first")
    told("second", "RUNNING")
    told("third", FIRST)
    for name in ("second", "third"):
        submitted.end(name)
        told(name, "SUCCEEDED")


def test_a_job_that_is_called_off_in_the_queue_never_runs(hub, queues, submitted, told):
    """And stands in nobody's way there."""
    off = {"cancelled": "cancel", "stopped": "interrupt"}
    for name in ("holds", *off, "after"):
        submitted(name)
    told("after", "is number 3 in the queue gpus")
    for name, how in off.items():
        hub.run("gil", f"import jupyter_kf as kf; kf.job('{name}').{how}()")
        told(name, "CANCELLED")
    told("after", FIRST)
    submitted.end("holds")
    told("after", "RUNNING")
    for name in off:
        told(name, "CANCELLED")
        assert _pods(queues, name) == []
    submitted.end("after")


def test_a_job_that_is_deleted_in_the_queue_leaves_nothing(hub, queues, submitted, told):
    submitted("holder")
    told("holder", "RUNNING")
    before = {kind: _names(queues, kind) for kind in ("jobs", "services", "workloads")}
    submitted("gone")
    told("gone", FIRST)
    hub.run("gil", "import jupyter_kf as kf; kf.job('gone').delete()")
    hub.until(
        lambda: {kind: _names(queues, kind) for kind in before} == before, "the end of what was made for it"
    )
    submitted.end("holder")


def test_a_server_waits_its_turn_and_says_where_it_stands(hub, queues, submitted, told):
    """In a queue that is not there, behind a job of another user, and then not at all."""
    submitted("ahead")
    told("ahead", "RUNNING")
    submitted("next")
    told("next", FIRST)
    assert hub.spawn("hana", profile="queued")[0] == 202
    said = hub.progress("hana", "queue gpus")
    assert said == (
        "The server waits for a queue gpus, which its namespace does not have; an administrator can make it."
    )
    give_places(queues, "jhub-hana", hub.folder / "hana")
    kueue.add_local_queue(queues, "jhub-hana", "gpus", "all")
    hub.progress("hana", SECOND)
    page = hub.ask("GET", "/hub/metrics")[1]
    assert 'jupyter_kf_pending_servers{reason="queue"} 1.0' in page
    for name in ("ahead", "next"):
        submitted.end(name)
    hub.until(lambda: hub.ready("hana"), "the server of hana", 120)
    hub.ask("DELETE", "/hub/api/users/hana/server")
    hub.until(lambda: not _names(queues, "pods", "hana"), "the end of the server")
    hub.until(lambda: not _names(queues, "workloads", "hana"), "its leaving the queue")


def test_a_server_whose_turn_does_not_come_is_given_up(hub, queues, submitted, told):
    submitted("long")
    told("long", "RUNNING")
    code, answer = hub.spawn("hana", profile="hasty")
    assert (code, "did not start within 8 s. The server " + FIRST in answer["message"]) == (503, True), answer
    hub.until(lambda: not _names(queues, "pods", "hana"), "the end of the server")
    hub.until(lambda: not _names(queues, "workloads", "hana"), "its leaving the queue")
    submitted.end("long")


def test_what_can_never_fit_is_told_among_the_events(hub, submitted, told):
    submitted("large", workers=3)
    told("large", FIRST)
    hub.until(lambda: "maximum capacity" in hub.run("gil", EVENTS), "Kueue's reason")

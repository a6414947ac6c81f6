"""What stops while a hub and its users work: nothing is lost or left, and who works is not stopped."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from hub import PROXY, running
from outages import AGAIN, READY, without

pytestmark = [pytest.mark.cluster, pytest.mark.skipif(not PROXY.exists(), reason="no proxy: make test-lab")]

WAITING = """%%kf --workers 2 --detach --quiet --profile cpu --name {name}
import pathlib, time
while not pathlib.Path("/home/{user}/go").exists():
    time.sleep(0.1)
"""
RUNS = """
import time, jupyter_kf as kf
while kf.job("{name}").status.state != "RUNNING":
    time.sleep(0.2)
"""


@pytest.fixture(scope="module")
def hub(cluster, tmp_path_factory):
    """A hub and two users whose jobs run: cara, whose profile ends idle servers soon, and dan."""
    with running(cluster, tmp_path_factory.mktemp("hub"), dan={"profile": "cpu"}) as found:
        found.run("dan", WAITING.format(user="dan", name="long"), RUNS.format(name="long"))
        found.serve(cara={"profile": "brief"})  # last, to work before she is idle
        found.run("cara", WAITING.format(user="cara", name="long"), RUNS.format(name="long"))
        yield found


def _listed(cluster, kind, user, *more):
    return json.loads(cluster.kubectl("-n", f"jhub-{user}", "get", kind, *more, "-o", "json"))["items"]


def _uids(cluster, user):
    return {pod["metadata"]["uid"] for pod in _listed(cluster, "pods", user)}


def _succeeded(cluster, user):
    [job] = _listed(cluster, "jobs", user)
    return job["status"].get("succeeded") == 2


def test_half_a_minute_without_api_server_loses_nothing(cluster, hub):
    """A cell runs on, jobs and servers stay the same, and nothing is left of a refused start.

    Nobody touches cara's server for longer than its profile allows, and it stays, as its job runs.
    """
    before = {user: _uids(cluster, user) for user in ("cara", "dan")}
    begun = datetime.now(UTC)
    with without(cluster, "kube-apiserver"), ThreadPoolExecutor() as threads:
        cell = threads.submit(hub.run, "dan", "import time; time.sleep(30); print('still here')")
        code, answer = hub.spawn("eve", profile="cpu")
        assert (code, "The cluster does not answer the hub" in str(answer)) == (503, True), answer
        assert cell.result().strip() == "still here"
    assert {user: _uids(cluster, user) for user in ("cara", "dan")} == before
    assert [len(uids) for uids in before.values()] == [3, 3]
    assert hub.ready("dan") and hub.ready("cara")
    server = hub.ask("GET", "/hub/api/users/cara")[1]["servers"][""]
    assert datetime.fromisoformat(server["last_activity"]) - begun > timedelta(seconds=20)
    assert hub.ask("GET", "/hub/api/users/eve")[1]["servers"] == {}
    assert "jhub-eve" not in cluster.kubectl("get", "namespaces")


def test_an_idle_server_is_stopped_when_its_job_has_ended(cluster, hub):
    for user in ("cara", "dan"):
        (hub.folder / user / "go").touch()
    for user in ("cara", "dan"):
        hub.until(lambda user=user: _succeeded(cluster, user), f"the end of the job of {user}", AGAIN)
    hub.until(lambda: hub.ask("GET", "/hub/api/users/cara")[1]["servers"] == {}, "the end of the server")
    assert "The server cara/ is stopped: idle for 0:00:1" in (hub.folder / "hub.log").read_text()
    assert hub.ready("dan")
    assert _listed(cluster, "pods", "cara", "-l", "component=singleuser-server") == []


def test_a_kubelet_that_is_away_stops_no_server(cluster, hub):
    [pod] = _listed(cluster, "pods", "dan", "-l", "component=singleuser-server")
    node = pod["spec"]["nodeName"]
    with without(cluster, "kubelet", node=node):
        cluster.wait_for("the lost node", "get", "node", node, "-o", READY, answer="Unknown")
        assert hub.run("dan", "print('still here')").strip() == "still here"
        assert hub.ready("dan")
    assert hub.ready("dan")
    [after] = _listed(cluster, "pods", "dan", "-l", "component=singleuser-server")
    assert after["metadata"]["uid"] == pod["metadata"]["uid"]
    assert hub.run("dan", "print('still here')").strip() == "still here"

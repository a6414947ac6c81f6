"""Who waits in a queue of Kueue, and how a place in it is said; Kueue's real answers are tests/cluster's."""

from __future__ import annotations

import json

import pytest

from jupyter_kf.backends.queueing import Line, line_of, lines_of, waits_in, words


def _workload(uid, place):
    return {"metadata": {"ownerReferences": [{"uid": uid}]}, "positionInClusterQueue": place}


PENDING = {
    "items": [_workload("other", 0), {"metadata": {}, "positionInClusterQueue": 1}, _workload("mine", 2)]
}
NO_QUEUE = {"kind": "Status", "details": {"name": "gpus", "kind": "localqueue"}}
NO_VERSION = {"kind": "Status", "details": {}}


def server(served="v1beta2", status=200, body=PENDING):
    """Play an API server that serves one version of the visibility API."""

    async def ask(path):
        server.asked = path
        if f"/{served}/" not in path:
            return 404, json.dumps(NO_VERSION)
        return status, body if isinstance(body, str) else json.dumps(body)

    return ask


@pytest.mark.parametrize("version", ["v1beta2", "v1beta1"])
async def test_the_place_is_the_one_in_the_line_of_all_namespaces(version):
    line = await line_of(server(version), "space", "gpus")
    assert line == Line({"other": 1, "mine": 3})
    path = f"/apis/visibility.kueue.x-k8s.io/{version}/namespaces/space/localqueues/gpus/pendingworkloads"
    assert server.asked == path


@pytest.mark.parametrize(
    ("status", "body"), [(403, {}), (500, ""), (503, "no JSON"), (200, "[]"), (200, {}), (404, "<html>")]
)
async def test_what_is_not_told_is_not_known(status, body):
    assert await line_of(server(status=status, body=body), "space", "gpus") == Line()
    assert await line_of(server("v9"), "space", "gpus") == Line()


async def test_a_queue_that_is_not_there_is_told_from_an_api_that_is_not_there():
    assert not (await line_of(server(status=404, body=NO_QUEUE), "space", "gpus")).is_there


def test_a_place_is_said_in_words():
    line = Line({"mine": 3})
    assert words("gpus", line, "mine") == "is number 3 in the queue gpus"
    assert words("gpus", line, "another") == "waits in the queue gpus"
    assert "waits for a queue gpus, which its namespace does not have" in words(
        "gpus", Line(is_there=False), "x"
    )


async def test_each_queue_that_jobs_wait_in_is_asked_once():
    def job(queue, suspend=True):
        labels = {"kueue.x-k8s.io/queue-name": queue} if queue else {}
        return {"metadata": {"labels": labels}, "spec": {"suspend": suspend}}

    asked, answer = [], server()

    async def ask(path):
        asked.append(path)
        return await answer(path)

    jobs = [job("gpus"), job("gpus"), job("slow", suspend=False), job("")]
    assert list(map(waits_in, jobs)) == ["gpus", "gpus", "", ""]
    assert await lines_of(ask, "space", jobs) == {"gpus": Line({"other": 1, "mine": 3})}
    assert len(asked) == 1

"""Replicas that are killed, lost or out of memory, and a cluster that is away for a while."""

from __future__ import annotations

import asyncio
import json
import re
import signal

import pytest
from replicas import backend, placement, submit, until

from jupyter_kf.errors import BackendError
from jupyter_kf.spec import JobState, Resources

pytestmark = pytest.mark.cluster

# Goes on until the test says so, and tells its process first.
_WAIT = """
import os, time
print("process", os.getpid(), flush=True)
while not os.path.exists({go!r}):
    time.sleep(0.05)
"""


@pytest.fixture
async def jobs(kubeconfig, namespace, tmp_path):
    found = backend(kubeconfig, namespace, placement(tmp_path, preload="jupyter_kf.worker.run"))
    yield found
    await found.close()


@pytest.fixture
def go(tmp_path):
    return tmp_path / "go"


def runs(status):
    assert not status.state.finished, status.reason
    return status.state is JobState.RUNNING


def pod_of(cluster, namespace, name, rank):
    label = f"job-name={name},batch.kubernetes.io/job-completion-index={rank}"
    found = json.loads(cluster.kubectl("-n", namespace, "get", "pods", "-l", label, "-o", "json"))
    return found["items"][0]["metadata"]["name"]


async def test_out_of_memory(jobs):
    source = "kept = [bytearray(b'x' * 2**20) for _ in range(2**12)]"
    await submit(jobs, "memory", source, resources=Resources(memory=256 * 2**20))

    status = await jobs.wait("memory", 60)
    assert status.state is JobState.FAILED
    assert status.reason.startswith("Rank 0 ran out of memory (its limit is 256 MiB")


async def test_a_killed_rank_ends_the_job_at_once(cluster, jobs, namespace, go):
    await submit(jobs, "killed", _WAIT.format(go=str(go)), replicas=2)
    await until(jobs, "killed", runs)
    log = b"".join([piece async for piece in jobs.logs("killed", 1)]).decode()
    pid = re.search(r"process (\d+)", log)[1]
    cluster.kubectl("-n", namespace, "exec", pod_of(cluster, namespace, "killed", 1), "--", "kill", "-9", pid)

    status = await jobs.wait("killed", 60)
    assert status.state is JobState.FAILED
    assert status.reason == "Rank 1 was killed (SIGKILL); the machine may have run out of memory."


async def test_a_deleted_pod_is_replaced(cluster, jobs, namespace, go):
    await submit(jobs, "replaced", _WAIT.format(go=str(go)), replicas=2)
    await until(jobs, "replaced", runs)
    first = pod_of(cluster, namespace, "replaced", 1)
    cluster.kubectl("-n", namespace, "delete", "pod", first, "--wait=false")
    await until(jobs, "replaced", lambda status: status.state is JobState.PENDING)
    await until(jobs, "replaced", runs)

    assert pod_of(cluster, namespace, "replaced", 1) != first
    go.touch()
    assert (await jobs.wait("replaced", 60)).state is JobState.SUCCEEDED


async def test_a_supervisor_that_is_killed_leaves_no_process(cluster, jobs, namespace, go):
    await submit(jobs, "supervisor", _WAIT.format(go=str(go)))
    await until(jobs, "supervisor", runs)
    node = (await jobs.get("supervisor")).replicas[0].node
    find = "grep -l '[j]upyter_kf.worker' /proc/[0-9]*/cmdline"
    found = cluster.run(node, "sh", "-c", find).split()
    assert len(found) >= 2
    cluster.run(node, "kill", "-9", found[0].split("/")[2])

    status = await jobs.wait("supervisor", 60)
    assert status.state is JobState.FAILED
    assert "Rank 0 ended with exit code 137" in status.reason
    cluster.run(node, "sh", "-c", f"for i in $(seq 100); do {find} >&2 || exit 0; sleep 0.1; done; exit 1")


async def test_the_api_server_is_away_while_a_job_runs(cluster, jobs, go):
    await submit(jobs, "away", _WAIT.format(go=str(go)), replicas=2)
    await until(jobs, "away", runs)
    waiting = asyncio.create_task(jobs.wait("away", 120))
    cluster.stop_program("n1", "kube-apiserver", signal.SIGKILL)
    try:
        go.touch()
        with pytest.raises(BackendError, match="does not answer"):
            await jobs.list()
        with pytest.raises(BackendError, match="does not answer"):
            await submit(jobs, "later", "pass")
        assert not waiting.done()
    finally:
        cluster.start_program("n1", "kube-apiserver")
        cluster.wait_for("the API server", "get", "--raw", "/readyz", answer="ok")

    assert (await waiting).state is JobState.SUCCEEDED


async def test_a_lost_node_is_told_and_the_job_can_be_ended(cluster, jobs, go):
    await submit(jobs, "node", _WAIT.format(go=str(go)), replicas=2)
    status = await until(jobs, "node", runs)
    rank = next(r.index for r in status.replicas if r.node == "n2")
    cluster.lose_node("n2")
    try:
        await until(
            jobs, "node", lambda s: s.reason == f"Rank {rank} does not answer: its node n2 may be lost."
        )
    finally:
        cluster.add_node("n2")
    go.touch()
    await jobs.wait("node", 120)

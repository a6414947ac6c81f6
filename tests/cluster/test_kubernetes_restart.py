"""Pods and nodes that go while a job runs: its ranks begin again, in place, and a bounded number of times."""

from __future__ import annotations

import asyncio
import json

import pytest
from replicas import backend, placement, pod_of, runs, submit, until, until_printed, waiting

from jupyter_kf.spec import JobState

pytestmark = pytest.mark.cluster


async def begun_again(jobs, name, attempt=1):
    """Wait until both ranks run in an attempt."""
    for rank in range(2):
        await until_printed(jobs, name, f"attempt {attempt}", rank)
    return await until(jobs, name, runs)


async def test_a_deleted_pod_is_replaced_and_all_ranks_begin_again(cluster, jobs, namespace, go):
    await submit(jobs, "replaced", waiting(go), replicas=2)
    await until(jobs, "replaced", runs)
    stays, goes = (pod_of(cluster, namespace, "replaced", rank)["metadata"]["name"] for rank in range(2))
    cluster.kubectl("-n", namespace, "delete", "pod", goes, "--wait=false")
    await begun_again(jobs, "replaced")

    assert pod_of(cluster, namespace, "replaced", 0)["metadata"]["name"] == stays
    assert pod_of(cluster, namespace, "replaced", 1)["metadata"]["name"] != goes
    assert "Replica 1 was lost: all ranks begin again, attempt 2 of 4." in await until_printed(
        jobs, "replaced", "attempt 1"
    )
    go.touch()
    assert (await jobs.wait("replaced", 60)).state is JobState.SUCCEEDED


async def test_the_first_pod_may_go_too(cluster, jobs, namespace, go):
    await submit(jobs, "first", waiting(go), replicas=2)
    await until(jobs, "first", runs)
    name = pod_of(cluster, namespace, "first", 0)["metadata"]["name"]
    cluster.kubectl("-n", namespace, "delete", "pod", name, "--wait=false")
    await begun_again(jobs, "first")

    go.touch()
    assert (await jobs.wait("first", 60)).state is JobState.SUCCEEDED


async def test_ranks_that_lose_their_peers_begin_again_in_place_and_not_for_ever(cluster, jobs, namespace):
    # As ranks of TensorFlow do whose peers are silent.
    await submit(jobs, "lonely", "import os; os._exit(42)", replicas=2)

    status = await jobs.wait("lonely", 120)
    assert status.state is JobState.FAILED
    assert "gave up after 4 attempts" in status.reason
    found = json.loads(cluster.kubectl("-n", namespace, "get", "pods", "-o", "json"))
    assert len(found["items"]) == 2  # none was replaced


async def test_a_drained_node(cluster, jobs, namespace, go):
    await submit(jobs, "drained", waiting(go), replicas=2)
    status = await until(jobs, "drained", runs)
    assert {replica.node for replica in status.replicas} == {"n1", "n2"}
    try:
        here = "--pod-selector=job-name=drained"
        cluster.kubectl("drain", "n2", here, "--force", "--delete-emptydir-data", "--timeout=60s")
        status = await begun_again(jobs, "drained")
        assert {replica.node for replica in status.replicas} == {"n1"}
        go.touch()
        assert (await jobs.wait("drained", 60)).state is JobState.SUCCEEDED
    finally:
        cluster.kubectl("uncordon", "n2")


async def test_a_pod_evicted_for_its_own_limit_is_told(kubeconfig, namespace, tmp_path):
    """Kubelet marks it as no eviction: the pod is replaced, or is the end if its exit code is told."""
    small = [{"name": "scratch", "emptyDir": {"sizeLimit": "1Mi"}}]
    place = placement(tmp_path, preload="jupyter_kf.worker.run", volumes=small)
    jobs = backend(kubeconfig, namespace, place)
    source = f"""
import os, time
if not os.path.exists({str(tmp_path / "once")!r}):
    open({str(tmp_path / "once")!r}, "w").close()
    open("/tmp/large", "wb").write(bytes(8 * 2**20))
    time.sleep(600)
"""
    try:
        await submit(jobs, "evicted", source)
        seen = []
        async with asyncio.timeout(120):
            async for event in jobs.watch():
                seen.append(event.status)
                if event.status.state.finished:
                    break
    finally:
        await jobs.close()

    assert any('was evicted from its node: Usage of EmptyDir volume "scratch"' in s.reason for s in seen)
    if seen[-1].state is JobState.SUCCEEDED:
        assert seen[-1].replicas[0].restarts == 1
    else:
        assert seen[-1].state is JobState.FAILED
        assert "Rank 0 was evicted from its node" in seen[-1].reason
        assert seen[-1].replicas[0].exit_code == 137


async def test_a_lost_node_is_told_and_its_replica_moves(cluster, jobs, go):
    await submit(jobs, "node", waiting(go), replicas=2)
    status = await until(jobs, "node", runs)
    rank = next(r.index for r in status.replicas if r.node == "n2")
    cluster.lose_node("n2")
    try:
        await until(
            jobs, "node", lambda s: f"Rank {rank} does not answer: its node n2 may be lost" in s.reason
        )
        # As an administrator says that the node will not come back; else nobody can know.
        cluster.kubectl("taint", "node", "n2", "node.kubernetes.io/out-of-service=gone:NoExecute")
        status = await begun_again(jobs, "node")
        assert {replica.node for replica in status.replicas} == {"n1"}
        go.touch()
        assert (await jobs.wait("node", 60)).state is JobState.SUCCEEDED
    finally:
        cluster.kubectl("delete", "node", "n2")
        cluster.add_node("n2")

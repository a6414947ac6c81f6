"""Replicas that are killed or out of something: the job ends, and says of what."""

from __future__ import annotations

import os
import re

import pytest
from replicas import pod_of, runs, submit, until, until_printed, waiting

from jupyter_kf.capture.call import Call
from jupyter_kf.spec import JobState, Resources

pytestmark = pytest.mark.cluster


async def test_out_of_memory(jobs):
    source = "kept = [bytearray(b'x' * 2**20) for _ in range(2**12)]"
    await submit(jobs, "memory", source, resources=Resources(memory=256 * 2**20))

    status = await jobs.wait("memory", 60)
    assert status.state is JobState.FAILED
    assert status.reason.startswith("Rank 0 ran out of memory (its limit is 256 MiB")


async def test_a_killed_rank_ends_the_job_at_once(cluster, jobs, namespace, go):
    await submit(jobs, "killed", waiting(go), replicas=2)
    await until(jobs, "killed", runs)
    pid = re.search(r"process (\d+)", await until_printed(jobs, "killed", "process", rank=1))[1]
    pod = pod_of(cluster, namespace, "killed", 1)
    cluster.kubectl("-n", namespace, "exec", pod["metadata"]["name"], "--", "kill", "-9", pid)

    status = await jobs.wait("killed", 60)
    assert status.state is JobState.FAILED
    assert status.reason == "Rank 1 was killed (SIGKILL); the machine may have run out of memory."


async def test_a_supervisor_that_is_killed_leaves_no_process(cluster, jobs, namespace, go):
    await submit(jobs, "supervisor", waiting(go))
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


async def test_a_store_that_is_full(cluster, jobs, tmp_path):
    outcome = tmp_path / "jobs" / "full" / "outcome"
    outcome.mkdir(parents=True)
    for node in ("n1", "n2"):
        cluster.run(node, "mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(outcome))
    try:
        await submit(jobs, "full", Call(os.urandom, (2**20,)))
        status = await jobs.wait("full", 60)
    finally:
        for node in ("n1", "n2"):
            cluster.run(node, "umount", str(outcome))

    assert status.state is JobState.FAILED
    assert "No space left on device" in status.reason

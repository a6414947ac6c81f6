"""Parts of the cluster that stop while a job starts or runs, and come back: nothing of the job is lost."""

from __future__ import annotations

import asyncio

import pytest
from outages import AGAIN, without
from replicas import runs, submit, until, waiting

from jupyter_kf.errors import BackendError
from jupyter_kf.spec import JobState

pytestmark = pytest.mark.cluster


@pytest.mark.parametrize("program", ["kube-apiserver", "etcd"])
async def test_the_control_plane_is_away_while_a_job_runs_and_ends(cluster, jobs, go, program):
    await submit(jobs, "away", waiting(go), replicas=2)
    await until(jobs, "away", runs)
    end = asyncio.create_task(jobs.wait("away", AGAIN + 60))
    with without(cluster, program):
        go.touch()
        calls = (jobs.list(), submit(jobs, "later", "pass"), jobs.cancel("away"), jobs.delete("away"))
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(answer) for answer in answers] == [BackendError] * 4, answers
        assert not end.done()

    assert (await end).state is JobState.SUCCEEDED
    assert [status.name for status in await jobs.list()] == ["away"]


async def test_the_control_plane_is_away_while_a_job_starts(cluster, jobs, go):
    await submit(jobs, "starting", waiting(go), replicas=2)
    with without(cluster, "kube-apiserver"):
        pass
    await until(jobs, "starting", runs, AGAIN)

    go.touch()
    assert (await jobs.wait("starting", AGAIN)).state is JobState.SUCCEEDED


async def test_names_are_not_found_while_a_job_starts(cluster, jobs, go):
    with without(cluster, "coredns"):
        await submit(jobs, "names", waiting(go), replicas=2)
        await until(jobs, "names", lambda s: "is starting and looks for its peers" in s.reason)
    await until(jobs, "names", runs)

    with without(cluster, "coredns"):  # who has found each other needs no names
        go.touch()
        assert (await jobs.wait("names", 60)).state is JobState.SUCCEEDED


async def test_a_kubelet_is_away_while_a_job_runs(cluster, jobs, go):
    await submit(jobs, "kubelet", waiting(go), replicas=2)
    await until(jobs, "kubelet", runs)
    with without(cluster, "kubelet", node="n2"):
        await until(jobs, "kubelet", lambda s: "its node n2 may be lost" in s.reason)
    await until(jobs, "kubelet", runs)

    go.touch()
    status = await jobs.wait("kubelet", AGAIN)
    assert status.state is JobState.SUCCEEDED
    assert [replica.restarts for replica in status.replicas] == [0, 0]

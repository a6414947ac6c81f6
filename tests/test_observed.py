"""What a user is told of a job, from objects as clusters write them."""

from __future__ import annotations

import json

import pytest

from jupyter_kf.backends import manifests
from jupyter_kf.backends.observed import refused, status_of, unschedulable
from jupyter_kf.backends.placement import Placement
from jupyter_kf.spec import JobSpec, JobState, Resources

T1, T2, T3 = "2026-01-01T00:00:01Z", "2026-01-01T00:00:02Z", "2026-01-01T00:00:03Z"


def _job(replicas=1, conditions=(), **more):
    spec = JobSpec("a", replicas=replicas, resources=Resources(memory=2**29))
    job = manifests.job(spec, Placement(image="img"))
    job["status"] = {"conditions": [{"status": "True", "lastTransitionTime": T3, **c} for c in conditions]}
    job["status"] |= more
    return job


def _pod(index=0, phase="Pending", state=None, created=T1, **status):
    job = _job()
    pod = {
        "metadata": {"labels": {manifests.INDEX_LABEL: str(index)}, "creationTimestamp": created},
        "spec": job["spec"]["template"]["spec"] | ({"nodeName": "n1"} if phase != "Pending" or state else {}),
        "status": {"phase": phase, **status},
    }
    if state:
        ready = {"ready": True} if "running" in state else {}
        pod["status"]["containerStatuses"] = [{"name": "replica", "state": state, **ready}]
    return pod


def _ended(code, why="", /, **words):
    state = {"exitCode": code, "reason": why, "startedAt": T1, "finishedAt": T2}
    return {"terminated": state | ({"message": json.dumps(words)} if words else {})}


RUNNING = {"running": {"startedAt": T2}}


def test_a_job_without_pods_waits():
    status = status_of(_job(2), [], [])

    assert (status.state, status.reason) == (
        JobState.PENDING,
        "Waiting for the cluster to make its replicas.",
    )
    assert [r.index for r in status.replicas] == [0, 1]


def test_a_suspended_job_is_queued():
    job = _job()
    job["spec"]["suspend"] = True

    assert status_of(job, [], []).reason == "Queued: the cluster has not admitted it yet."


def test_a_job_runs_when_all_replicas_run():
    one, two = _pod(0, "Running", RUNNING), _pod(1, "Running", RUNNING)
    half = status_of(_job(2), [one], [])
    whole = status_of(_job(2), [one, two], [])

    assert (half.state, half.ready) == (JobState.PENDING, 1)
    assert (whole.state, whole.ready, whole.reason) == (JobState.RUNNING, 2, "")
    assert whole.started == 1767225602.0


def test_a_replica_whose_pod_was_replaced_says_what_became_of_it():
    before = _pod(0, "Failed", reason="Evicted", message="The node was low on memory.")
    waits, runs = _pod(0, created=T2), _pod(0, "Running", RUNNING, created=T2)
    status = status_of(_job(), [before, waits], [])

    assert status.reason == (
        "Rank 0 waits for a node, after it was evicted from its node: The node was low on memory."
    )
    assert status.replicas[0].restarts == 1
    assert status_of(_job(), [runs, before], []).reason == ""


def test_what_ended_the_job_is_told_and_not_what_became_of_pods_before():
    evicted = _pod(0, "Failed", _ended(143), reason="Evicted", message="The node was low on memory.")
    wrong = _pod(0, "Failed", _ended(1, "Error", reason="ValueError: wrong.", final=True), created=T2)
    failed = _job(conditions=[{"type": "Failed"}])

    assert status_of(failed, [evicted, wrong], []).reason == "ValueError: wrong."


def test_of_pods_of_the_same_second_the_one_that_goes_on_counts():
    before, after = _pod(0, "Failed", _ended(42)), _pod(0, "Running", RUNNING)

    assert status_of(_job(), [before, after], []).state is JobState.RUNNING
    assert status_of(_job(), [after, before], []).state is JobState.RUNNING


def test_a_replica_that_has_not_found_its_peers_is_starting():
    pod = _pod(0, "Running", RUNNING)
    pod["status"]["containerStatuses"][0]["ready"] = False
    status = status_of(_job(), [pod], [])

    assert status.state is JobState.PENDING
    assert status.reason == "Rank 0 is starting and looks for its peers."


WAITING = {
    "the node has no room": (
        {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]},
        None,
        "has no node to run on",
    ),
    "the image is not there": (
        {},
        {"waiting": {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "img"\nmore'}},
        'cannot get its image img: Back-off pulling image "img"',
    ),
    "a secret is not there": (
        {},
        {"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "s3" not found'}},
        'cannot be set up: secret "s3" not found',
    ),
    "it is set up": ({}, {"waiting": {"reason": "ContainerCreating"}}, "is being set up on its node"),
    "the program is not there": (
        {},
        {"waiting": {"reason": "RunContainerError", "message": "no such file"}},
        "cannot start: RunContainerError: no such file",
    ),
}


@pytest.mark.parametrize("case", WAITING)
def test_why_a_replica_waits(case):
    more, state, said = WAITING[case]
    status = status_of(_job(), [_pod(state=state, **more)], [])

    assert status.state is JobState.PENDING
    assert status.reason.startswith(f"Rank 0 {said}")
    assert status.replicas[0].reason in status.reason


FAILED = {
    "memory": (
        _ended(1, "OOMKilled", reason="was killed (SIGKILL)", peak=530 * 2**20),
        {},
        "ran out of memory (its limit is 512 MiB, its peak 530 MiB)",
    ),
    "code": (_ended(1, "Error", reason="raised ValueError: wrong"), {}, "raised ValueError: wrong"),
    "silent": (_ended(3, "Error"), {}, "ended with exit code 3"),
    "eviction": (
        None,
        {"reason": "Evicted", "message": "The node was low on resource: memory. Threshold 100Mi."},
        "was evicted from its node: The node was low on resource: memory. Threshold 100Mi",
    ),
    "preemption": (
        None,
        {"conditions": [{"type": "DisruptionTarget", "status": "True", "message": "preempted by x"}]},
        "was taken off its node: preempted by x",
    ),
    "node": (None, {}, "was lost with its node"),
}


@pytest.mark.parametrize("case", FAILED)
def test_why_a_replica_failed(case):
    state, more, said = FAILED[case]
    pod = _pod(1, "Failed", state, **more)
    status = status_of(_job(2, [{"type": "Failed", "message": "policy"}]), [pod], [])

    assert status.state is JobState.FAILED
    assert status.reason == f"Rank 1 {said}."
    assert status.finished == 1767225603.0


def test_a_lost_peer_is_not_the_cause():
    lost = _pod(0, "Failed", _ended(42, reason="lost its peers"), created=T1)
    cause = _pod(1, "Failed", _ended(1, reason="raised KeyError: 'x'"), created=T3)

    assert (
        status_of(_job(2, [{"type": "FailureTarget"}]), [lost, cause], []).reason
        == "Rank 1 raised KeyError: 'x'."
    )


def test_a_job_that_the_cluster_ended_says_why():
    status = status_of(_job(1, [{"type": "Failed", "message": "Job was active longer than allowed"}]), [], [])

    assert status.reason == "The cluster ended the job: Job was active longer than allowed"


def test_success_counts_from_the_first_word_of_it():
    conditions = [{"type": "SuccessCriteriaMet", "lastTransitionTime": T2}, {"type": "Complete"}]
    pods = [_pod(0, "Succeeded", _ended(0)), _pod(1, "Failed", _ended(143))]
    early = status_of(_job(2, conditions[:1]), pods[:1], [])
    late = status_of(_job(2, conditions), pods, [])

    assert early.state is late.state is JobState.SUCCEEDED
    assert early.finished == late.finished == 1767225602.0
    assert {r.state for r in late.replicas} == {JobState.SUCCEEDED}


def test_an_interrupted_job_brought_back_what_it_had():
    words = {"state": "CANCELLED", "reason": "Interrupted; what it had done so far came back."}
    pod = _pod(0, "Succeeded", _ended(0, **words))
    status = status_of(_job(1, [{"type": "Complete"}]), [pod], [])

    assert (status.state, status.reason) == (JobState.CANCELLED, words["reason"])


def test_a_cancelled_job_is_so_when_its_pods_have_gone():
    job = _job(1, active=1)
    job["metadata"]["annotations"][manifests.CANCELLED_ANNOTATION] = "1.0"
    running = status_of(job, [_pod(0, "Running", RUNNING)], [])
    job["status"]["active"] = 0
    gone = status_of(job, [], [])

    assert running.state is JobState.RUNNING
    assert (gone.state, gone.reason) == (JobState.CANCELLED, "Cancelled.")


def test_a_job_that_was_done_before_it_was_cancelled_is_done():
    job = _job(1, [{"type": "Complete"}])
    job["metadata"]["annotations"][manifests.CANCELLED_ANNOTATION] = "1.0"

    assert status_of(job, [], []).state is JobState.SUCCEEDED


def test_only_the_youngest_pod_of_a_rank_counts():
    old = _pod(0, "Failed", _ended(42), created=T1)
    new = _pod(0, "Running", RUNNING, created=T2)

    assert status_of(_job(), [new, old], []).state is JobState.RUNNING


def test_a_refused_pod_is_told_from_the_events():
    event = {"message": "Error creating: pods are forbidden", "lastTimestamp": T1}
    newer = {"message": "Error creating: x is forbidden: exceeded quota: q, requested: pods=1, "}
    newer["message"] += "used: pods=4, limited: pods=4"
    newer["lastTimestamp"] = T2

    assert status_of(_job(), [], [newer, event]).reason == (
        "The quota q is used up: asks for pods=1, used pods=4, limit pods=4."
    )


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (
            "0/3 nodes are available: 2 Insufficient nvidia.com/gpu, 1 Insufficient cpu.",
            "not enough nvidia.com/gpu on 2 nodes, not enough cpu on 1 node",
        ),
        ("0/1 nodes are available: 1 node(s) had untolerated taint {a: b}.", "1 node(s) had untolerated"),
        ("", "the scheduler does not say why"),
    ],
)
def test_what_the_scheduler_is_short_of(message, said):
    assert said in unschedulable(message)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (
            'admission webhook "p.example" denied the request: no GPUs on Fridays.',
            "The cluster's rule p.example refused its pods: no GPUs on Fridays.",
        ),
        (
            'Error creating: pods "a-0" is forbidden: violates PodSecurity "baseline"',
            'The cluster refused its pods: pods "a-0" is forbidden: violates PodSecurity "baseline".',
        ),
    ],
)
def test_why_the_cluster_refuses(message, said):
    assert refused(message) == said

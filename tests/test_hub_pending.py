"""Why a server does not run yet, in one sentence."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from jupyter_kf.backends.queueing import Line
from jupyter_kf.hub.pending import KINDS, Known, explain

SHORT = "0/3 nodes are available: 2 Insufficient nvidia.com/gpu, 1 node(s) had untolerated taint."


def pod(node="", waiting=None, ready=False, **condition):
    status = {"containerStatuses": [{"ready": ready, "state": {"waiting": waiting} if waiting else {}}]}
    if condition:
        status["conditions"] = [{"type": "PodScheduled", "status": "False"} | condition]
    labels = {"kueue.x-k8s.io/queue-name": "gpus"}
    return {
        "metadata": {"labels": labels},
        "spec": {"nodeName": node, "containers": [{"image": "tf:1"}]},
        "status": status,
    }


@pytest.mark.parametrize(
    ("seen", "events", "said"),
    [
        (None, [], "The cluster has not made the server's pod yet."),
        (pod(), [], "The server waits for a node."),
        (pod(ready=True), [], ""),
        (pod(reason="SchedulingGated"), [], "The server waits in the queue gpus."),
        (pod(reason="Unschedulable", message=SHORT), [], "not enough nvidia.com/gpu on 2 nodes"),
        (pod(reason="Unschedulable", message=SHORT), ["TriggeredScaleUp"], "is adding a node"),
        (pod("n1"), [], "The server is starting on the node n1."),
        (pod("n1"), ["Scheduled", "Pulling"], "The node n1 is getting the image"),
        (pod("n1"), ["Pulling", "Pulled"], "The server is starting on the node n1."),
        (pod("n1"), ["FailedMount"], "waits for the home volume"),
        (
            pod("n1", {"reason": "ImagePullBackOff", "message": "no such image\nmore"}),
            [],
            "The node cannot get the image tf:1: no such image.",
        ),
        (pod("n1", {"reason": "ErrImagePull"}), [], "cannot get the image tf:1: ErrImagePull."),
        (
            pod("n1", {"reason": "CreateContainerConfigError", "message": 'secret "x" not found'}),
            [],
            "not found",
        ),
        (pod("n1", {"reason": "CrashLoopBackOff"}), [], "ends right after its start"),
        (pod("n1", {"reason": "ContainerCreating"}), ["Pulling"], "is getting the image"),
        (
            pod("n1", {"reason": "RunContainerError", "message": "bad"}),
            [],
            "cannot start: RunContainerError: bad.",
        ),
    ],
)
def test_it_is_said_in_words(seen, events, said):
    kind, words = explain(seen, [{"reason": reason} for reason in events])
    assert said in words if said else words == ""
    assert "\n" not in words
    assert kind in KINDS if said else kind == ""


def test_devices_that_the_quota_does_not_give_are_told():
    """In the words of a real cluster, whose scheduler says nothing of such a pod."""
    used = "requested: x.deviceclass.resource.k8s.io/devices=2, used: x.dev=1, limited: x.dev=2"
    message = (
        f'PodResourceClaim g: create ResourceClaim : claims "p" is forbidden: exceeded quota: kf, {used}'
    )
    event = {"reason": "FailedResourceClaimCreation", "message": message}
    kind, said = explain(pod(), [event])
    assert (kind, said.startswith("The quota kf is used up: asks for x.deviceclass")) == ("room", True)


NOW = datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("images", "begun", "said"),
    [
        ({}, None, "is getting the image, which takes some minutes the first time."),
        ({"tf:1": 4_200_000_000}, None, "is getting the image (4.2 GB)."),
        ({"docker.io/tf:1": 4_200_000_000}, "2026-01-01T12:00:00Z", "is getting the image (4.2 GB)."),
        ({}, "2026-01-01T11:59:00Z", "is getting the image (1 minute so far)."),
        ({"tf:1": 120_000_000}, "2026-01-01T11:55:00Z", "is getting the image (0.1 GB, 5 minutes so far)."),
    ],
)
def test_an_image_on_its_way_has_a_size_and_a_time(images, begun, said):
    event = {"reason": "Pulling", "firstTimestamp": begun}
    assert explain(pod("n1"), [event], Known(images, now=NOW)).words == f"The node n1 {said}"


def test_a_place_in_the_queue_is_said():
    seen = pod(reason="SchedulingGated")
    seen["metadata"]["uid"] = "mine"
    said = explain(seen, known=Known(line=Line({"mine": 3})))
    assert said == ("queue", "The server is number 3 in the queue gpus.")
    assert "which its namespace does not have" in explain(seen, known=Known(line=Line(is_there=False))).words

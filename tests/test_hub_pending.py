"""Why a server does not run yet, in one sentence."""

from __future__ import annotations

import pytest

from jupyter_kf.hub.pending import explain

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
        (pod(reason="SchedulingGated"), [], "waits in the queue gpus; it starts when its turn comes"),
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
    words = explain(seen, [{"reason": reason} for reason in events])
    assert said in words if said else words == ""
    assert "\n" not in words

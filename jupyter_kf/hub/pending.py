"""Why a notebook's pod does not run yet, in plain words. Pure functions of the cluster's objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..backends.observed import unschedulable

if TYPE_CHECKING:
    from collections.abc import Iterable

_IMAGE = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError")
_SCALING = ("TriggeredScaleUp", "Nominated")


def explain(pod: dict[str, Any] | None, events: Iterable[dict[str, Any]] = ()) -> str:
    """One sentence; empty when the pod runs."""
    if pod is None:
        return "The cluster has not made the server's pod yet."
    status = pod.get("status", {})
    container: dict[str, Any] = next(iter(status.get("containerStatuses") or []), {})
    waiting = container.get("state", {}).get("waiting") or {}
    if container.get("ready"):
        return ""
    if waiting and (words := _container(waiting, pod["spec"]["containers"][0]["image"])):
        return words
    conditions = {c["type"]: c for c in status.get("conditions") or []}
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("reason") == "SchedulingGated":
        return _gated(pod)
    if scheduled.get("status") == "False":
        return _unscheduled(scheduled.get("message", ""), events)
    if pod["spec"].get("nodeName"):
        return _on_node(pod["spec"]["nodeName"], events)
    return "The server waits for a node."


def _container(waiting: dict[str, Any], image: str) -> str:
    reason, message = waiting.get("reason", ""), (waiting.get("message") or "").split("\n")[0].rstrip(".")
    if reason in _IMAGE:
        return f"The node cannot get the image {image}: {message or reason}."
    if reason == "CreateContainerConfigError":
        return f"The server cannot be set up: {message}."
    if reason == "CrashLoopBackOff":
        return "The server ends right after its start, again and again; its log says why."
    if reason and reason not in ("ContainerCreating", "PodInitializing"):
        return f"The server cannot start: {reason}: {message}."
    return ""


def _gated(pod: dict[str, Any]) -> str:
    queue = pod["metadata"].get("labels", {}).get("kueue.x-k8s.io/queue-name", "")
    return f"The server waits in the queue{f' {queue}' if queue else ''}; it starts when its turn comes."


def _unscheduled(message: str, events: Iterable[dict[str, Any]]) -> str:
    if any(event.get("reason") in _SCALING for event in events):
        return "The cluster is adding a node for the server, which takes some minutes."
    return f"The server {unschedulable(message)}."


def _on_node(node: str, events: Iterable[dict[str, Any]]) -> str:
    reasons = {event.get("reason") for event in events}
    if "Pulling" in reasons and "Pulled" not in reasons:
        return f"The node {node} is getting the image, which takes some minutes the first time."
    if "FailedMount" in reasons or "FailedAttachVolume" in reasons:
        return f"The node {node} waits for the home volume."
    return f"The server is starting on the node {node}."

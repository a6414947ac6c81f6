"""Why a notebook's pod does not run yet, in plain words. Pure functions of the cluster's objects."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from ..backends.manifests import QUEUE_LABEL
from ..backends.observed import refused, unschedulable
from ..backends.queueing import Line, words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_IMAGE = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError")
_SCALING = ("TriggeredScaleUp", "Nominated")
# The kinds of reasons, which are few, so that they can be counted.
KINDS = ("new", "queue", "room", "scaling", "image", "pulling", "volume", "starting", "failing")


class Why(NamedTuple):
    """One of `KINDS` and a sentence; both are empty for a pod that runs."""

    kind: str = ""
    words: str = ""


class Known(NamedTuple):
    """What else is known of the cluster: sizes of images in bytes, and who waits in the server's queue."""

    images: Mapping[str, int] = {}
    line: Line = Line()
    now: datetime | None = None


def explain(
    pod: dict[str, Any] | None, events: Iterable[dict[str, Any]] = (), known: Known | None = None
) -> Why:
    """Say it in one sentence."""
    if pod is None:
        return Why("new", "The cluster has not made the server's pod yet.")
    status = pod.get("status", {})
    container: dict[str, Any] = next(iter(status.get("containerStatuses") or []), {})
    waiting = container.get("state", {}).get("waiting") or {}
    image = pod["spec"]["containers"][0]["image"]
    if container.get("ready"):
        return Why()
    if waiting and (found := _container(waiting, image)):
        return found
    if is_gated(pod):
        return _gated(pod, known or Known())
    scheduled = _condition(pod)
    if scheduled.get("status") == "False":
        return _unscheduled(scheduled.get("message", ""), events)
    if pod["spec"].get("nodeName"):
        return _on_node(pod["spec"]["nodeName"], image, list(events), known or Known())
    refusals = [each for each in events if each.get("reason") == "FailedResourceClaimCreation"]
    return Why("room", refused(refusals[-1]["message"]) if refusals else "The server waits for a node.")


def is_gated(pod: dict[str, Any]) -> bool:
    """Whether a pod waits for its turn in a queue."""
    return bool(_condition(pod).get("reason") == "SchedulingGated")


def queue_of(pod: dict[str, Any]) -> str:
    """The queue of a pod, empty if it names none."""
    return str(pod["metadata"].get("labels", {}).get(QUEUE_LABEL, ""))


def _condition(pod: dict[str, Any]) -> dict[str, Any]:
    conditions = pod.get("status", {}).get("conditions") or []
    return next((each for each in conditions if each["type"] == "PodScheduled"), {})


def _container(waiting: dict[str, Any], image: str) -> Why | None:
    reason, message = waiting.get("reason", ""), (waiting.get("message") or "").split("\n")[0].rstrip(".")
    if reason in _IMAGE:
        return Why("image", f"The node cannot get the image {image}: {message or reason}.")
    if reason == "CreateContainerConfigError":
        return Why("failing", f"The server cannot be set up: {message}.")
    if reason == "CrashLoopBackOff":
        return Why("failing", "The server ends right after its start, again and again; its log says why.")
    if reason and reason not in ("ContainerCreating", "PodInitializing"):
        return Why("failing", f"The server cannot start: {reason}: {message}.")
    return None


def _gated(pod: dict[str, Any], known: Known) -> Why:
    queue = queue_of(pod)
    if not queue:
        return Why("queue", "The server waits for its turn.")
    return Why("queue", f"The server {words(queue, known.line, pod['metadata'].get('uid', ''))}.")


def _unscheduled(message: str, events: Iterable[dict[str, Any]]) -> Why:
    if any(event.get("reason") in _SCALING for event in events):
        return Why("scaling", "The cluster is adding a node for the server, which takes some minutes.")
    return Why("room", f"The server {unschedulable(message)}.")


def _on_node(node: str, image: str, events: list[dict[str, Any]], known: Known) -> Why:
    reasons = {event.get("reason"): event for event in events}
    if "Pulling" in reasons and "Pulled" not in reasons:
        return Why(
            "pulling", f"The node {node} is getting the image{_pull(reasons['Pulling'], image, known)}."
        )
    if "FailedMount" in reasons or "FailedAttachVolume" in reasons:
        return Why("volume", f"The node {node} waits for the home volume.")
    return Why("starting", f"The server is starting on the node {node}.")


def _pull(event: dict[str, Any], image: str, known: Known) -> str:
    """How large the image is, where another node has it, and how long it has taken so far."""
    size = known.images.get(image) or known.images.get(f"docker.io/{image}", 0)
    begun = event.get("firstTimestamp") or event.get("eventTime")
    facts = [f"{size / 1e9:.1f} GB"] if size else []
    if begun and known.now:
        minutes = (known.now - datetime.fromisoformat(begun)).total_seconds() // 60
        facts += [f"{minutes:.0f} minute{'s' if minutes > 1 else ''} so far"] if minutes >= 1 else []
    return f" ({', '.join(facts)})" if facts else ", which takes some minutes the first time"


def known_now(images: Mapping[str, int], line: Line) -> Known:
    """What is known at this moment."""
    return Known(images, line, datetime.now(UTC))

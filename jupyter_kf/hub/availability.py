"""How many accelerators are free: pure arithmetic over what is seen of nodes and pods.

It is a help to choose by, no promise: who comes first gets them. Unknown is said, and never shown as 0.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .catalogue import node_selector, tolerations
from .holdings import quantity, request

if TYPE_CHECKING:
    from .offers import Offer


@dataclass(frozen=True)
class Node:
    """What counts of a node: devices it has, and who may run on it. One that takes no pods has none."""

    devices: dict[str, int]
    labels: dict[str, str] = field(default_factory=dict)
    taints: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Held:
    """What a pod holds of a node's devices."""

    node: str
    devices: dict[str, int]


def node_of(found: dict[str, Any]) -> Node:
    """Read a node."""
    spec, status = found.get("spec", {}), found.get("status", {})
    conditions = {each["type"]: each["status"] for each in status.get("conditions") or []}
    usable = conditions.get("Ready") == "True" and not spec.get("unschedulable")
    amounts = status.get("allocatable") or {}
    devices = {name: int(quantity(n)) for name, n in amounts.items() if "/" in name} if usable else {}
    hard = [each for each in spec.get("taints") or [] if each.get("effect") != "PreferNoSchedule"]
    return Node(devices, found["metadata"].get("labels") or {}, tuple(hard))


def held_by(pod: dict[str, Any]) -> Held | None:
    """Read a pod; None if it holds no device of a node."""
    devices = {name: int(n) for name, n in request(pod).items() if "/" in name and n}
    node = pod["spec"].get("nodeName", "")
    return Held(node, devices) if node and devices else None


@dataclass(frozen=True)
class Free:
    """What is free for an offer: in all, and on the node that has most."""

    total: int
    on_one_node: int
    nodes: int


def free(offer: Offer, nodes: dict[str, Node], pods: list[Held]) -> Free | None:
    """Count for an offer; None if it has no accelerator that nodes count."""
    device = offer.accelerator.resource if offer.accelerator else ""
    if not device:
        return None
    used: Counter[str] = Counter()
    for pod in pods:
        used[pod.node] += pod.devices.get(device, 0)
    left = [
        max(0, node.devices[device] - used[name])
        for name, node in nodes.items()
        if device in node.devices and _fits(offer, node)
    ]
    return Free(sum(left), max(left, default=0), len(left))


def _fits(offer: Offer, node: Node) -> bool:
    tolerated = tolerations(offer)
    return node_selector(offer).items() <= node.labels.items() and all(
        any(_tolerates(each, taint) for each in tolerated) for taint in node.taints
    )


def _tolerates(toleration: dict[str, Any], taint: dict[str, Any]) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint.get("effect"):
        return False
    if toleration["key"] != taint["key"]:
        return False
    return toleration.get("operator") == "Exists" or toleration.get("value", "") == taint.get("value", "")


def words(offer: Offer, found: Free | None, age: float | None) -> str:
    """Say it in a sentence; ``age`` is in seconds, None if nothing is known. Empty without accelerator."""
    if not offer.accelerator or not offer.accelerator.resource:
        return ""
    if found is None or age is None:
        return "How many are free is not known."
    when = f", {age / 60:.0f} minutes ago" if age >= 90 else ""
    if found.total:
        spread = f", at most {found.on_one_node} on one node" if found.on_one_node < found.total else ""
        return f"{found.total} free{spread}{when}."
    if offer.grows_to:
        return f"None free{when}; the pool can grow to {offer.grows_to}."
    return (
        f"None free{when}; a server waits until there is one." if found.nodes else f"No node has any{when}."
    )

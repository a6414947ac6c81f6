"""How many accelerators are free: pure arithmetic over what is seen of nodes and pods.

It is a help to choose by, no promise: who comes first gets them. Unknown is said, and never shown as 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .catalogue import node_selector, tolerations
from .holdings import claims, is_finished, quantity, request

if TYPE_CHECKING:
    from .offers import Offer

# The hosts of a TPU slice are one pool of nodes.
_POOL = "cloud.google.com/gke-nodepool"


@dataclass(frozen=True)
class Node:
    """What counts of a node: devices it has, and who may run on it. One that takes no pods has none."""

    devices: dict[str, int]
    labels: dict[str, str] = field(default_factory=dict)
    taints: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Held:
    """What a pod holds of a node's devices, and the templates that its claims are made from."""

    node: str
    devices: dict[str, int]
    claims: tuple[str, ...] = ()


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
    claimed = () if is_finished(pod) else tuple(claims(pod))
    return Held(node, devices, claimed) if node and (devices or claimed) else None


@dataclass(frozen=True)
class Free:
    """What is free for an offer: in all, and on the node that has most."""

    total: int
    on_one_node: int
    nodes: int


Used = Mapping[str, Mapping[str, int]]


def used_by(pods: Iterable[Held]) -> Used:
    """What pods hold of each node's devices."""
    found: dict[str, Counter[str]] = {}
    for pod in pods:
        found.setdefault(pod.node, Counter()).update(pod.devices)
    return found


def free(offer: Offer, nodes: dict[str, Node], used: Used) -> Free | None:
    """Count for an offer; None if it has no accelerator that nodes count."""
    if not offer.accelerator or not offer.accelerator.resource:
        return None
    left = [left for left, _ in _left(offer, nodes, used).values()]
    return Free(sum(left), max(left, default=0), len(left))


def workers(offer: Offer, count: int, nodes: dict[str, Node], used: Used) -> tuple[int, int] | None:
    """How many workers with so many devices each could start at once, and on an empty cluster.

    A pool that grows has as many as it can grow to; what it has not started yet is not free now. Of a slice
    that spans hosts the workers start together or not at all.
    """
    if not offer.accelerator or not offer.accelerator.resource:
        return None
    found = _left(offer, nodes, used)
    total = sum(there // count for _, there in found.values())
    left = sum(left // count for left, _ in found.values())
    if offer.accelerator.hosts > 1:
        able = Counter(nodes[name].labels.get(_POOL) for name, (left, _) in found.items() if left >= count)
        left = sum(number - number % offer.accelerator.hosts for number in able.values())
    return left, max(total, (offer.grows_to or 0) // count)


def _left(offer: Offer, nodes: dict[str, Node], used: Used) -> dict[str, tuple[int, int]]:
    """Of each node that an offer's pods may run on: how many devices are left, of how many."""
    assert offer.accelerator is not None
    device, selector, tolerated = offer.accelerator.resource, node_selector(offer), tolerations(offer)
    return {
        name: (max(0, there - used.get(name, {}).get(device, 0)), there)
        for name, node in nodes.items()
        if (there := node.devices.get(device)) is not None
        and selector.items() <= node.labels.items()
        and all(any(_tolerates(each, taint) for each in tolerated) for taint in node.taints)
    }


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
    least = min(offer.counts)
    if found.total and found.on_one_node < least and not offer.grows_to:
        return f"{found.total} free{when}, but no node has {least} of them; a server waits until one has."
    if found.total:
        spread = f", at most {found.on_one_node} on one node" if found.on_one_node < found.total else ""
        return f"{found.total} free{spread}{when}."
    if offer.grows_to:
        return f"None free{when}; the pool can grow to {offer.grows_to}."
    return (
        f"None free{when}; a server waits until there is one." if found.nodes else f"No node has any{when}."
    )

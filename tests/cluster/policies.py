"""What NetworkPolicies let through, by their definition, for pods as they are.

The throw-away cluster enforces none, so the tests ask here whether a connection would be let through. Of the
definition only what the project's policies use is known; anything else is an error.
https://kubernetes.io/docs/concepts/services-networking/network-policies
"""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]


def lets_through(
    policies: list[Object], namespaces: list[Object], source: Object, target: Object, port: int
) -> bool:
    """Whether a TCP connection of one pod to another is let out there and in here."""
    labels = {each["metadata"]["name"]: each["metadata"].get("labels", {}) for each in namespaces}

    def allowed(pod: Object, other: Object, way: str, peers: str) -> bool:
        own = [p for p in policies if _selects_pod(p, pod) and way.capitalize() in p["spec"]["policyTypes"]]
        rules = [rule for policy in own for rule in policy["spec"].get(way, [])]
        home = pod["metadata"]["namespace"]
        return not own or any(
            _has_port(rule, port) and _has_peer(rule.get(peers, []), home, other, labels) for rule in rules
        )

    return allowed(source, target, "egress", "to") and allowed(target, source, "ingress", "from")


def _selects_pod(policy: Object, pod: Object) -> bool:
    same = policy["metadata"]["namespace"] == pod["metadata"]["namespace"]
    return same and _selects(policy["spec"]["podSelector"], pod["metadata"].get("labels", {}))


def _selects(selector: Object, labels: dict[str, str]) -> bool:
    assert selector.keys() <= {"matchLabels"}, selector
    return selector.get("matchLabels", {}).items() <= labels.items()


def _has_port(rule: Object, port: int) -> bool:
    ports = [each for each in rule.get("ports", []) if each.get("protocol", "TCP") == "TCP"]
    if not rule.get("ports"):
        return True
    return any(each["port"] <= port <= each.get("endPort", each["port"]) for each in ports)


def _has_peer(peers: list[Object], home: str, other: Object, namespaces: dict[str, dict[str, str]]) -> bool:
    return not peers or any(_is_peer(peer, home, other, namespaces) for peer in peers)


def _is_peer(peer: Object, home: str, other: Object, namespaces: dict[str, dict[str, str]]) -> bool:
    if "ipBlock" in peer:  # pods have private addresses, which the project's blocks leave out
        return False
    place = other["metadata"]["namespace"]
    near = (
        _selects(peer["namespaceSelector"], namespaces[place])
        if "namespaceSelector" in peer
        else place == home
    )
    return near and _selects(peer.get("podSelector", {}), other["metadata"].get("labels", {}))

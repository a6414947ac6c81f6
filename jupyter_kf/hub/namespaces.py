"""A namespace for each user: what is in it, so that the user may run jobs there and touch nobody else.

Whoever may create pods in a namespace can read its Secrets and use its ServiceAccounts, so the right to
run jobs is given in a namespace of one's own only. Pure functions that make plain objects.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..backends.queueing import GROUP as QUEUES
from ..names import label_key, label_value
from ..timetable import LAUNCHER_LABELS
from .catalogue import claim_name
from .offers import Allowance, Offer

ACCOUNT = "jupyter-kf"
USER_LABEL = label_key("user")
# What a notebook needs to run jobs and to see them, in its own namespace only. No Secrets.
RIGHTS: dict[tuple[str, str], list[str]] = {
    ("batch", "jobs"): ["create", "get", "list", "watch", "patch", "delete"],
    ("batch", "cronjobs"): ["create", "get", "list", "patch", "delete"],
    ("", "services"): ["create"],
    ("", "pods"): ["get", "list", "watch"],
    ("", "pods/log"): ["get"],
    ("", "events"): ["list", "watch"],
    ("", "persistentvolumeclaims"): ["get"],
    (QUEUES, "localqueues/pendingworkloads"): ["get"],
}
# Replicas find each other at 2220, and TensorFlow's ports are 2222 and up.
_REPLICA_PORTS = {"protocol": "TCP", "port": 2220, "endPort": 2999}
_DNS = [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
_PRIVATE = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10"]
# What a quota calls the devices of a DeviceClass.
_CLAIMED = "deviceclass.resource.k8s.io/devices"
# A container that says nothing, where a quota wants to know.
_UNSAID = {"cpu": "1", "memory": "2Gi"}

Object = dict[str, Any]


@dataclass(frozen=True)
class Tenant:
    """A user and the namespace of their own; ``with_rights`` is the right to run jobs in it.

    ``api_server`` are the addresses and ports of the API server, ``hub_namespace`` is where hub and
    proxy run, ``egress`` are more rules of a NetworkPolicy for where pods may go.
    """

    user: str
    namespace: str
    hub_namespace: str
    allowance: Allowance = field(default_factory=Allowance)
    offers: tuple[Offer, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    api_server: tuple[tuple[str, int], ...] = ()
    egress: tuple[Object, ...] = ()
    notebook_port: int = 8888
    hub_port: int = 8081
    with_rights: bool = True


def namespace(tenant: Tenant) -> Object:
    """The Namespace, which admits pods without privileges only."""
    own = {
        USER_LABEL: label_value(tenant.user),
        "app.kubernetes.io/managed-by": "jupyter-kf",
        "pod-security.kubernetes.io/enforce": "restricted",
    }
    metadata = {"name": tenant.namespace, "labels": tenant.labels | own, "annotations": tenant.annotations}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def contents(tenant: Tenant) -> list[Object]:
    """All that is in the namespace before the first pod."""
    rights = _rights(tenant) if tenant.with_rights else []
    return [*rights, *_limits(tenant), *_policies(tenant), *_claims(tenant)]


def _object(tenant: Tenant, version: str, kind: str, name: str, **fields: Any) -> Object:
    labels = {"app.kubernetes.io/managed-by": "jupyter-kf"}
    metadata = {"name": name, "namespace": tenant.namespace, "labels": labels}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **fields}


def _rights(tenant: Tenant) -> list[Object]:
    group = "rbac.authorization.k8s.io"
    rules = [{"apiGroups": [g], "resources": [r], "verbs": verbs} for (g, r), verbs in RIGHTS.items()]
    subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": tenant.namespace}
    role = {"apiGroup": group, "kind": "Role", "name": ACCOUNT}
    return [
        _object(tenant, "v1", "ServiceAccount", ACCOUNT, automountServiceAccountToken=False),
        _object(tenant, f"{group}/v1", "Role", ACCOUNT, rules=rules),
        _object(tenant, f"{group}/v1", "RoleBinding", ACCOUNT, roleRef=role, subjects=[subject]),
    ]


def _limits(tenant: Tenant) -> list[Object]:
    """The quota, and for containers that name no amounts some, as a quota of cpu or memory wants them.

    Both are there when nothing is limited too, so that a limit that was taken away is one no more.
    """
    allowed = tenant.allowance
    hard = {f"requests.{name}": str(most) for name, most in allowed.accelerators.items()}
    hard |= {f"{name}.{_CLAIMED}": str(most) for name, most in allowed.devices.items()}
    unsaid = {}
    for name, most in (("cpu", allowed.cpu), ("memory", allowed.memory)):
        if most is not None:
            hard |= {f"requests.{name}": f"{most:g}" if name == "cpu" else str(most)}
            hard |= {f"limits.{name}": hard[f"requests.{name}"]}
            unsaid[name] = _UNSAID[name]
    if allowed.pods is not None:
        hard["pods"] = str(allowed.pods)
    limits = [{"type": "Container", "default": unsaid, "defaultRequest": dict(unsaid)}] if unsaid else []
    return [
        _object(tenant, "v1", "ResourceQuota", ACCOUNT, spec={"hard": hard}),
        _object(tenant, "v1", "LimitRange", ACCOUNT, spec={"limits": limits}),
    ]


def _policies(tenant: Tenant) -> list[Object]:
    """Who may reach whom: what no policy allows is closed, to other users above all."""
    hub = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": tenant.hub_namespace}}}
    own: Object = {"podSelector": {}}
    public = {"ipBlock": {"cidr": "0.0.0.0/0", "except": _PRIVATE}}
    servers = [
        {"to": [{"ipBlock": {"cidr": f"{ip}/{128 if ':' in ip else 32}"}}], "ports": [_tcp(port)]}
        for ip, port in tenant.api_server
    ]
    all_pods = {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [own], "ports": [_REPLICA_PORTS]}],
        "egress": [
            {"to": [own], "ports": [_REPLICA_PORTS]},
            {"to": [{"namespaceSelector": {}}], "ports": _DNS},
            {"to": [public]},
            *tenant.egress,
        ],
    }
    notebooks = {
        "podSelector": {"matchLabels": {"component": "singleuser-server"}},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [hub], "ports": [_tcp(tenant.notebook_port)]}],
        "egress": [{"to": [hub], "ports": [_tcp(tenant.hub_port), _tcp(8000)]}, *servers],
    }
    launchers = {
        "podSelector": {"matchLabels": LAUNCHER_LABELS},
        "policyTypes": ["Egress"],
        "egress": servers,
    }
    named = {"": all_pods, "-notebooks": notebooks, "-schedules": launchers}
    return [
        _object(tenant, "networking.k8s.io/v1", "NetworkPolicy", ACCOUNT + name, spec=spec)
        for name, spec in named.items()
    ]


def _tcp(port: int) -> Object:
    return {"protocol": "TCP", "port": port}


def _claims(tenant: Tenant) -> list[Object]:
    """A template for each number of devices of an offer by Dynamic Resource Allocation."""
    return [
        _claim(tenant, offer, count)
        for offer in tenant.offers
        if offer.accelerator and offer.accelerator.device_class
        for count in offer.counts
    ]


def _claim(tenant: Tenant, offer: Offer, count: int) -> Object:
    assert offer.accelerator is not None
    exactly: Object = {"deviceClassName": offer.accelerator.device_class, "count": count}
    if offer.accelerator.selector:
        exactly["selectors"] = [{"cel": {"expression": offer.accelerator.selector}}]
    devices = {"devices": {"requests": [{"name": "accelerator", "exactly": exactly}]}}
    name = claim_name(offer.name, count)
    version, kind = "resource.k8s.io/v1", "ResourceClaimTemplate"
    return _object(tenant, version, kind, name, spec={"spec": devices})

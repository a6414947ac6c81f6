"""The Kubernetes objects of a job, as plain dicts made by pure functions.

An Indexed Job whose pods are the replicas, and a headless Service that gives each a name. Values
of users stand in JSON strings and in lists of arguments only, never in a shell's line.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..names import label_key, label_value, replica_name
from ..spec import JobSpec

if TYPE_CHECKING:
    from ..profiles import Profile
    from .apiserver import Object
    from .placement import Placement

CONTAINER = "replica"
PORT = 2222
READY_PORT = 2221  # open once the replica has found its peers
JOB_LABEL = label_key("job")
USER_LABEL = label_key("user")
SPEC_ANNOTATION = label_key("spec")
CANCELLED_ANNOTATION = label_key("cancelled")
INDEX_LABEL = "batch.kubernetes.io/job-completion-index"
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
# Exit codes that no second attempt would change: errors of the user's code, and killed by force,
# which is most often a lack of memory. 42, a lost peer, and all others are tried again.
FINAL_CODES = (1, 2, 137)
ATTEMPTS = 3
_STORE_ACCESS = "/var/run/jupyter_kf/store"
_SOURCE_LIMIT = 32 * 1024
_GRACE_SECONDS = 30
_NODE_SECONDS = 30  # a cluster itself would wait five minutes for a silent node, and all replicas with it
_KEEP_SECONDS = 7 * 24 * 3600
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
# By what the entries of a list are told apart when lists are merged; other lists are replaced.
_MERGE_KEYS = {"containers": "name", "volumes": "name", "env": "name", "volumeMounts": "mountPath"}


def labels(spec: JobSpec) -> dict[str, str]:
    """The labels of all objects of a job."""
    own = {JOB_LABEL: spec.name, "app.kubernetes.io/managed-by": "jupyter-kf"}
    return spec.labels | own | ({USER_LABEL: label_value(spec.user)} if spec.user else {})


def job(spec: JobSpec, place: Placement, profile: Profile | None = None) -> Object:
    """The Job; the profile's overrides are merged into the pod before the placement's."""
    replica, queue = _pod(spec, place), profile.queue if profile else ""
    if profile and profile.store_secret:
        replica = merge(replica, store_access(profile.store_secret))
    for changes in (profile.pod_overrides if profile else {}, place.overrides):
        replica = merge(replica, changes)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": spec.name,
            "labels": labels(spec) | ({QUEUE_LABEL: queue} if queue else {}),
            "annotations": {SPEC_ANNOTATION: write_spec(spec)},
        },
        "spec": {
            "completionMode": "Indexed",
            "completions": spec.replicas,
            "parallelism": spec.replicas,
            "backoffLimit": ATTEMPTS * spec.replicas,
            "podReplacementPolicy": "Failed",
            "ttlSecondsAfterFinished": _KEEP_SECONDS,
            "successPolicy": {"rules": [{"succeededIndexes": "0"}]},
            "podFailurePolicy": {"rules": _failure_rules()},
            "template": {"metadata": {"labels": labels(spec)}, "spec": replica},
        },
    }


def _failure_rules() -> list[Object]:
    codes = {"containerName": CONTAINER, "operator": "In", "values": list(FINAL_CODES)}
    disrupted = {"type": "DisruptionTarget", "status": "True"}
    return [
        {"action": "Ignore", "onPodConditions": [disrupted]},
        {"action": "FailJob", "onExitCodes": codes},
    ]


def _pod(spec: JobSpec, place: Placement) -> Object:
    replica = container(place, ["-m", "jupyter_kf.worker", spec.name], {}, spec.image) | {
        "ports": [{"name": "tensorflow", "containerPort": PORT}],
        "readinessProbe": {"tcpSocket": {"port": READY_PORT}, "periodSeconds": 1, "failureThreshold": 30},
        "resources": _resources(spec),
    }
    return pod(place, replica) | {"subdomain": spec.name}


def container(place: Placement, arguments: list[str], env: dict[str, str], image: str = "") -> Object:
    """What runs the interpreter with ``arguments``, without privileges; of ``env`` what is not empty."""
    mounts: list[Object] = [
        {"name": "scratch", "mountPath": "/tmp"},
        {"name": "shm", "mountPath": "/dev/shm"},
    ]
    # With one seed of hashes sets of strings are in one order on all replicas.
    known = {"HOME": "/tmp", "PYTHONUNBUFFERED": "1", "PYTHONHASHSEED": "0"} | place.env
    known |= {"JUPYTER_KF_STORE": place.store}
    known |= {name: value for name, value in env.items() if value}
    return {
        "name": CONTAINER,
        "image": image or place.image,
        "command": [place.python, *arguments],
        "env": [{"name": name, "value": value} for name, value in known.items()],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [*mounts, *place.mounts],
    }


def pod(place: Placement, container: Object) -> Object:
    """The specification of a pod at its place, which has one container, no token and no privileges."""
    made: Object = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _GRACE_SECONDS,
        "tolerations": [
            {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": _NODE_SECONDS}
            for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
        ],
        "securityContext": _security(place),
        "volumes": [
            {"name": "scratch", "emptyDir": {}},
            {"name": "shm", "emptyDir": {"medium": "Memory"}},
            *place.volumes,
        ],
        "containers": [container],
    }
    return made | ({"nodeSelector": {"kubernetes.io/hostname": place.node}} if place.node else {})


def store_access(secret: str) -> Object:
    """Credentials for a store that is a URL: mounted files, so that they are in no environment."""
    env = [{"name": "FSSPEC_CONFIG_DIR", "value": _STORE_ACCESS}]
    mounts = [{"name": "store-access", "mountPath": _STORE_ACCESS, "readOnly": True}]
    return {
        "volumes": [{"name": "store-access", "secret": {"secretName": secret}}],
        "containers": [{"name": CONTAINER, "env": env, "volumeMounts": mounts}],
    }


def _security(place: Placement) -> Object:
    context: Object = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    if place.user is not None:
        context["runAsUser"] = place.user
    if place.group is not None:
        context |= {"runAsGroup": place.group, "fsGroup": place.group}
    return context


def _resources(spec: JobSpec) -> Object:
    """The same amounts as request and limit, so that a replica keeps what it was promised."""
    asked = spec.resources
    amounts = {
        "cpu": f"{round(asked.cpu * 1000)}m" if asked.cpu else "",
        "memory": str(asked.memory) if asked.memory else "",
        asked.accelerator: str(asked.accelerators) if asked.accelerators else "",
    }
    given = {name: amount for name, amount in amounts.items() if amount}
    return {"requests": given, "limits": given} if given else {}


def service(spec: JobSpec, job_uid: str) -> Object:
    """The headless Service of a job, which goes when the Job goes."""
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": spec.name, "uid": job_uid}
    owner_flags = {"controller": True, "blockOwnerDeletion": True}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": spec.name, "labels": labels(spec), "ownerReferences": [owner | owner_flags]},
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": {"batch.kubernetes.io/job-name": spec.name},
            "ports": [{"name": "tensorflow", "port": PORT}],
        },
    }


def write_spec(spec: JobSpec) -> str:
    """The specification as an annotation; of a very long source only the beginning."""
    if len(spec.source) > _SOURCE_LIMIT:
        spec = replace(spec, source=spec.source[:_SOURCE_LIMIT] + "\n# ...")
    return json.dumps(spec.to_dict())


def read_spec(found: Object) -> JobSpec:
    """The specification that a Job carries. Raises `SpecError` when somebody changed it."""
    return JobSpec.from_dict(json.loads(found["metadata"]["annotations"][SPEC_ANNOTATION]))


def pod_host(spec: JobSpec, index: int) -> str:
    """The host name of one replica below the Service's."""
    return f"{replica_name(spec.name, index)}.{spec.name}"


def merge(base: Any, changes: Any, key: str = "") -> Any:
    """Merge as a strategic merge patch does: dicts by key, known lists by name, null takes away.

    Tolerations are added to those there, as there is no name by which one could replace another.
    """
    if isinstance(base, dict) and isinstance(changes, dict):
        kept = {k: v for k, v in base.items() if k not in changes}
        changed = {k: merge(base.get(k), v, k) for k, v in changes.items() if v is not None}
        return {k: (kept | changed)[k] for k in [*base, *changes] if k in kept or k in changed}
    if key == "tolerations" and isinstance(base, list) and isinstance(changes, list):
        return base + [each for each in changes if each not in base]
    if key in _MERGE_KEYS and isinstance(base, list) and isinstance(changes, list):
        name = _MERGE_KEYS[key]
        news = {entry[name]: entry for entry in changes}
        merged = [merge(entry, news.pop(entry[name], {})) for entry in base]
        return merged + list(news.values())
    return changes


def to_yaml(objects: list[Object]) -> str:
    """Write objects for ``kubectl apply -f``: JSON documents, which are YAML and quote everything."""
    return "".join(f"---\n{_quoted(each)}\n" for each in objects)


def _quoted(value: Object) -> str:
    """JSON that YAML reads alike: escapes what breaks lines there, but no pairs of surrogates."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)

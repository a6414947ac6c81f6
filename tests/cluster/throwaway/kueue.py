"""A real Kueue in a cluster: its own manifests, and its manager built from the Go module that they come with.

What differs from an installation is the image, which is the machine's Python with the program mounted into
it, and how soon its probe looks.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml

from throwaway import programs
from throwaway.images import PYTHON_IMAGE

if TYPE_CHECKING:
    from pathlib import Path

    from throwaway.client import Cluster

_GROUP = "kueue.x-k8s.io"


def install(cluster: Cluster) -> None:
    """Install it and wait until it takes queues; it then decides over the jobs and pods that name one."""
    folder = programs.build_kueue()
    made = list(yaml.safe_load_all(cluster.kubectl("kustomize", str(folder / "config" / "default"))))
    for each in made:
        if each["kind"] == "Deployment":
            _run_here(each["spec"]["template"]["spec"], folder)
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": made})
    cluster.kubectl("apply", "--server-side", "-f", "-", text=text)
    ready = ("-n", "kueue-system", "rollout", "status", "deployment", "kueue-controller-manager")
    cluster.wait_for("Kueue", *ready, "--timeout=2s", answer="successfully", patience=180)


def _run_here(pod: dict[str, Any], folder: Path) -> None:
    [manager] = pod["containers"]
    manager |= {"image": PYTHON_IMAGE, "imagePullPolicy": "Never", "command": ["/kueue/manager"]}
    manager["readinessProbe"] |= {"initialDelaySeconds": 0, "periodSeconds": 1}
    manager["volumeMounts"].append({"name": "program", "mountPath": "/kueue", "readOnly": True})
    pod["volumes"].append({"name": "program", "hostPath": {"path": str(folder)}})


def add_queue(cluster: Cluster, name: str, quotas: dict[str, str]) -> None:
    """A ClusterQueue for all namespaces, with quotas by resource."""
    flavor = {"kind": "ResourceFlavor", "metadata": {"name": "any"}, "spec": {}}
    resources = [{"name": key, "nominalQuota": amount} for key, amount in quotas.items()]
    group = {"coveredResources": list(quotas), "flavors": [{"name": "any", "resources": resources}]}
    queue = {
        "kind": "ClusterQueue",
        "metadata": {"name": name},
        "spec": {"namespaceSelector": {}, "resourceGroups": [group]},
    }
    for each in (flavor, queue):
        _apply(cluster, each)


def add_local_queue(cluster: Cluster, namespace: str, name: str, queue: str) -> None:
    """A queue of a namespace, which leads to a ClusterQueue."""
    metadata = {"name": name, "namespace": namespace}
    _apply(cluster, {"kind": "LocalQueue", "metadata": metadata, "spec": {"clusterQueue": queue}})


def _apply(cluster: Cluster, each: dict[str, Any]) -> None:
    cluster.kubectl("apply", "-f", "-", text=json.dumps({"apiVersion": f"{_GROUP}/v1beta2"} | each))

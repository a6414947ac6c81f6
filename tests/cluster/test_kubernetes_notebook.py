"""As a user's notebook does it: in a pod of its own, with that pod's rights, image and home volume.

Nothing is told to it: credentials, namespace, image, home and node are read off the pod.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from replicas import CODE
from test_kubernetes_refused import VERBS
from throwaway.images import PYTHON_IMAGE, USER

from jupyter_kf.backends import BACKEND_VARIABLE
from jupyter_kf.profiles import PROFILES_VARIABLE

pytestmark = pytest.mark.cluster

HOME = "/home/ana"
_SUBMIT = """
import jupyter_kf as kf
with kf.Executor(2, profile="here") as executor:
    job = executor.submit(sorted, [3, 1, 2])
print(job.name, flush=True)
"""
_FIND = """
import sys, jupyter_kf as kf
job = kf.job(sys.argv[1])
print(job.result(100))
print(*sorted({replica.node for replica in job.status.replicas}))
job.delete()
"""


@pytest.fixture
def apply(cluster, namespace):
    """Make an object in the test's namespace."""

    def make(kind, name, version="v1", **fields):
        body = {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **fields}
        cluster.kubectl("-n", namespace, "apply", "-f", "-", text=json.dumps(body))

    return make


@pytest.fixture
def home(cluster, namespace, apply, tmp_path):
    """A home volume that is on one node at a time, as most are."""
    folder = tmp_path / "home"
    folder.mkdir()
    os.chown(folder, USER, USER)
    for parent in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        parent.chmod(0o755)
    once = {"accessModes": ["ReadWriteOnce"], "storageClassName": namespace}
    place = {"capacity": {"storage": "1Gi"}, "hostPath": {"path": str(folder)}}
    apply("PersistentVolume", namespace, spec=once | place)
    apply("PersistentVolumeClaim", "home", spec=once | {"resources": {"requests": {"storage": "1Gi"}}})
    yield folder
    cluster.kubectl("delete", "pv", namespace, "--wait=false")


@pytest.fixture
def notebook(cluster, namespace, apply, home):
    """Run a script in a notebook's pod on one node and give what it printed; the pod goes afterwards."""
    rules = [{"apiGroups": [g], "resources": [r], "verbs": verbs} for (g, r), verbs in VERBS.items()]
    apply("ServiceAccount", "ana")
    apply("Role", "kf", "rbac.authorization.k8s.io/v1", rules=rules)
    cluster.kubectl(
        "-n", namespace, "create", "rolebinding", "kf", "--role=kf", f"--serviceaccount={namespace}:ana"
    )
    code = {"environment": Path(sys.prefix), "code": CODE}
    volumes = [{"name": name, "hostPath": {"path": str(path)}} for name, path in code.items()]
    mounts = [{"name": name, "mountPath": str(path), "readOnly": True} for name, path in code.items()]
    # A real image has the package in it; here the profile brings it.
    container = {"name": "replica", "volumeMounts": mounts}
    profiles = [{"name": "here", "pod_overrides": {"volumes": volumes, "containers": [container]}}]
    env = {"HOME": HOME, "PYTHONPATH": str(CODE), PROFILES_VARIABLE: json.dumps(profiles)}
    env |= {"JUPYTERHUB_USER": "ana", "JUPYTER_KF_STORE": f"{HOME}/.kf", BACKEND_VARIABLE: "kubernetes"}

    def run(name, node, script, *arguments):
        main = {
            "name": "notebook",
            "image": PYTHON_IMAGE,
            "imagePullPolicy": "Never",
            "command": [sys.executable, "-c", script, *arguments],
            "env": [{"name": key, "value": value} for key, value in env.items()],
            "volumeMounts": [{"name": "home", "mountPath": HOME}, *mounts],
        }
        claim = {"name": "home", "persistentVolumeClaim": {"claimName": "home"}}
        apply(
            "Pod",
            name,
            spec={
                "restartPolicy": "Never",
                "serviceAccountName": "ana",
                "nodeSelector": {"kubernetes.io/hostname": node},
                "securityContext": {"runAsUser": USER, "runAsGroup": USER, "fsGroup": USER},
                "containers": [main],
                "volumes": [claim, *volumes],
            },
        )
        phase = ("-n", namespace, "get", "pod", name, "-o", "jsonpath={.status.phase}")
        cluster.wait_for(f"the start of {name}", *phase, answer="ed", patience=120)
        said = cluster.kubectl("-n", namespace, "logs", name)
        assert cluster.kubectl(*phase) == "Succeeded", said
        cluster.kubectl("-n", namespace, "delete", "pod", name)
        return said

    return run


def test_a_job_outlives_the_notebooks_pod(cluster, namespace, notebook, home):
    """Another pod finds it by its name, with its result; its replicas were where the home is."""
    name = notebook("first", "n2", _SUBMIT).split()[-1]
    found = json.loads(cluster.kubectl("-n", namespace, "get", "job", name, "-o", "json"))
    assert found["metadata"]["labels"]["jupyter-kf/user"] == "ana"

    said = notebook("second", "n2", _FIND, name)
    assert said.splitlines()[-2:] == ["[1, 2, 3]", "n2"]
    assert list((home / ".kf" / "jobs").iterdir()) == []
    for kind in ("jobs", "services"):
        assert cluster.kubectl("-n", namespace, "get", kind, "-o", "name") == ""

"""Replicas on the throw-away cluster: the machine's Python with this environment and this code.

Everything is mounted from the machine at the path that it has there, read-only but the store.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from throwaway.images import PYTHON_IMAGE

from jupyter_kf.backends.kubernetes import KubernetesBackend
from jupyter_kf.backends.placement import Placement
from jupyter_kf.capture import ambient, pack
from jupyter_kf.capture.call import Call
from jupyter_kf.spec import JobSpec, JobStatus
from jupyter_kf.store import PAYLOAD, ArtifactStore, job_path

if TYPE_CHECKING:
    from collections.abc import Callable

CODE = Path(__file__).parents[2]
# The tests' own user is root, and so are the store's files; the pods' rights are another test's.
_AS_ROOT = {"securityContext": {"runAsNonRoot": False, "runAsUser": 0}}


def placement(store: Path, preload: str = "", **overrides: Any) -> Placement:
    """Where replicas find what this process has; `preload` replaces the modules imported ahead."""
    places = {"environment": Path(sys.prefix), "code": CODE, "store": store}
    volumes = [{"name": name, "hostPath": {"path": str(path)}} for name, path in places.items()]
    mounts = [
        {"name": name, "mountPath": str(path), "readOnly": name != "store"} for name, path in places.items()
    ]
    env = {"PYTHONPATH": str(CODE), "TF_CPP_MIN_LOG_LEVEL": "2"}
    if preload:
        env["JUPYTER_KF_PRELOAD"] = preload
    return Placement(
        image=os.environ.get("JUPYTER_KF_TEST_IMAGE", PYTHON_IMAGE),
        python=sys.executable,
        store=str(store),
        env=env,
        volumes=tuple(volumes),
        mounts=tuple(mounts),
        overrides=_AS_ROOT | overrides,
    )


def backend(kubeconfig: Path, namespace: str, place: Placement) -> KubernetesBackend:
    """A backend for one namespace."""
    store = ArtifactStore(place.store)
    return KubernetesBackend(store, namespace=namespace, kubeconfig=str(kubeconfig), placement=place)


async def submit(place: KubernetesBackend, name: str, code: str, **more: Any) -> JobSpec:
    """Submit a few lines of Python that need no TensorFlow as a job."""
    spec = JobSpec(name, created=time.time(), own_strategy=True, **more)
    pack_source(place.store, name, code)
    await place.submit(spec)
    return spec


def pack_source(store: ArtifactStore, name: str, source: str) -> None:
    """Put the payload of such a job into the store."""
    folder = store.local(job_path(name, PAYLOAD))
    assert folder is not None
    folder.mkdir(parents=True)
    pack({"work": Call(exec, (source, {})), "ambient": ambient.snapshot()}, folder)


async def until(
    place: KubernetesBackend, name: str, holds: Callable[[JobStatus], object], patience: float = 60
) -> JobStatus:
    """Wait until a job's status is as wanted; TimeoutError says how it was instead."""
    status = await place.get(name)
    deadline = time.monotonic() + patience
    while not holds(status):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{name} is {status.state} after {patience:g} s: {status.reason!r}")
        await asyncio.sleep(0.1)
        status = await place.get(name)
    return status

"""Replicas on the throw-away cluster: the machine's Python with this environment and this code.

Everything is mounted from the machine at the path that it has there, read-only but the store.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from throwaway.images import PYTHON_IMAGE

from jupyter_kf.backends.kubernetes import KubernetesBackend
from jupyter_kf.backends.placement import Placement
from jupyter_kf.capture import pack
from jupyter_kf.capture.call import Call
from jupyter_kf.spec import JobSpec, JobState, JobStatus
from jupyter_kf.store import PAYLOAD, ArtifactStore, job_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from throwaway.client import Cluster

CODE = Path(__file__).parents[2]
# The tests' own user is root, and so are the store's files; the pods' rights are another test's.
_AS_ROOT = {"securityContext": {"runAsNonRoot": False, "runAsUser": 0}}


def placement(store: Path | str, preload: str = "", **overrides: Any) -> Placement:
    """Where replicas find what this process has; `preload` replaces the modules imported ahead."""
    places = {"environment": Path(sys.prefix), "code": CODE}
    if isinstance(store, Path):  # else a URL
        places["store"] = store
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


async def submit(place: KubernetesBackend, name: str, work: str | Call, **more: Any) -> JobSpec:
    """Submit a few lines of Python, or a call, that need no TensorFlow as a job."""
    spec = JobSpec(name, created=time.time(), own_strategy=True, **more)
    pack_work(place.store, name, work)
    await place.submit(spec)
    return spec


def pack_work(store: ArtifactStore, name: str, work: str | Call) -> None:
    """Put the payload of such a job into the store."""
    call = Call(exec, (work, {})) if isinstance(work, str) else work
    with tempfile.TemporaryDirectory() as scratch:
        folder = store.local(job_path(name, PAYLOAD)) or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        # As of a kernel that has not imported TensorFlow, whatever this process has: replicas would too.
        pack({"work": call, "ambient": {"random": random.getstate()}}, folder)
        if folder == Path(scratch):
            store.upload(folder, job_path(name, PAYLOAD))


def waiting(go: Path) -> str:
    """Lines of Python that tell their process and attempt, and go on until there is a file `go`."""
    return f"""
import jupyter_kf, os, time
place = jupyter_kf.JobEnvironment.current()
print("process", os.getpid(), "attempt", place.attempt, flush=True)
while not os.path.exists({str(go)!r}):
    time.sleep(0.05)
"""


def runs(status: JobStatus) -> bool:
    """Whether a job runs; an assertion that it has not ended."""
    assert not status.state.finished, status.reason
    return status.state is JobState.RUNNING


def pod_of(cluster: Cluster, namespace: str, name: str, rank: int) -> dict[str, Any]:
    """The youngest pod of one rank."""
    label = f"job-name={name},batch.kubernetes.io/job-completion-index={rank}"
    found = json.loads(cluster.kubectl("-n", namespace, "get", "pods", "-l", label, "-o", "json"))
    pods: list[dict[str, Any]] = found["items"]
    return max(pods, key=lambda pod: pod["metadata"]["creationTimestamp"])


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


async def until_printed(place: KubernetesBackend, name: str, text: str, rank: int = 0) -> str:
    """Wait until a rank's log has a text; gives the log so far."""
    async with asyncio.timeout(60):
        while True:
            log = b"".join([piece async for piece in place.logs(name, rank)]).decode()
            if text in log:
                return log
            await asyncio.sleep(0.1)

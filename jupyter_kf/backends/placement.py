"""Where on a cluster the replicas of this notebook go: namespace, image, volumes, user.

By default it is read off the notebook's own pod, so that a replica sees the same image and the
same home as the notebook; outside of a cluster it is told by ``JUPYTER_KF_PLACEMENT``.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from ..errors import BackendError, SpecError
from ..store import STORE_VARIABLE

if TYPE_CHECKING:
    from ..store import ArtifactStore
    from .apiserver import ApiServer, Object

PLACEMENT_VARIABLE = "JUPYTER_KF_PLACEMENT"
_FORWARDED = ("PYTHONPATH", "TZ", "LANG", "LC_ALL")


@dataclass(frozen=True)
class Placement:
    """What all jobs of this notebook have in common.

    ``python`` is the interpreter in the image, ``store`` the store's URL as the replicas see it,
    ``node`` the only node where a ReadWriteOnce home is, ``account`` the notebook's ServiceAccount, which
    only the pods of schedules get. ``overrides`` is merged into every pod's
    specification last, in the manner of a strategic merge patch.
    """

    image: str = ""
    python: str = "python"
    store: str = ""
    node: str = ""
    user: int | None = None
    group: int | None = None
    account: str = ""
    env: dict[str, str] = field(default_factory=dict)
    volumes: tuple[Object, ...] = ()
    mounts: tuple[Object, ...] = ()
    overrides: dict[str, Any] = field(default_factory=dict)


def told(store: ArtifactStore) -> Placement | None:
    """Read ``JUPYTER_KF_PLACEMENT``, a JSON object of the fields; None where it is not set."""
    text = os.environ.get(PLACEMENT_VARIABLE, "").strip()
    if not text:
        return None
    try:
        fields = json.loads(text)
        found = Placement(**fields)
    except (ValueError, TypeError) as err:
        raise SpecError(f"{PLACEMENT_VARIABLE} is not a JSON object of placement fields: {err}.") from err
    found = replace(found, volumes=tuple(found.volumes), mounts=tuple(found.mounts))
    return found if found.store else replace(found, store=store.url)


async def read_own_pod(api: ApiServer, store: ArtifactStore) -> Placement:
    """Read the placement off the pod that this process runs in."""
    pod = await api.get("pods", os.environ.get("HOSTNAME", ""))
    found = from_pod(pod, store)
    claims = [v["persistentVolumeClaim"]["claimName"] for v in found.volumes if "persistentVolumeClaim" in v]
    modes = [mode for claim in claims for mode in await _modes(api, claim)]
    if claims and "ReadWriteMany" not in modes:
        return replace(found, node=pod["spec"].get("nodeName", ""))
    return found


async def _modes(api: ApiServer, claim: str) -> list[str]:
    found = await api.get("persistentvolumeclaims", claim)
    return list(found["spec"].get("accessModes", []))


def from_pod(pod: Object, store: ArtifactStore) -> Placement:
    """Take image, interpreter, user and the store's volume over from a notebook's pod.

    Raises `BackendError` when the store is a folder on no volume: replicas could not see it.
    """
    container = pod["spec"]["containers"][0]
    env = {name: os.environ[name] for name in _FORWARDED if name in os.environ}
    place = Placement(
        image=container["image"],
        python=sys.executable,
        store=store.url,
        user=os.getuid() or None,
        group=os.getgid() or None,
        account=pod["spec"].get("serviceAccountName", ""),
        env=env,
    )
    folder = store.local()
    if folder is None:
        return place
    mounts = [m for m in container.get("volumeMounts", []) if _is_below(str(folder), m["mountPath"])]
    if not mounts:
        raise BackendError(
            f"The store {folder} is on no volume of this pod, so replicas cannot reach it. "
            f"Set {STORE_VARIABLE} to a folder of the home volume or to an object store's URL."
        )
    mount = max(mounts, key=lambda m: len(m["mountPath"]))
    volumes = tuple(v for v in pod["spec"].get("volumes", []) if v["name"] == mount["name"])
    home = os.environ.get("HOME", "")
    env |= {"HOME": home} if _is_below(home, mount["mountPath"]) else {}
    return replace(place, volumes=volumes, mounts=(mount,), env=env)


def _is_below(path: str, folder: str) -> bool:
    return PurePosixPath(path).is_relative_to(folder)

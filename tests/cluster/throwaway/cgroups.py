"""The control groups of a cluster: a subtree below the caller's own groups, one group a node.

Both layouts are served: version 1 (one hierarchy a controller) and version 2 (one for all). Nothing
outside the subtree is changed, except that version 2 must be told to hand the controllers down.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from pathlib import Path

from throwaway import linux

_WANTED = ("cpuset", "cpu", "io", "memory", "hugetlb", "pids")


@dataclasses.dataclass(frozen=True)
class Hierarchy:
    """One mounted hierarchy: where, its controllers (none: version 2), and this process's group."""

    mount_point: Path
    controllers: str
    own: Path

    @property
    def version2(self) -> bool:
        return self.controllers == ""


def hierarchies(processes: str | None = None, mounts: str | None = None) -> list[Hierarchy]:
    """The hierarchies of the machine, from the texts of /proc/self/cgroup and /proc/self/mountinfo."""
    processes = Path("/proc/self/cgroup").read_text() if processes is None else processes
    mounts = Path("/proc/self/mountinfo").read_text() if mounts is None else mounts
    groups = {}
    for line in processes.splitlines():
        _, controllers, path = line.split(":", 2)
        groups[controllers] = path
    found = []
    for line in mounts.splitlines():
        left, right = (part.split() for part in line.split(" - ", 1))
        kind, options = right[0], right[2].split(",")
        if kind == "cgroup2":
            controllers = ""
        elif kind == "cgroup":
            controllers = next((name for name in groups if set(name.split(",")) <= set(options) and name), "")
        else:
            continue
        if (kind == "cgroup") != bool(controllers) or controllers not in groups:
            continue
        own = os.path.relpath(groups[controllers], left[3])
        mount_point = Path(left[4])
        found.append(
            Hierarchy(mount_point, controllers, mount_point if own.startswith(".") else mount_point / own)
        )
    return found


def only_version2(found: list[Hierarchy]) -> bool:
    """Whether the controllers are in the hierarchy of version 2."""
    return all(hierarchy.version2 for hierarchy in found)


def folders(cluster: str) -> list[Path]:
    """The cluster's group in every hierarchy; it need not exist."""
    found = hierarchies()
    unified = only_version2(found)
    # In version 2 a group with processes cannot hand controllers down, so the cluster's is at the top.
    return [(each.mount_point if unified else each.own) / cluster for each in found]


def make(cluster: str, node: str) -> list[Path]:
    """Make the node's group in every hierarchy."""
    made = []
    for top in folders(cluster):
        group = top / node
        if (top.parent / "cgroup.subtree_control").exists() and only_version2(hierarchies()):
            _hand_down(top.parent)
            top.mkdir(exist_ok=True)
            _hand_down(top)
        group.mkdir(parents=True, exist_ok=True)
        for each in (top, group):
            for setting in (
                "cpuset.cpus",
                "cpuset.mems",
            ):  # version 1 starts them empty, which admits no process
                file = each / setting
                if file.exists() and not file.read_text().strip():
                    file.write_text((each.parent / setting).read_text())
        made.append(group)
    return made


def _hand_down(group: Path) -> None:
    available = (group / "cgroup.controllers").read_text().split()
    control = group / "cgroup.subtree_control"
    missing = [name for name in _WANTED if name in available and name not in control.read_text().split()]
    if missing:
        control.write_text(" ".join(f"+{name}" for name in missing))


def join(groups: list[Path]) -> None:
    """Put this process, and so its children to come, into the groups."""
    for group in groups:
        (group / "cgroup.procs").write_text(str(os.getpid()))


def mount_own(found: list[Hierarchy], target: Path = Path("/sys/fs/cgroup")) -> None:
    """In a new cgroup namespace: show this process its own groups as the whole tree."""
    linux.unmount(target)
    if only_version2(found):
        linux.mount("cgroup2", target, "cgroup2")
        (target / "init").mkdir(exist_ok=True)
        (target / "init" / "cgroup.procs").write_text(str(os.getpid()))
        _hand_down(target)
        return
    linux.mount("cgroup", target, "tmpfs", options="mode=755")
    for hierarchy in found:
        folder = target / hierarchy.mount_point.name
        folder.mkdir()
        if hierarchy.version2:
            linux.mount("cgroup2", folder, "cgroup2")
        elif hierarchy.controllers.startswith("name="):
            linux.mount("cgroup", folder, "cgroup", options=f"none,{hierarchy.controllers}")
        else:
            linux.mount("cgroup", folder, "cgroup", options=hierarchy.controllers)


def remove(tops: list[Path], patience: float = 10) -> list[Path]:
    """Remove groups once their processes are gone; returns those still there after `patience` s."""
    deadline = time.monotonic() + patience
    while True:
        for top in tops:
            for folder, _, _ in os.walk(top, topdown=False):
                with contextlib.suppress(OSError):
                    Path(folder).rmdir()
        left = [top for top in tops if top.exists()]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.05)

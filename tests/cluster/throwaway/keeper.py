"""The process that keeps one cluster: it takes a number, starts the cluster and clears up behind it.

Run by the client as `python -m throwaway.keeper` with the plan on its standard input, in a session
of its own. It stays in the machine's namespaces. When its standard input ends (its owner has gone,
even by SIGKILL), on SIGTERM, or when the cluster ends, it ends all processes of the cluster and
removes its control groups and its folder. Should this process be killed too, the kernel ends the
cluster, and the next one with the same number clears up.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from throwaway import cgroups, linux
from throwaway.plan import CLUSTERS, Plan, cache_folder

if TYPE_CHECKING:
    from collections.abc import Iterator


def lock(number: int) -> socket.socket | None:
    """Take a cluster's number: an abstract socket, which the kernel gives back when its holder ends."""
    held = socket.socket(socket.AF_UNIX)
    try:
        held.bind(f"\0jupyter-kf-throwaway-{number}")
    except OSError:
        held.close()
        return None
    return held


def folder(number: int) -> Path:
    return cache_folder() / "run" / str(number)


def sweep(plan: Plan) -> None:
    """Remove what a cluster left of itself. Raises RuntimeError when something of it is still in use."""
    left = cgroups.remove(cgroups.folders(plan.name))
    if left:
        raise RuntimeError(f"control groups are still in use: {', '.join(map(str, left))}")
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    below = [line.split()[4] for line in mounts if line.split()[4].startswith(f"{plan.folder}/")]
    if below:  # never delete through a mount
        raise RuntimeError(f"still mounted: {', '.join(below)}")
    if plan.folder.exists():
        shutil.rmtree(plan.folder)


@contextlib.contextmanager
def _cluster(plan: Plan) -> Iterator[subprocess.Popen[bytes]]:
    file = plan.folder / "plan.json"
    file.write_text(json.dumps(plan.to_json()))
    linux.unshare(linux.NEWPID)  # the next child is process 1 of a new namespace
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with (plan.folder / "cluster.log").open("ab") as log:
        cluster = subprocess.Popen(
            [sys.executable, "-m", "throwaway.cluster", str(file)], stderr=log, **pipes
        )
    try:
        yield cluster
    finally:
        cluster.kill()
        cluster.wait(30)


def _until_ended(cluster: subprocess.Popen[bytes], owner: bool) -> None:
    """Tell the client that the cluster is ready, then wait until the cluster or its owner ends."""
    assert cluster.stdout is not None
    ours = [sys.stdin] if owner else []
    while True:
        ready, _, _ = select.select([cluster.stdout, *ours], [], [])
        if sys.stdin in ready:
            return
        line = cluster.stdout.readline()
        if not line:
            return
        sys.stdout.write(line.decode())
        sys.stdout.flush()


def main(request: dict[str, Any]) -> None:
    """Keep the cluster that the request asks for."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    asked = request.pop("number", None)
    owner = request.pop("owner")
    for number in range(CLUSTERS) if asked is None else [asked]:
        held = lock(number)
        if held is not None:
            break
    else:
        raise RuntimeError(
            f"cluster {asked} runs already" if asked is not None else f"{CLUSTERS} clusters run already"
        )
    plan = Plan.from_json(request | {"number": number, "folder": str(folder(number))})
    sweep(plan)
    plan.logs.mkdir(parents=True)
    (plan.folder / "keeper.pid").write_text(str(os.getpid()))
    with (plan.folder / "keeper.log").open("ab") as log:
        os.dup2(log.fileno(), sys.stderr.fileno())  # hold nothing of the owner's terminal or pipe
    sys.stdout.write(json.dumps({"number": number}) + "\n")
    sys.stdout.flush()
    with held:
        try:
            with _cluster(plan) as cluster:
                _until_ended(cluster, owner)
                failed = (
                    "" if plan.control.exists() else (plan.folder / "cluster.log").read_text(errors="replace")
                )
        finally:
            sweep(plan)
    if failed:
        sys.stdout.write(json.dumps({"failed": failed[-3000:]}) + "\n")


if __name__ == "__main__":
    main(json.loads(sys.stdin.readline()))

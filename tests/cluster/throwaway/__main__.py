"""The developer's door: `python -m throwaway up`, `down`, `packages`, `missing`, `build`."""

from __future__ import annotations

import argparse
import sys
import time

from throwaway import images, machine, programs
from throwaway.client import Cluster


def _devices(text: str) -> tuple[str, int]:
    name, _, count = text.partition("=")
    return name, int(count)


def up(options: argparse.Namespace) -> int:
    """Start a cluster that stays until `down`."""
    started = time.monotonic()
    cluster = Cluster.start(options.nodes, devices=dict(options.device), detached=True)
    plan = cluster.plan
    sys.stdout.write(
        f"Kubernetes {programs.version()} with {plan.nodes} node(s) is ready after {time.monotonic() - started:.1f} s.\n"
        f"  export KUBECONFIG={cluster.kubeconfig}\n"
        f"  {plan.program('kubectl')} get nodes\n"
    )
    return 0


def down(options: argparse.Namespace) -> int:
    """End every cluster of this machine and cache folder."""
    for cluster in Cluster.running():
        cluster.end()
        sys.stdout.write(f"cluster {cluster.plan.number} has ended\n")
    return 0


def packages(options: argparse.Namespace) -> int:
    """Name the Debian packages that a cluster needs."""
    sys.stdout.write(" ".join(machine.PACKAGES) + "\n")
    return 0


def missing(options: argparse.Namespace) -> int:
    """Say what this machine lacks; the exit code tells too."""
    reasons = machine.missing()
    sys.stdout.writelines(f"{reason}\n" for reason in reasons)
    return len(reasons)


def build(options: argparse.Namespace) -> int:
    """Build the programs and images, if they are not there."""
    sys.stdout.write(f"{programs.build()}\n")
    images.build()
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="throwaway", description=__doc__)
    commands = parser.add_subparsers(required=True)
    for work in (up, down, packages, missing, build):
        command = commands.add_parser(work.__name__, help=work.__doc__)
        command.set_defaults(work=work)
        if work is up:
            command.add_argument("--nodes", type=int, default=1)
            command.add_argument("--device", type=_devices, action="append", default=[], metavar="nvidia.com/gpu=4")
    options = parser.parse_args()
    return int(options.work(options))


if __name__ == "__main__":
    sys.exit(main())

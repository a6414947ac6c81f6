"""The developer's door: `python -m throwaway up`, `down`, `prepare`."""

from __future__ import annotations

import argparse
import os
import shutil
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
    plan, took = cluster.plan, time.monotonic() - started
    sys.stdout.write(
        f"Kubernetes {programs.version()}, {plan.nodes} node(s): ready after {took:.1f} s.\n"
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


def prepare(options: argparse.Namespace) -> int:
    """Install the Debian packages and build the programs, where they are missing."""
    absent = machine.absent()
    if absent and os.geteuid() == 0 and shutil.which("apt-get"):
        programs.say(f"installing {' '.join(machine.PACKAGES)}")
        machine.install()
    reasons = machine.missing()
    for reason in reasons:
        programs.say(f"not on this machine: {reason}")
    if reasons:
        return 1
    programs.say(f"Kubernetes {programs.version()} is in {programs.build()}")
    programs.build_s3()
    programs.build_kueue()
    images.build()
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="throwaway", description=__doc__)
    commands = parser.add_subparsers(required=True)
    for work in (up, down, prepare):
        command = commands.add_parser(work.__name__, help=work.__doc__)
        command.set_defaults(work=work)
        if work is up:
            command.add_argument("--nodes", type=int, default=1)
            command.add_argument(
                "--device", type=_devices, action="append", default=[], metavar="nvidia.com/gpu=4"
            )
    options = parser.parse_args()
    return int(options.work(options))


if __name__ == "__main__":
    sys.exit(main())

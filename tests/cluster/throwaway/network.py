"""The cluster's network: a bridge in a namespace of its own, a cable to each node and one to the machine.

The machine gets one interface and the routes through it. Both vanish with the namespace, whatever ends it.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from throwaway import linux

if TYPE_CHECKING:
    from throwaway.plan import Plan

_BRIDGE = "switch"


def _ip(*arguments: str, inside: tuple[str, ...] = (), files: tuple[int, ...] = ()) -> None:
    command = [*inside, "ip", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, pass_fds=files)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")


class Network:
    """Made by the cluster's first process, which so leaves the machine's network."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._machine = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        linux.unshare(linux.NEWNET)
        _ip("link", "set", "lo", "up")
        _ip("link", "add", _BRIDGE, "type", "bridge")
        _ip("address", "add", f"{plan.switch}/24", "dev", _BRIDGE)
        _ip("link", "set", _BRIDGE, "up")
        files, machine = (self._machine,), f"/proc/self/fd/{self._machine}"
        _ip("link", "add", "machine", "master", _BRIDGE, "type", "veth", "peer", "name", plan.name)
        _ip("link", "set", plan.name, "netns", machine, files=files)
        _ip("link", "set", "machine", "up")
        self._on_machine("address", "add", f"{plan.host}/24", "dev", plan.name)
        self._on_machine("link", "set", plan.name, "up")

    def _on_machine(self, *arguments: str) -> None:
        inside = ("nsenter", f"--net=/proc/self/fd/{self._machine}")
        _ip(*arguments, inside=inside, files=(self._machine,))

    def plug_in(self, node: str, pid: int) -> None:
        """Lay a cable to the node whose outer process is `pid`, and let the machine reach its pods."""
        _ip("link", "add", node, "master", _BRIDGE, "type", "veth", "peer", "name", "eth0", "netns", str(pid))
        _ip("link", "set", node, "up")
        self._on_machine(
            "route", "replace", self.plan.pods(node), "via", self.plan.address(node), "dev", self.plan.name
        )
        if node == "n1":
            way = ("via", self.plan.address(node), "dev", self.plan.name)
            self._on_machine("route", "replace", self.plan.services, *way)

    def routes(self, nodes: list[str], own: str) -> list[list[str]]:
        """The commands that tell node `own` the way to the other nodes' pods."""
        others = [node for node in nodes if node != own]
        return [["ip", "route", "replace", self.plan.pods(n), "via", self.plan.address(n)] for n in others]


def interface_exists(plan: Plan) -> bool:
    return Path("/sys/class/net", plan.name).exists()

"""A node: namespaces in which a kubelet finds what it needs, and the first process in them.

Run by the cluster as `python -m throwaway.node PLAN-FILE NODE SOCKET-NUMBER`. The outer process
enters the node's control groups and makes the namespaces; the inner one, their process 1, sets them
up, starts programs when asked to and buries orphans. When process 1 ends, the kernel ends
everything in the node.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from throwaway import cgroups, linux
from throwaway.plan import Plan
from throwaway.wire import Line

# What kubelet insists on; the machine's own settings stay, the node is only shown these.
_SETTINGS = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
_OWN_FOLDERS = {"/var/lib": ("kubelet", "cni"), "/var/log": ("pods", "containers")}
_RUN_SECONDS = 60


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, timeout=10)


def _own_folder(parent: Path, names: tuple[str, ...], keep: Path) -> None:
    """Give the node folders of its own in `parent`; all else there is seen as before."""
    before = keep / "before"
    before.mkdir(parents=True)
    linux.mount(parent, before, flags=linux.MS_BIND | linux.MS_REC)
    linux.mount("tmpfs", parent, "tmpfs", options="mode=755")
    for entry in before.iterdir():
        if entry.name not in names:
            (parent / entry.name).symlink_to(entry)
    for name in names:
        own = keep / name
        own.mkdir()
        (parent / name).mkdir()
        linux.mount(own, parent / name, flags=linux.MS_BIND)
        linux.mount("", parent / name, flags=linux.MS_SHARED)


def _mounts(plan: Plan, node: str, found: list[cgroups.Hierarchy]) -> None:
    folder = plan.node_folder(node)
    linux.mount("", "/", flags=linux.MS_REC | linux.MS_PRIVATE)
    linux.mount("", "/", flags=linux.MS_REC | linux.MS_SHARED)  # kubelet and containerd want it so
    linux.mount("proc", "/proc", "proc")
    cgroups.mount_own(found)
    for name, value in _SETTINGS.items():
        shown = folder / "settings" / name
        shown.parent.mkdir(parents=True, exist_ok=True)
        shown.write_text(f"{value}\n")
        linux.mount(shown, f"/proc/sys/{name}", flags=linux.MS_BIND)
    for parent, names in _OWN_FOLDERS.items():
        _own_folder(Path(parent), names, folder / Path(parent).name)
    linux.mount("tmpfs", "/run", "tmpfs", options="mode=755")
    for name in ("netns", "lock"):
        Path("/run", name).mkdir()
    linux.mount("", "/run", flags=linux.MS_SHARED)


def _network(plan: Plan, node: str) -> None:
    """Only the cluster's own addresses have routes: nothing of a node can leave the machine."""
    _ip("link", "set", "lo", "up")
    _ip("address", "add", f"{plan.address(node)}/24", "dev", "eth0")
    _ip("link", "set", "eth0", "up")
    _ip("route", "add", plan.services, "dev", "eth0", "src", plan.address(node))
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")  # of this network namespace


class _Init:
    """Process 1 of the node: does what the cluster asks for."""

    def __init__(self, plan: Plan, node: str) -> None:
        self.plan = plan
        self.node = node
        self.running: dict[str, int] = {}

    def handle(self, request: dict[str, Any]) -> Any:
        work = {
            "start": self.start,
            "stop": self.stop,
            "run": self.run,
            "running": self.alive,
            "network": self.network,
        }
        return work[request.pop("do")](**request)

    def network(self) -> None:
        _network(self.plan, self.node)

    def start(self, name: str, argv: list[str]) -> None:
        self.bury()
        if name in self.running:
            raise ValueError(f"{name} already runs on {self.node}")
        with (self.plan.logs / f"{self.node}-{name}.log").open("ab") as log:
            process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self.running[name] = process.pid
        process.returncode = 0  # buried here, not by the object

    def stop(self, name: str, number: int = signal.SIGTERM, patience: float = 20) -> None:
        """Send the program a signal and wait for its end."""
        os.kill(self.running[name], number)
        deadline = time.monotonic() + patience
        while name in self.running:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{name} on {self.node} is still there {patience} s after signal {number}")
            time.sleep(0.02)
            self.bury()

    def run(self, argv: list[str], text: str = "") -> str:
        """Run a command to its end and return what it printed."""
        kept: dict[str, Any] = {
            "input": text,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.STDOUT,
            "text": True,
        }
        done = subprocess.run(argv, timeout=_RUN_SECONDS, check=False, **kept)
        if done.returncode:
            raise RuntimeError(f"{' '.join(argv)} on {self.node}: exit {done.returncode}: {done.stdout}")
        return str(done.stdout)

    def alive(self) -> list[str]:
        self.bury()
        return sorted(self.running)

    def bury(self) -> None:
        """Take note of the programs that ended, and let orphans of theirs rest."""
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                pid = 0
            if pid == 0:
                return
            self.running = {name: each for name, each in self.running.items() if each != pid}

    def serve(self, line: Line) -> None:
        wake, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(waker)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        while True:
            ready, _, _ = select.select([line.fileno(), wake], [], [])
            if wake in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(wake, 4096)
                self.bury()
            if line.fileno() in ready:
                line.answer(self.handle)


def _inner(plan: Plan, node: str, line: Line, found: list[cgroups.Hierarchy]) -> None:
    linux.die_with_parent()
    _mounts(plan, node, found)
    socket.sethostname(node)
    line.send({"value": "up"})
    with contextlib.suppress(EOFError):  # the cluster has gone, and this node goes with it
        _Init(plan, node).serve(line)


def main(plan: Plan, node: str, line: Line) -> int:
    """Make the namespaces and wait for the end of their first process."""
    linux.die_with_parent()
    found = cgroups.hierarchies()
    groups = cgroups.make(plan.name, node)
    cgroups.join(groups)
    every = linux.NEWNS | linux.NEWNET | linux.NEWPID | linux.NEWUTS | linux.NEWIPC | linux.NEWCGROUP
    linux.unshare(every)
    pid = os.fork()
    if pid == 0:
        _inner(plan, node, line, found)
        return 0
    line.close()
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    import json

    _plan = Plan.from_json(json.loads(Path(sys.argv[1]).read_text()))
    sys.exit(main(_plan, sys.argv[2], Line(socket.socket(fileno=int(sys.argv[3])))))

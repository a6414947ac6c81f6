"""The first process of a cluster: starts the nodes and their programs, then takes requests on a Unix socket.

Run by the keeper as `python -m throwaway.cluster PLAN-FILE`, as process 1 of a pid namespace. With
it every process of the cluster ends, and with them every namespace, mount and interface.
"""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from throwaway import certificates, cgroups, configuration, linux, services
from throwaway.network import Network
from throwaway.plan import Plan
from throwaway.wire import Line

if TYPE_CHECKING:
    from collections.abc import Callable

_PATIENCE = 120.0  # seconds for one step of the start on a busy machine


def wait(what: str, ready: Callable[[], bool], patience: float = _PATIENCE) -> None:
    """Return when `ready` says so. Raises TimeoutError that names `what`."""
    deadline = time.monotonic() + patience
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {patience:.0f} s")
        time.sleep(0.05)


class Node:
    """The outer side of a node: its process and the line to its first process."""

    def __init__(self, plan: Plan, name: str) -> None:
        self.plan, self.name = plan, name
        ours, theirs = socket.socketpair()
        file = plan.folder / "plan.json"
        argv = [sys.executable, "-m", "throwaway.node", str(file), name, str(theirs.fileno())]
        log = (plan.logs / f"{name}.log").open("ab")
        with theirs, log:
            self.process = subprocess.Popen(argv, pass_fds=(theirs.fileno(),), stdout=log, stderr=log)
        self.line = Line(ours)
        self.line.receive()
        self.programs: dict[str, list[str]] = {}

    def start(self, name: str, argv: list[str]) -> None:
        self.programs[name] = argv
        self.line.ask({"do": "start", "name": name, "argv": argv})

    def run(self, *argv: str, text: str = "") -> str:
        return str(self.line.ask({"do": "run", "argv": list(argv), "text": text}))

    def ask(self, **request: Any) -> Any:
        return self.line.ask(request)

    def end(self) -> None:
        """End every process of the node at once, as a power cut does."""
        self.process.kill()  # its process 1 dies with it
        self.process.wait(20)
        self.line.close()


class Cluster:
    """All nodes, and what may be asked of them."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.network = Network(plan)
        self.nodes: dict[str, Node] = {}
        context = ssl.create_default_context(cafile=plan.pki / "ca.crt")
        context.load_cert_chain(plan.pki / "admin.crt", plan.pki / "admin.key")
        direct = urllib.request.ProxyHandler({})
        self._opener = urllib.request.build_opener(direct, urllib.request.HTTPSHandler(context=context))

    def get(self, path: str) -> str | None:
        """The API server's answer, or None while there is none."""
        try:
            with self._opener.open(self.plan.server + path, timeout=5) as answer:
                return str(answer.read().decode())
        except (urllib.error.URLError, OSError):
            return None

    def is_ready(self, node: str) -> bool:
        conditions = (
            json.loads(self.get(f"/api/v1/nodes/{node}") or "{}").get("status", {}).get("conditions", [])
        )
        return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

    # -- starting --

    def start(self) -> None:
        """The control plane beside the first node, then the other nodes."""
        first = self.boot("n1")
        first.start("etcd", services.etcd(self.plan))
        first.start("kube-apiserver", services.apiserver(self.plan))
        others = [self.boot(name) for name in self.plan.names()[1:]]
        for node in (first, *others):
            self.load_images(node)
        wait("the API server", lambda: self.alive(first, "kube-apiserver") and self.get("/readyz") == "ok")
        first.start("kube-controller-manager", services.controllers(self.plan))
        first.start("kube-scheduler", services.scheduler(self.plan))
        for node in (first, *others):
            self.join(node)
        kubectl = (self.plan.program("kubectl"), f"--kubeconfig={self.plan.kubeconfig}", "apply", "-f", "-")
        first.run(*kubectl, text=json.dumps(configuration.dns_objects(self.plan)))
        (self.plan.folder / "Corefile").write_text(configuration.corefile(self.plan))
        first.start("coredns", services.coredns(self.plan))
        for name in self.nodes:
            wait(f"node {name}", partial(self.is_ready, name))
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        wait("the first service account", lambda: self.get(account) is not None)
        for resource in self.plan.devices:
            wait(f"the devices {resource}", partial(self.offers, resource))

    def alive(self, node: Node, program: str) -> bool:
        """True. Raises RuntimeError with its last words when the program has ended."""
        if program not in node.ask(do="running"):
            log = (self.plan.logs / f"{node.name}-{program}.log").read_text(errors="replace")
            raise RuntimeError(f"{program} on {node.name} ended: {log[-1500:]}")
        return True

    def offers(self, resource: str) -> bool:
        items = json.loads(self.get("/api/v1/nodes") or "{}").get("items", [])
        return all(int(item["status"]["allocatable"].get(resource, 0)) for item in items)

    def boot(self, name: str) -> Node:
        """Namespaces, network and containerd."""
        plan = self.plan
        version = re.search(
            r" v?(\d+)\.\d+", subprocess.check_output(["containerd", "--version"], text=True, timeout=20)
        )
        kind = subprocess.check_output(
            ["stat", "-f", "-c", "%T", str(plan.folder)], text=True, timeout=10
        ).strip()
        snapshotter = "native" if kind == "overlayfs" else "overlayfs"
        configuration.write_node(plan, name, int(version[1]) if version else 1, snapshotter)
        certificates.add_node(plan, name)
        node = Node(plan, name)
        self.network.plug_in(name, node.process.pid)
        node.ask(do="network")
        self.nodes[name] = node
        for each in self.nodes.values():
            for command in self.network.routes(list(self.nodes), each.name):
                each.run(*command)
        node.start("containerd", services.containerd(plan, name))
        return node

    def load_images(self, node: Node) -> None:
        socket_path = configuration.containerd_socket(self.plan, node.name)
        wait(f"containerd on {node.name}", lambda: self.alive(node, "containerd") and _answers(socket_path))
        for image in self.plan.images:
            node.run("ctr", f"--address={socket_path}", "--namespace=k8s.io", "images", "import", str(image))

    def join(self, node: Node) -> None:
        """Start what makes it a node of the cluster."""
        node.start("kubelet", services.kubelet(self.plan, node.name))
        node.start("kube-proxy", services.proxy(self.plan, node.name))
        for resource, count in self.plan.devices.items():
            argv = services.device_plugin(self.plan, node.name, resource, count)
            node.start(f"device-plugin-{resource.replace('/', '-')}", argv)

    # -- requests --

    def add_node(self, node: str) -> None:
        """Start one more node, or one again that was lost."""
        if node in self.nodes:
            raise ValueError(f"there is a node {node}")
        started = self.boot(node)
        self.load_images(started)
        self.join(started)
        wait(f"node {node}", lambda: self.is_ready(node))

    def lose_node(self, node: str) -> None:
        """End a node as a power cut does that takes its disk along."""
        self.nodes.pop(node).end()
        left = cgroups.remove([top / node for top in cgroups.folders(self.plan.name)])
        if left:
            raise RuntimeError(f"processes of {node} are still there: {', '.join(map(str, left))}")
        shutil.rmtree(self.plan.node_folder(node))

    def start_program(self, node: str, name: str) -> None:
        """Start a program again, as it was started before."""
        self.nodes[node].start(name, self.nodes[node].programs[name])

    def stop_program(self, node: str, name: str, number: int) -> None:
        self.nodes[node].ask(do="stop", name=name, number=number)

    def run(self, node: str, argv: list[str]) -> str:
        return self.nodes[node].run(*argv)

    def programs(self, node: str) -> list[str]:
        return list(self.nodes[node].ask(do="running"))

    def handle(self, request: dict[str, Any]) -> Any:
        offered = (
            self.add_node,
            self.lose_node,
            self.start_program,
            self.stop_program,
            self.run,
            self.programs,
        )
        works: dict[str, Callable[..., Any]] = {each.__name__: each for each in offered}
        return works[request.pop("do")](**request)

    def serve(self, keeper: int) -> None:
        """Take one request after the other until the keeper closes its pipe or a SIGTERM comes."""
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.plan.control))
            listener.listen()
            while True:
                ready, _, _ = select.select([listener.fileno(), keeper], [], [])
                if keeper in ready:
                    return
                connection, _ = listener.accept()
                line = Line(connection)
                line.answer(self.handle)
                line.close()


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as attempt:
        return attempt.connect_ex(path) == 0


def main(plan: Plan) -> None:
    """Be the cluster until the keeper is gone."""
    linux.die_with_parent()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # a process 1 has no default action
    linux.unshare(linux.NEWNS)
    linux.mount("", "/", flags=linux.MS_REC | linux.MS_PRIVATE)
    linux.mount("proc", "/proc", "proc")
    os.umask(0o022)
    certificates.make(plan)
    cluster = Cluster(plan)
    cluster.start()
    sys.stdout.write(json.dumps({"ready": True}) + "\n")
    sys.stdout.flush()
    cluster.serve(sys.stdin.fileno())


if __name__ == "__main__":
    main(Plan.from_json(json.loads(Path(sys.argv[1]).read_text())))

"""Clusters that start, serve, lose parts, and leave nothing behind whatever ends them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from throwaway import cgroups, keeper
from throwaway.client import Cluster
from throwaway.images import PYTHON_IMAGE
from throwaway.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.cluster

_OWNER = """
import sys, time
from throwaway.client import Cluster
cluster = Cluster.start()
print(cluster.plan.number, flush=True)
time.sleep(600)
"""


def until(condition: Callable[[], bool], patience: float = 30) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"not within {patience} s"
        time.sleep(0.05)


def members(name: str) -> list[int]:
    """The processes in the control groups of a cluster: all of its nodes'."""
    files = [file for top in cgroups.folders(name) for file in top.rglob("cgroup.procs")]
    return sorted({int(pid) for file in files for pid in file.read_text().split()})


def traces(name: str) -> list[str]:
    """What there is of a cluster on the machine, outside of its folder."""
    found = [str(top) for top in cgroups.folders(name) if top.exists()]
    found += [
        line for line in Path("/proc/self/mountinfo").read_text().splitlines() if "cluster/run/" in line
    ]
    return found + [name for each in Path("/sys/class/net").iterdir() if each.name == name]


def start_with_owner() -> tuple[subprocess.Popen[str], int]:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    owner = subprocess.Popen(
        [sys.executable, "-c", _OWNER], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert owner.stdout is not None
    return owner, int(owner.stdout.readline())


def kill(owner: subprocess.Popen[str]) -> None:
    owner.kill()
    owner.wait(10)
    assert owner.stdout is not None
    owner.stdout.close()


def is_free(number: int) -> bool:
    held = keeper.lock(number)
    if held is not None:
        held.close()
    return held is not None


def test_a_cluster_ends_without_a_trace(machine_can: None) -> None:
    with Cluster.start() as running:
        name, folder = running.plan.name, running.plan.folder
        assert len(traces(name)) > 1
        assert "Ready" in running.kubectl("get", "nodes")
        assert len(members(name)) > 8

    assert traces(name) == []
    assert not folder.exists()


def test_a_killed_owner_takes_its_cluster_along(machine_can: None) -> None:
    owner, number = start_with_owner()
    name = f"throwaway{number}"
    assert members(name)
    kill(owner)
    until(lambda: is_free(number))

    assert traces(name) == []
    assert not keeper.folder(number).exists()


def test_when_all_are_killed_the_processes_end_and_the_next_cluster_sweeps(machine_can: None) -> None:
    owner, number = start_with_owner()
    name = f"throwaway{number}"
    pid = int((keeper.folder(number) / "keeper.pid").read_text())
    os.kill(pid, signal.SIGKILL)
    kill(owner)
    until(lambda: not members(name))
    until(lambda: is_free(number))
    until(lambda: not Path("/sys/class/net", name).exists())

    keeper.sweep(Plan.from_json(json.loads((keeper.folder(number) / "plan.json").read_text())))
    assert traces(name) == []


def test_pods_of_two_nodes_find_each_other_by_name(cluster: Cluster, namespace: str) -> None:
    serve = ["python3", "-m", "http.server", "8080", "--directory", "/etc"]
    fetch = (
        "import socket, time, urllib.request\n"
        "for _ in range(100):\n"
        "    try:\n"
        f"        answer = urllib.request.urlopen('http://web.{namespace}:8080/nsswitch.conf', timeout=2)\n"
        "        print(answer.read().decode())\n"
        "        break\n"
        "    except OSError:\n"
        "        time.sleep(0.1)\n"
    )
    service = {"selector": {"app": "web"}, "ports": [{"port": 8080}]}
    apply(cluster, namespace, "Service", "web", service)
    pod(cluster, namespace, "web", serve, node="n1")
    pod(cluster, namespace, "client", ["python3", "-c", fetch], node="n2")
    cluster.wait_for("the client's end", *phase(namespace, "client"), answer="Succeeded")

    assert "hosts: files dns" in cluster.kubectl("-n", namespace, "logs", "client")


def test_pretended_devices_are_handed_out_and_can_fall_sick(cluster: Cluster, namespace: str) -> None:
    show = ["python3", "-c", "import os; print(os.environ['NVIDIA_VISIBLE_DEVICES'])"]
    pod(cluster, namespace, "gpu", show, node="n1", limits={"nvidia.com/gpu": "2"})
    cluster.wait_for("the pod's end", *phase(namespace, "gpu"), answer="Succeeded")
    assert len(cluster.kubectl("-n", namespace, "logs", "gpu").strip().split(",")) == 2

    sick = cluster.plan.node_folder("n1") / "sick"
    allocatable = ("get", "node", "n1", "-o", "jsonpath={.status.allocatable.nvidia\\.com/gpu}")
    try:
        sick.write_text("gpu-0 gpu-1 gpu-2")
        cluster.wait_for("the sick devices", *allocatable, answer="1")
    finally:
        sick.write_text("")
    cluster.wait_for("the healthy devices", *allocatable, answer="4")


def test_a_program_can_be_stopped_and_started(cluster: Cluster) -> None:
    assert "kube-scheduler" in cluster.programs("n1")

    cluster.stop_program("n1", "kube-scheduler", signal.SIGKILL)
    assert "kube-scheduler" not in cluster.programs("n1")

    cluster.start_program("n1", "kube-scheduler")
    assert "kube-scheduler" in cluster.programs("n1")
    with pytest.raises(RuntimeError, match="already runs"):
        cluster.start_program("n1", "kube-scheduler")


def test_a_request_that_fails_says_why(cluster: Cluster) -> None:
    with pytest.raises(RuntimeError, match="exit 3: no"):
        cluster.run("n1", "sh", "-c", "echo no; exit 3")
    with pytest.raises(RuntimeError, match="there is a node n1"):
        cluster.add_node("n1")


def phase(namespace: str, name: str) -> tuple[str, ...]:
    return ("-n", namespace, "get", "pod", name, "-o", "jsonpath={.status.phase}")


def apply(
    cluster: Cluster, namespace: str, kind: str, name: str, spec: dict, labels: dict | None = None
) -> None:
    metadata = {"name": name, "namespace": namespace, "labels": labels or {}}
    text = json.dumps({"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": spec})
    cluster.kubectl("apply", "-f", "-", text=text)


def pod(
    cluster: Cluster, namespace: str, name: str, command: list[str], node: str, limits: dict | None = None
) -> None:
    container = {"name": "main", "image": PYTHON_IMAGE, "command": command, "imagePullPolicy": "Never"}
    container["resources"] = {"limits": limits or {}}
    spec = {
        "restartPolicy": "Never",
        "nodeName": node,
        "containers": [container],
        "terminationGracePeriodSeconds": 0,
    }
    apply(cluster, namespace, "Pod", name, spec, {"app": name})

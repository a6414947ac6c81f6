"""The handle that tests and developers hold: start a cluster, speak to it, end it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from throwaway import images, keeper, machine, programs
from throwaway.plan import Plan
from throwaway.wire import Line

if TYPE_CHECKING:
    from types import TracebackType

_START_SECONDS = 300.0


class Cluster:
    """A running cluster. As a context it ends with it; otherwise with `end`, or with its owner's process.

    `owner` is the keeper's process when this object started the cluster.
    """

    def __init__(self, plan: Plan, owner: subprocess.Popen[str] | None = None) -> None:
        self.plan = plan
        self._owner = owner

    @classmethod
    def start(
        cls,
        nodes: int = 1,
        *,
        devices: dict[str, int] | None = None,
        grace: int = 40,
        options: dict[str, list[str]] | None = None,
        detached: bool = False,
        number: int | None = None,
    ) -> Cluster:
        """Build what is not built yet, start a cluster and return when every node is ready.

        A detached cluster outlives this process. Raises RuntimeError with the reason when this
        machine cannot have one, or when the start fails.
        """
        reasons = machine.missing()
        if reasons:
            raise RuntimeError("no cluster on this machine: " + "; ".join(reasons))
        request = {"nodes": nodes, "devices": devices or {}, "grace": grace, "options": options or {}}
        request |= {"programs": str(programs.build()), "images": [str(each) for each in images.build()]}
        return cls._keep(request | {"number": number, "owner": not detached})

    @classmethod
    def _keep(cls, request: dict[str, Any]) -> Cluster:
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        argv = [sys.executable, "-m", "throwaway.keeper"]
        process = subprocess.Popen(argv, env=environment, start_new_session=True, cwd="/", **pipes)
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        first = json.loads(process.stdout.readline() or "{}")
        second = json.loads(process.stdout.readline() or "{}") if first else {}
        if not second.get("ready"):
            process.stdin.close()
            process.wait(60)
            process.stdout.close()
            raise RuntimeError(f"the cluster did not start: {second.get('failed', 'see the error above')}")
        cluster = cls(_plan_of(first["number"]), process)
        if not request["owner"]:
            cluster._let_go()
        return cluster

    def _let_go(self) -> None:
        assert self._owner is not None and self._owner.stdin is not None and self._owner.stdout is not None
        self._owner.stdin.close()
        self._owner.stdout.close()
        self._owner.returncode = 0  # it outlives us; nobody waits for it
        self._owner = None

    @classmethod
    def running(cls) -> list[Cluster]:
        """The clusters of this machine and cache folder, whoever started them."""
        found = []
        for folder in sorted((keeper.folder(0).parent).glob("[0-9]*")):
            held = keeper.lock(int(folder.name))
            if held is None and (folder / "control.sock").exists():
                found.append(cls(_plan_of(int(folder.name))))
            elif held is not None:
                held.close()
        return found

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.plan.kubeconfig

    def ask(self, do: str, **arguments: Any) -> Any:
        """Have the cluster do one of the requests of `throwaway.cluster.Cluster`."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(180)
            connection.connect(str(self.plan.control))
            return Line(connection).ask({"do": do, **arguments})

    def add_node(self, node: str) -> None:
        self.ask("add_node", node=node)

    def lose_node(self, node: str) -> None:
        """End a node as a power cut does."""
        self.ask("lose_node", node=node)

    def start_program(self, node: str, name: str) -> None:
        self.ask("start_program", node=node, name=name)

    def stop_program(self, node: str, name: str, number: int = signal.SIGTERM) -> None:
        """Send a program of a node a signal and wait for its end."""
        self.ask("stop_program", node=node, name=name, number=int(number))

    def run(self, node: str, *argv: str) -> str:
        """Run a command on a node, as root, and return what it printed."""
        return str(self.ask("run", node=node, argv=list(argv)))

    def programs(self, node: str) -> list[str]:
        """The cluster's programs that run on a node."""
        return list(self.ask("programs", node=node))

    def kubectl(self, *arguments: str, text: str | None = None) -> str:
        """Run kubectl as administrator. Raises RuntimeError with what it said when it fails."""
        argv = [self.plan.program("kubectl"), f"--kubeconfig={self.kubeconfig}", *arguments]
        done = subprocess.run(argv, input=text, capture_output=True, text=True, timeout=120)
        if done.returncode:
            raise RuntimeError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def wait_for(self, what: str, *arguments: str, answer: str = "", patience: float = 60) -> str:
        """Ask kubectl until its answer has `answer` in it, and return that.

        Raises TimeoutError with the last answer after `patience` seconds.
        """
        deadline = time.monotonic() + patience
        while True:
            try:
                said, good = self.kubectl(*arguments), True
            except RuntimeError as error:
                said, good = str(error), False
            if good and answer in said:
                return said
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what}: not within {patience:.0f} s; last: {said.strip()[-500:]}")
            time.sleep(0.1)

    def end(self, patience: float = 60) -> None:
        """End the cluster and return when nothing of it is left."""
        if self._owner is not None:
            assert self._owner.stdin is not None and self._owner.stdout is not None
            self._owner.stdin.close()
            self._owner.wait(patience)
            self._owner.stdout.close()
            self._owner = None
            return
        os.kill(int((self.plan.folder / "keeper.pid").read_text()), signal.SIGTERM)
        deadline = time.monotonic() + patience
        while (held := keeper.lock(self.plan.number)) is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"cluster {self.plan.number} is still there after {patience} s")
            time.sleep(0.05)
        held.close()

    def __enter__(self) -> Cluster:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()


def _plan_of(number: int) -> Plan:
    return Plan.from_json(json.loads((keeper.folder(number) / "plan.json").read_text()))

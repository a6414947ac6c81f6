"""A gang of real replicas that runs test cases: started once, fed module and function names.

A case is a function of a module in ``tests.gang``; it runs on every member and its results (numbers, arrays,
or the exception) come back by rank. A member that dies or does not answer in time takes its gang with it; the
next case gets a new one. Every wait is bounded.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
START_S = 300.0
CASE_S = 400.0
AFTER_FAILURE_S = 20.0


class GangBroken(RuntimeError):
    """A member died or did not answer; the message has the last lines of every member."""


@dataclass
class Failure:
    """The exception that a case ended with in one member."""

    type: str
    message: str


@dataclass
class Member:
    process: subprocess.Popen[bytes]
    channel: Connection
    log: Path

    def tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-25:])


def free_addresses(count: int) -> list[str]:
    """Addresses on the loopback whose ports were free a moment ago."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{s.getsockname()[1]}" for s in sockets]


def start_member(rank: int, addresses: list[str], folder: Path, *options: str) -> Member:
    """One member of a gang; no address: a plain process, the reference."""
    ours, theirs = socket.socketpair()
    log = folder / f"member-{rank}.log"
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "CUDA_VISIBLE_DEVICES": "",
    }
    with log.open("wb") as out:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.gang.member",
                str(theirs.fileno()),
                str(rank),
                ",".join(addresses),
                *options,
            ],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=environment,
        )
    theirs.close()
    return Member(process, Connection(ours.detach()), log)


def end(members: list[Member]) -> None:
    """Ends the members and closes what they held."""
    for member in members:
        member.process.kill()
    for member in members:
        member.process.wait(10)
        member.channel.close()


@dataclass
class Gang:
    """``size`` replicas, started on first use; size 0: one plain process without the package's hooks."""

    size: int
    members: list[Member] = field(default_factory=list)
    folder: Any = None

    def run(self, case: str, /, *, timeout: float = CASE_S, **kwargs: Any) -> list[Any]:
        """What ``module:function`` returned (or the Failure it ended with) on each member, by rank."""
        self.send(case, **kwargs)
        return self.answers(case, timeout)

    def send(self, case: str, /, **kwargs: Any) -> None:
        """Begins what ``answers`` ends, so that gangs work side by side."""
        if not self.members:
            self._start()
        for member in self.members:
            member.channel.send((case, kwargs))

    def answers(self, what: str, timeout: float = CASE_S) -> list[Any]:
        """What came of the case that was sent."""
        return self._answers(timeout, what)

    def _start(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="kf-gang-")
        addresses = free_addresses(self.size)
        self.members = [start_member(r, addresses, Path(self.folder.name)) for r in range(max(1, self.size))]
        self._answers(START_S, "the start")

    def _answers(self, timeout: float, what: str) -> list[Any]:
        answers: dict[int, Any] = {}
        while len(answers) < len(self.members):
            missing = {m.channel: r for r, m in enumerate(self.members) if r not in answers}
            failed = any(isinstance(a, tuple) and isinstance(a[0], Failure) for a in answers.values())
            ready = wait(list(missing), AFTER_FAILURE_S if failed else timeout)
            if not ready:
                self._broken(f"{what}: no answer from {sorted(missing.values())} in {timeout:g} s")
            for channel in ready:
                try:
                    answers[missing[channel]] = channel.recv()
                except EOFError:
                    self._broken(f"{what}: member {missing[channel]} died")
        return [answers[r] for r in range(len(self.members))]

    def _broken(self, why: str) -> None:
        tails = "".join(f"\n--- member {r}\n{m.tail()}" for r, m in enumerate(self.members))
        self.close()
        raise GangBroken(why + tails)

    def close(self) -> None:
        end(self.members)
        self.members = []
        if self.folder is not None:
            self.folder.cleanup()
            self.folder = None

"""A supervisor's handle on one rank: start it, hear it, stop it, know how it ended.

The rank is forked, not executed: what the supervisor has imported (TensorFlow, no operation run
yet) is there at once. Only this module forks ranks.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import time
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .system import die_with_parent, flush_c_streams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PEER_LOST = 42


@dataclass
class Child:
    """One rank's process.

    ``exit_code`` is None while it runs and negative for a signal, ``ended`` in seconds since the
    epoch, ``failure`` what the rank itself said of its end.
    """

    rank: int
    pid: int
    control: socket.socket
    started: bool = False
    failure: dict[str, Any] | None = None
    exit_code: int | None = None
    ended: float = 0.0
    silent: bool = False
    _held: bytes = field(default=b"", repr=False)

    @classmethod
    def fork(cls, rank: int, log_fd: int, run: Callable[[socket.socket], int], close: Iterable[int]) -> Child:
        """Fork a rank whose output goes to ``log_fd`` and that ends with what ``run`` gives."""
        ours, theirs = socket.socketpair()
        parent = os.getpid()
        pid = os.fork()
        if pid:
            theirs.close()
            ours.setblocking(False)
            with contextlib.suppress(OSError):
                os.setpgid(pid, pid)  # in both processes, as nobody knows which is first
            return cls(rank, pid, ours)
        code = None
        try:
            die_with_parent(parent)
            os.setpgid(0, 0)
            for fd in (ours.detach(), *close):
                os.close(fd)
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.dup2(log_fd, 1)
            os.dup2(log_fd, 2)
            os.close(log_fd)
            code = run(theirs)
        finally:
            if code is None:
                traceback.print_exc()
            flush_c_streams()
            os._exit(70 if code is None else code)

    def tell(self, what: str) -> None:
        """Send the rank a word; one that has gone does not hear it."""
        with contextlib.suppress(OSError):
            self.control.send(json.dumps({"do": what}).encode() + b"\n")

    def hear(self) -> None:
        """Take in what the rank has said."""
        while not self.silent:
            try:
                data = self.control.recv(1 << 16)
            except BlockingIOError:
                break
            except ConnectionResetError:
                data = b""
            self.silent = not data
            self._held += data
        *lines, self._held = self._held.split(b"\n")
        for line in lines:
            message = json.loads(line)
            self.started = self.started or message["said"] == "started"
            if message["said"] == "failed":
                self.failure = message

    def poll(self) -> bool:
        """Tell whether the rank has ended, and reap it."""
        if self.exit_code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.hear()
                self.exit_code = os.waitstatus_to_exitcode(status)
                self.ended = time.time()
                self.silent = True
                self.control.close()
        return self.exit_code is not None

    def signal(self, number: int) -> None:
        """Signal the rank and what it started in its own process group."""
        if self.exit_code is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def reason(self) -> str:
        """Say in a few words how the rank ended."""
        if self.failure:
            return str(self.failure["summary"])
        if self.exit_code == PEER_LOST:
            return "lost its peers"
        if self.exit_code is not None and self.exit_code < 0:
            return _killed_by(-self.exit_code)
        return "" if not self.exit_code else f"ended by itself with exit code {self.exit_code}"


def _killed_by(number: int) -> str:
    name = signal.Signals(number).name
    if number == signal.SIGKILL:
        return f"was killed ({name}); the machine may have run out of memory"
    return f"was ended by {name}"

"""The roll call of a job's pods: their supervisors agree on when an attempt begins and when it is over.

The first pod calls, the others answer and stay on the line, so a pod that goes is noticed within
seconds, whatever its ranks are doing. Every attempt has a number of its own and begins only when
all pods are there. Nothing here starts or ends a process.
"""

from __future__ import annotations

import json
import select
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

PORT = 2220
_TURN = 0.1
_CONNECT_SECONDS = 2.0
_LONGEST = 1 << 16
# A pod that goes with its node says no word: it is given up after 3 + 3 * 2 seconds.
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 3), (socket.TCP_KEEPINTVL, 2), (socket.TCP_KEEPCNT, 3))

Message = dict[str, Any]


class Over(Exception):
    """The first pod has concluded the job: there is no other attempt."""


class _Line:
    """One connection that carries JSON, a message a line."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
        self.connection = connection
        self.own, self.peer = (str(end[0]) for end in (connection.getsockname(), connection.getpeername()))
        self.closed = False
        self._held = b""
        self._inbox: list[Message] = []

    def send(self, **message: Any) -> None:
        with suppress(OSError):  # whoever does not hear it is noticed when it is listened to
            self.connection.send(json.dumps(message).encode() + b"\n")

    def receive(self) -> Iterator[Message]:
        """Give the messages that have come, one by one; those not taken stay for the next call.

        Afterwards `closed` tells whether more can come.
        """
        try:
            while not self.closed:
                data = self.connection.recv(_LONGEST)
                self._held += data
                self.closed = not data or len(self._held) > _LONGEST
        except BlockingIOError:
            pass
        except OSError:
            self.closed = True
        *lines, self._held = self._held.split(b"\n")
        try:
            self._inbox += [dict(json.loads(line)) for line in lines]
        except (ValueError, TypeError):
            self.close()  # nobody of ours
        while self._inbox:
            yield self._inbox.pop(0)

    def close(self) -> None:
        self.closed = True
        self.connection.close()


class Caller:
    """The first pod's part: `gather`, then ask `lost` again and again, in the end say `leave`."""

    def __init__(self, job: str, pods: int) -> None:
        self._job = job
        self._listener = socket.create_server(("", PORT if pods > 1 else 0), backlog=pods)
        self._listener.setblocking(False)
        self._others = range(1, pods)
        self._strangers: list[_Line] = []
        self._lines: dict[int, _Line] = {}
        self._answers: dict[int, Message] = {}
        self._left: set[int] = set()
        self._trouble = ""

    def gather(self, attempt: int, patience: float) -> tuple[int, list[str]]:
        """Wait for all pods; give the attempt's number, at least ``attempt``, and all pods' addresses.

        Raises `TimeoutError` naming the ranks that did not come within ``patience`` seconds.
        """
        for index, line in self._lines.items():
            if index not in self._answers:
                line.send(do="again")
        deadline = time.monotonic() + patience
        while missing := [i for i in self._others if i not in self._answers]:
            if time.monotonic() > deadline:
                away = ", ".join(map(str, missing))
                raise TimeoutError(f"replica {away} did not come within {patience:g} s")
            self._listen(_TURN)
        answers = [self._answers[i] for i in self._others]
        number = max([attempt, *(answer["attempt"] for answer in answers)])
        own = self._lines[1].own if answers else "127.0.0.1"
        addresses = [own, *(answer["address"] for answer in answers)]
        self._answers, self._trouble = {}, ""
        for line in self._lines.values():
            line.send(do="go", attempt=number, addresses=addresses)
        return number, addresses

    def lost(self) -> str:
        """Say which pod is not in this attempt any more, in a few words; empty as long as all are."""
        self._listen(0)
        return self._trouble

    def is_over(self) -> bool:
        """Whether this pod may end: the first always may."""
        return True

    def leave(self, for_good: bool) -> None:
        """Hang up; only ``for_good`` is the job over, else this pod counts as lost."""
        for line in self._lines.values() if for_good else ():
            line.send(do="over")
        for line in (*self._lines.values(), *self._strangers):
            line.close()
        self._listener.close()

    def _listen(self, seconds: float) -> None:
        connections = [line.connection for line in (*self._strangers, *self._lines.values())]
        select.select([self._listener, *connections], [], [], seconds)
        with suppress(OSError):
            self._strangers.append(_Line(self._listener.accept()[0]))
        for line in list(self._strangers):
            messages = list(line.receive())
            if messages or line.closed:
                self._strangers.remove(line)
                self._welcome(line, messages)
        for index, line in list(self._lines.items()):
            for message in line.receive():
                self._take(index, message)
            if line.closed:
                self._lose(index, line)

    def _welcome(self, line: _Line, messages: list[Message]) -> None:
        """Let a pod in that says who it is; it may take the place of one that has gone."""
        first = messages[0] if messages else {}
        index = first.get("index")
        if first.get("job") != self._job or not isinstance(index, int) or index not in self._others:
            line.close()
            return
        if index in self._lines:
            self._lines.pop(index).close()
        self._lines[index] = line
        self._left.discard(index)
        for message in messages:
            self._take(index, message)

    def _take(self, index: int, message: Message) -> None:
        if message["do"] == "left":
            self._left.add(index)
        elif message["do"] == "here":
            self._answers[index] = message
            self._trouble = self._trouble or f"replica {index} had to begin again"

    def _lose(self, index: int, line: _Line) -> None:
        del self._lines[index]
        line.close()
        self._answers.pop(index, None)
        if index not in self._left:
            self._trouble = self._trouble or f"replica {index} was lost"


class Answerer:
    """The part of every other pod."""

    def __init__(self, job: str, index: int, host: str) -> None:
        self._hello = {"do": "here", "job": job, "index": index}
        self._host = host
        self._line: _Line | None = None
        self._over = False
        self._trouble = ""

    def gather(self, attempt: int, patience: float) -> tuple[int, list[str]]:
        """Answer and wait for the word to begin; gives what `Caller.gather` does.

        Raises `TimeoutError`, and `Over` when the first pod has concluded the job.
        """
        deadline = time.monotonic() + patience
        answered = False
        while True:
            if self._line is None or self._line.closed:
                self._line, answered = self._connect(), False
            if self._line and not answered:
                self._line.send(**self._hello, attempt=attempt, address=self._line.own)
                answered = True
            for message in self._line.receive() if self._line else ():
                if message["do"] == "over":
                    raise Over
                if message["do"] == "go":
                    self._trouble = ""
                    return int(message["attempt"]), list(message["addresses"])
            if time.monotonic() > deadline:
                who = "not all replicas came" if self._line else "replica 0 did not come"
                raise TimeoutError(f"{who} within {patience:g} s")
            open_line = [self._line.connection] if self._line and not self._line.closed else []
            select.select(open_line, [], [], _TURN)

    def _connect(self) -> _Line | None:
        if self._line is not None:
            self._line.close()
        try:
            return _Line(socket.create_connection((self._host, PORT), timeout=_CONNECT_SECONDS))
        except OSError:  # it has no name or no address yet
            return None

    def lost(self) -> str:
        """Say why this attempt cannot go on, in a few words; empty as long as it can."""
        assert self._line is not None
        for message in self._line.receive():
            if message["do"] == "over":
                self._over = True
            elif message["do"] == "again":
                self._trouble = "another replica was lost"
        if self._line.closed and not self._over:
            self._trouble = self._trouble or "replica 0 was lost"
        return self._trouble

    def is_over(self) -> bool:
        """Whether this pod may end, now that its ranks have: not before the job is over."""
        return bool(self.lost()) or self._over

    def leave(self, for_good: bool) -> None:
        """Hang up; where it is not ``for_good``, this pod counts as lost."""
        if self._line is not None:
            if for_good:
                self._line.send(do="left")
            self._line.close()


def muster(job: str, pods: int, index: int, first: str) -> Caller | Answerer:
    """Give the part of the pod ``index``; ``first`` is the first pod's host name."""
    return Answerer(job, index, first) if index else Caller(job, pods)

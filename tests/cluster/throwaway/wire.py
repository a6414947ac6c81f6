"""One JSON object a line over a Unix stream socket: how the parts of a cluster talk to each other."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket


class Line:
    """One end of such a connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._read = connection.makefile("r", encoding="utf-8")

    def fileno(self) -> int:
        return self.connection.fileno()

    def send(self, message: dict[str, Any]) -> None:
        self.connection.sendall(json.dumps(message).encode() + b"\n")

    def receive(self) -> dict[str, Any]:
        """The next message. Raises EOFError when the other end has gone."""
        line = self._read.readline()
        if not line:
            raise EOFError("the other end has gone")
        message: dict[str, Any] = json.loads(line)
        return message

    def ask(self, message: dict[str, Any]) -> Any:
        """Send a request and return the answer's value. Raises RuntimeError with the other end's reason."""
        self.send(message)
        answer = self.receive()
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer.get("value")

    def answer(self, work: Any) -> None:
        """Answer the next request with what `work` returns for it, or with the reason that it did not."""
        request = self.receive()
        try:
            self.send({"value": work(request)})
        except (OSError, RuntimeError, ValueError, LookupError) as error:
            self.send({"error": f"{type(error).__name__}: {error}"})

    def close(self) -> None:
        self._read.close()
        self.connection.close()

"""A rank's standard output and error as its log wants them.

The two streams are put in place before any library is imported, because libraries keep the
stream they find at import; `Output.begin` later turns standard error into records.
"""

from __future__ import annotations

import io
import os
import sys
import time
from typing import Any

from .. import logs

_STEP_INTERVAL = 0.2


class _Stream(io.TextIOBase):
    """Text straight to a file descriptor, or to records of the kind ``stderr``."""

    encoding = "utf-8"

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.as_records = False
        self.muted = False

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if self.muted:
            return len(text)
        if self.as_records:
            _write(1, logs.encode({"kind": "stderr", "text": text}))
        elif logs.MARK in text:
            _write(self._fd, logs.encode({"kind": "stdout", "text": text}))
        else:
            _write(self._fd, text.encode(errors="replace"))
        return len(text)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fd


class Output:
    """Everything a rank sends out."""

    def __init__(self) -> None:
        self.out = _Stream(1)
        self.err = _Stream(2)
        self._last_step = 0.0
        self._held_step: dict[str, Any] | None = None

    def install(self) -> None:
        """Take the place of ``sys.stdout`` and ``sys.stderr``."""
        sys.stdout = self.out
        sys.stderr = self.err

    def mute(self, muted: bool = True) -> None:
        """Show nothing of the user's code, as it was shown before, or show it again."""
        self.out.muted = self.err.muted = muted

    def begin(self) -> None:
        """Mark the start of the user's code."""
        self.err.as_records = True
        self.record("begin")

    def end(self) -> None:
        """Mark the end of the user's code."""
        self.mute(False)
        self._send_step()
        self.record("end")
        self.err.as_records = False

    def record(self, kind: str, **values: Any) -> None:
        """Write one record."""
        if self.out.muted and kind not in ("begin", "note"):
            return
        _write(1, logs.encode({"kind": kind, **values}))

    def report(self, event: dict[str, Any]) -> None:
        """Write a note or a metrics event; steps at most five times a second, and the last one."""
        if event["event"] == "note":
            self.record("note", text=event["text"])
            return
        if event["event"] == "graph":
            self.record("graph", title=event["title"], packed=event["packed"])
            return
        event = {**event, "time": time.time()}
        if event["event"] != "step":
            self._send_step()
            self.record("metrics", **event)
            return
        self._held_step = event
        if event["time"] - self._last_step >= _STEP_INTERVAL:
            self._send_step()

    def _send_step(self) -> None:
        if self._held_step is not None:
            self._last_step = self._held_step["time"]
            self.record("metrics", **self._held_step)
            self._held_step = None


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]

"""A rank's line to its supervisor: says how far it is, hears that it is to stop."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

# So long a rank may take to come to its next step before it is interrupted where it stands.
_STEP_PATIENCE = 3.0


class Link:
    """One end of the control socket, with a thread that listens.

    ``stop`` asks the running training to stop at the same step on all ranks; where there is no
    such step, the main thread gets the KeyboardInterrupt that a local cell would get. ``keep`` asks for a
    checkpoint after this step.
    """

    def __init__(self, control: socket.socket, stop: Callable[[], None] | None = None) -> None:
        self._control = control
        self.stop = stop
        self.keep: Callable[[], None] = lambda: None
        self.interrupted = False
        self._over = threading.Event()
        self._killing = threading.Lock()
        self._thread = threading.Thread(target=self._listen, name="jupyter_kf-link", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def say(self, what: str, **values: Any) -> None:
        """Tell the supervisor."""
        with contextlib.suppress(OSError):
            self._control.sendall(json.dumps({"said": what, "time": time.time(), **values}).encode() + b"\n")

    def by_steps(self, stop: Callable[[], None]) -> bool:
        """Have the work stopped by ``stop`` alone, between its steps. Main thread only.

        Gives whether an interrupt has come already.
        """
        with self._killing:
            self.stop = stop
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            return self.interrupted

    def over(self) -> None:
        """The user's code has ended: an interrupt that comes now is too late. Main thread only."""
        with self._killing:
            self._over.set()
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # also one that is on its way already

    def _listen(self) -> None:
        with contextlib.suppress(ConnectionResetError):
            while data := self._control.recv(4096):
                if b"checkpoint" in data:
                    self.keep()
                if b"interrupt" in data and not self.interrupted:
                    self.interrupted = True
                    self._interrupt()
        os.killpg(0, signal.SIGKILL)  # the supervisor is gone, and so is all that this rank started

    def _interrupt(self) -> None:
        if self.stop is not None:
            self.stop()
            if self._over.wait(_STEP_PATIENCE):
                return
        with self._killing:
            if not self._over.is_set():
                # To the main thread itself: what it waits in is to be broken off.
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

"""What a replica's container shows to the cluster: its log, its readiness, its last words.

It decides nothing about the replica; `jupyter_kf.worker.pod` does.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import JupyterKFError
from ..logs import encode
from ..store import log_path

if TYPE_CHECKING:
    from ..store import ArtifactStore

READY_PORT = 2221
_LAST_WORDS = Path(os.environ.get("JUPYTER_KF_LAST_WORDS", "/dev/termination-log"))
_PEAKS = ("/sys/fs/cgroup/memory.peak", "/sys/fs/cgroup/memory/memory.max_usage_in_bytes")
_WORDS_LIMIT = 3000


def say(reason: str, **more: Any) -> None:
    """Leave the last words; without a place for them, as outside of a pod, on standard error."""
    words = json.dumps({"reason": reason[:_WORDS_LIMIT], **more})
    try:
        _LAST_WORDS.write_text(words)
    except OSError:
        print(words, file=sys.stderr)


def peak() -> int | None:
    """The most memory that this container used, in bytes, where the kernel tells."""
    for place in _PEAKS:
        with suppress(OSError, ValueError):
            return int(Path(place).read_text())
    return None


class Ready:
    """Answers on a port of its own once the rank has found its peers: the pod's readiness."""

    def __init__(self) -> None:
        self._server: socket.socket | None = None

    def tell(self) -> None:
        """Begin to answer."""
        if self._server is None:
            self._server = socket.create_server(("", READY_PORT))
            self._thread = threading.Thread(target=self._answer, name="jupyter_kf-ready", daemon=True)
            self._thread.start()

    def _answer(self) -> None:
        with suppress(OSError):  # the server was closed
            while self._server is not None:
                self._server.accept()[0].close()

    def end(self) -> None:
        """Answer no more."""
        server, self._server = self._server, None
        if server is not None:
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            server.close()
            self._thread.join(1)  # before another fork


class Log:
    """Brings what a rank prints into the store and to the container's output.

    A store that is a folder is written bit by bit; any other gets the whole when the rank ends.
    """

    def __init__(self, store: ArtifactStore, name: str, rank: int) -> None:
        self._store, self._path = store, log_path(name, rank)
        self.out, self._in = os.pipe()
        local = store.local(self._path)
        self._place = local or Path(f"/tmp/jupyter_kf-rank-{rank}.log")
        self._place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._whole = local is None
        self._thread = threading.Thread(target=self._pump, name="jupyter_kf-log")

    def fileno(self) -> int:
        """The file that the rank is to write to; the caller closes it."""
        return self._in

    def note(self, text: str) -> None:
        """Tell whoever reads the log what the rank itself cannot know; before `start`."""
        os.write(self._in, encode({"kind": "note", "text": text}))

    def start(self) -> None:
        """Begin to copy; only now, as a process with threads should not fork."""
        self._thread.start()

    def _pump(self) -> None:
        with self._place.open("ab", buffering=0) as file:
            while data := os.read(self.out, 1 << 16):
                with suppress(OSError):  # a full disk must not stop the rank
                    file.write(data)
                os.write(1, data)

    def end(self) -> None:
        """Wait until all is copied: the rank and all that it started have ended."""
        if self._thread.ident is not None:
            self._thread.join(10)
        os.close(self.out)
        if self._whole:
            try:
                self._store.put(self._path, self._place.read_bytes())
            except JupyterKFError as err:  # the log is not worth the job
                print(err, file=sys.stderr)

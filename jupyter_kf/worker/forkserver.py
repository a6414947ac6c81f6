"""A warm process that forks supervisors: TensorFlow imported, no operation run.

Importing TensorFlow takes seconds, forking a process that has done so takes milliseconds. The
server does nothing else: it holds no job, and a job does not notice when it goes. It ends by
itself when nobody has asked for a while. Run as ``python -m jupyter_kf.worker.forkserver FD
FOLDER`` with a listening Unix socket as FD; `jupyter_kf.backends.warm` is the other end.
"""

from __future__ import annotations

import array
import contextlib
import importlib
import json
import os
import select
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import Any

from ..locks import lock, open_lock
from .local import run_job

IDLE_VARIABLE = "JUPYTER_KF_IDLE"
# What a rank needs before the user's code; all that is installed is imported once, here.
_PRELOAD = (
    "tensorflow",
    "IPython.core.interactiveshell",
    "jupyter_kf.capture.keras",
    "jupyter_kf.parallel.install",
    "jupyter_kf.worker.run",
    "jupyter_kf.worker.shell",
    "fsspec.implementations.local",
)


def preload() -> None:
    """Import what ranks need; what is not installed is left to fail where it is used."""
    for module in _PRELOAD:
        with contextlib.suppress(ImportError):
            importlib.import_module(module)


def serve(listener: socket.socket, folder: Path, idle: float) -> None:
    """Fork a supervisor for each request until none has come for ``idle`` seconds."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    preload()
    while True:
        if select.select([listener], [], [], idle)[0]:
            connection, _ = listener.accept()
            with connection:
                if not _answer(connection, listener):
                    return
        elif _leave(listener, folder):
            return


def _leave(listener: socket.socket, folder: Path) -> bool:
    """Take the socket away unless somebody came at the last moment."""
    fd = open_lock(folder / "start.lock")
    try:
        if not lock(fd) or select.select([listener], [], [], 0)[0]:
            return False
        Path(listener.getsockname()).unlink(missing_ok=True)
        return True
    finally:
        os.close(fd)


def _answer(connection: socket.socket, listener: socket.socket) -> bool:
    """Fork a supervisor for one request; False if the request is to end."""
    try:
        request, fds = _receive(connection)
    except (OSError, ValueError):
        traceback.print_exc()
        return True
    if request.get("end"):
        return False
    if not os.fork():
        code = 1
        try:
            listener.close()
            connection.close()
            _become(request, fds)
            run_job(request["store"], request["job"], request["runtime"])
            code = 0
        finally:
            if code:
                traceback.print_exc()
            os._exit(code)
    for fd in fds:
        os.close(fd)
    return True


def _receive(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Read one request: a length, the fds that ride with it, JSON."""
    connection.settimeout(5)
    fds = array.array("i")
    head, ancillary, _, _ = connection.recvmsg(8, socket.CMSG_LEN(2 * fds.itemsize))
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    body = b""
    length = int.from_bytes(head, "big")
    while len(body) < length:
        piece = connection.recv(length - len(body))
        if not piece:
            raise ValueError("a request broke off")
        body += piece
    return json.loads(body), list(fds)


def _become(request: dict[str, Any], fds: list[int]) -> None:
    """Turn a fresh fork into the process that the asker would have started."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, log = fds  # the first is the job's lock: kept open, never used
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.clear()
    os.environ.update(request["environ"])
    os.chdir(request["cwd"])
    sys.path[:] = request["path"]


def main() -> None:
    """Serve on the socket and folder given on the command line."""
    fd, folder = sys.argv[1:]
    listener = socket.socket(fileno=int(fd))
    serve(listener, Path(folder), float(os.environ.get(IDLE_VARIABLE, "600")))


if __name__ == "__main__":
    main()

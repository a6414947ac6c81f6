"""A warm process that forks supervisors: TensorFlow imported, no operation run.

Importing TensorFlow takes seconds, forking a process that has done so takes milliseconds. The
server holds no job, and a job does not notice when it goes. It only sweeps up: what a supervisor
that was killed has left behind is killed too. It ends by itself when no job has run for a while.
Run as ``python -m jupyter_kf.worker.forkserver FD
FOLDER`` with a listening Unix socket as FD; `jupyter_kf.backends.warm` is the other end.
"""

from __future__ import annotations

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
from .system import adopt_orphans, kill_descendants

IDLE_VARIABLE = "JUPYTER_KF_IDLE"
PRELOAD_VARIABLE = "JUPYTER_KF_PRELOAD"
# What a rank needs before the user's code; all that is installed is imported once, here.
_PRELOAD = (
    "tensorflow",
    "IPython.core.interactiveshell",
    "jupyter_kf.capture.keras",
    "jupyter_kf.parallel.hooks",
    "jupyter_kf.worker.run",
    "jupyter_kf.worker.shell",
    "fsspec.implementations.local",
)


def preload() -> None:
    """Import what ranks need, or what ``JUPYTER_KF_PRELOAD`` names, separated by commas.

    What is not installed is left to fail where it is used.
    """
    given = os.environ.get(PRELOAD_VARIABLE)
    for module in _PRELOAD if given is None else filter(None, given.split(",")):
        with contextlib.suppress(ImportError):
            importlib.import_module(module)


def serve(listener: socket.socket, folder: Path, idle: float) -> None:
    """Fork a supervisor for each request until no job has run for ``idle`` seconds."""
    wake, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    adopt_orphans()
    preload()
    listener.setblocking(False)
    supervisors: set[int] = set()
    while True:
        _sweep(supervisors)
        ready, _, _ = select.select([listener.fileno(), wake], [], [], None if supervisors else idle)
        if wake in ready:
            os.read(wake, 512)
        if listener.fileno() in ready:
            connection, _ = listener.accept()
            with connection:
                if not _answer(connection, supervisors, [listener.fileno(), wake, wake_write]):
                    return
        if not ready and _leave(listener, folder):
            return


def _sweep(supervisors: set[int]) -> None:
    """Reap the supervisors that have ended; who was orphaned by one comes here and is killed."""
    for pid in list(supervisors):
        if os.waitpid(pid, os.WNOHANG)[0]:
            supervisors.discard(pid)
    kill_descendants(spare=supervisors)


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


def _answer(connection: socket.socket, supervisors: set[int], close: list[int]) -> bool:
    """Fork a supervisor for one request; False if the request is to end."""
    try:
        request, fds = _receive(connection)
    except (OSError, ValueError):
        traceback.print_exc()
        return True
    if request.get("end"):
        return False
    pid = os.fork()
    if not pid:
        code = 1
        try:
            for fd in (*close, connection.detach()):
                os.close(fd)
            _become(request, fds)
            run_job(request["store"], request["job"], request["runtime"], fds[:1])
            code = 0
        finally:
            if code:
                traceback.print_exc()
            os._exit(code)
    supervisors.add(pid)
    for fd in fds:
        os.close(fd)
    return True


def _receive(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Read one request: a length, the fds that ride with it, JSON."""
    connection.settimeout(5)
    head, fds, _, _ = socket.recv_fds(connection, 8, 2, socket.MSG_CMSG_CLOEXEC)
    try:
        body = b""
        length = int.from_bytes(head, "big")
        while len(body) < length:
            piece = connection.recv(length - len(body))
            if not piece:
                raise ValueError("a request broke off")
            body += piece
        return json.loads(body), fds
    except BaseException:
        for fd in fds:
            os.close(fd)
        raise


def _become(request: dict[str, Any], fds: list[int]) -> None:
    """Turn a fresh fork into the process that the asker would have started."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, log = fds  # the first is the job's lock: kept open, never used
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    os.environ.clear()
    os.environ.update(request["environ"])
    os.chdir(request["cwd"])
    sys.path[:] = request["path"]


def main() -> None:
    """Serve on the socket and folder given on the command line."""
    fd, folder = sys.argv[1:]
    listener = socket.socket(fileno=int(fd))
    listener.set_inheritable(False)
    serve(listener, Path(folder), float(os.environ.get(IDLE_VARIABLE, "600")))


if __name__ == "__main__":
    main()

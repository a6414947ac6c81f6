"""Starts a job's supervisor through the warm process, and the warm process where there is none.

One warm process serves all notebooks of a user that have the same interpreter and the same
settings of TensorFlow. Asking it does not wait: while it still imports TensorFlow, requests wait
in its socket, and if it dies the files that ride with a request are closed, so that the job is
seen to be lost. See `jupyter_kf.worker.forkserver` for the other end.
"""

from __future__ import annotations

import array
import contextlib
import hashlib
import json
import os
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BackendError
from ..locks import hold

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

RUNTIME_VARIABLE = "JUPYTER_KF_RUNTIME"
# Read when a library is imported, so processes that differ in them cannot share an import.
_IMPORT_TIME = ("TF_", "CUDA", "NVIDIA", "XLA", "OMP_", "MKL_", "KERAS", "LD_", "PYTHON")
_OURS = ("JUPYTER_KF_IDLE", "JUPYTER_KF_PRELOAD")
_PATIENCE = 10.0
# A socket's name ends at 107 bytes, and the folder of one kind of warm process is still to come.
_LONGEST = 107 - len("/0123456789ab/socket")


def runtime_folder() -> Path:
    """Give this user's folder for sockets and locks of this machine.

    ``JUPYTER_KF_RUNTIME`` names another one; its path must be short.
    """
    given = os.environ.get(RUNTIME_VARIABLE)
    folder = Path(given) if given else Path(tempfile.gettempdir()) / f"jupyter_kf-{os.getuid()}"
    if len(os.fsencode(folder)) > _LONGEST:
        raise BackendError(
            f"{folder} is too long for a socket's name; set {RUNTIME_VARIABLE} to a shorter one."
        )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as err:
        raise BackendError(f"{folder} cannot be made ({err.strerror}); set {RUNTIME_VARIABLE}.") from err
    seen = folder.lstat()
    if not stat.S_ISDIR(seen.st_mode) or seen.st_uid != os.getuid() or seen.st_mode & 0o077:
        raise BackendError(f"{folder} is open to other users; remove it or set {RUNTIME_VARIABLE}.")
    return folder


def start_supervisor(store: str, job: str, fds: Sequence[int]) -> None:
    """Have a supervisor started for ``job``; ``fds`` are its lock and its log."""
    folder = runtime_folder() / _key()
    folder.mkdir(mode=0o700, exist_ok=True)
    request = {
        "store": store,
        "job": job,
        "runtime": str(runtime_folder()),
        "environ": dict(os.environ),
        "cwd": str(Path.cwd()),
        "path": sys.path,
    }
    address = folder / "socket"
    with hold(folder / "start.lock", _PATIENCE):
        with _open(address) as connection:
            if connection is not None:
                _send(connection, request, fds)
                return
        _start(folder, address)
        with _open(address) as connection:
            if connection is None:
                raise BackendError(f"The warm process could not be started; see {folder / 'log'}.")
            _send(connection, request, fds)


def stop() -> None:
    """End this user's warm processes; jobs that run go on."""
    for address in runtime_folder().glob("*/socket"):
        with hold(address.with_name("start.lock"), _PATIENCE), _open(address) as connection:
            if connection is not None:
                _send(connection, {"end": True}, ())
                address.unlink(missing_ok=True)


def _send(connection: socket.socket, request: dict[str, Any], fds: Sequence[int]) -> None:
    body = json.dumps(request).encode()
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    try:
        connection.sendmsg([len(body).to_bytes(8, "big")], rights)
        connection.sendall(body)
    except OSError as err:
        raise BackendError(f"The warm process does not take jobs: {err}.") from err


def _key() -> str:
    """Name the kind of warm process that serves this one."""
    settings = sorted(f"{k}={v}" for k, v in os.environ.items() if k.startswith((*_IMPORT_TIME, *_OURS)))
    here = Path(__file__).parent.parent
    # An installation changes the time of its folder; an edit in place that of a file of ours.
    installed = [Path(p) for p in sys.path if p.endswith("-packages") and Path(p).is_dir()]
    places = [*installed, *sorted(here.rglob("*.py"))]
    about = [sys.executable, sys.prefix, *settings, *(f"{p}={p.stat().st_mtime_ns}" for p in places)]
    return hashlib.sha256("\0".join(about).encode()).hexdigest()[:12]


@contextlib.contextmanager
def _open(address: Path) -> Iterator[socket.socket | None]:
    """Connect to a warm process; None where there is none."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_PATIENCE)
        try:
            connection.connect(str(address))
        except (FileNotFoundError, ConnectionRefusedError):
            yield None
            return
        except OSError as err:
            raise BackendError(f"The warm process does not answer at {address}: {err}.") from err
        yield connection


def _start(folder: Path, address: Path) -> None:
    """Start the warm process with a socket that listens already."""
    address.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener, (folder / "log").open("ab") as log:
        listener.bind(str(address))
        listener.listen(128)
        command = [sys.executable, "-m", "jupyter_kf.worker.forkserver", str(listener.fileno()), str(folder)]
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[listener.fileno()],
            start_new_session=True,
            env=environ,
            cwd="/",
        )
    # Reaped when it ends, so that it is not left as a zombie of a long-lived kernel.
    threading.Thread(target=process.wait, name="jupyter_kf-reaper", daemon=True).start()

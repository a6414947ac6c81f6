"""The warm process itself: it serves, sweeps up, and ends by itself."""

from __future__ import annotations

import array
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jupyter_kf.locks import is_held, make_held, open_lock
from jupyter_kf.locks import lock as lock_file
from jupyter_kf.worker import forkserver


@pytest.fixture
def server(runtime, monkeypatch):
    """Starts a warm process; gives the process and the address of its socket."""
    processes = []

    def start(idle: float = 600.0, preload: str = "") -> tuple[subprocess.Popen, Path]:
        folder = runtime / "kind"
        folder.mkdir(exist_ok=True)
        address = folder / "socket"
        with socket.socket(socket.AF_UNIX) as listener, (folder / "log").open("ab") as log:
            listener.bind(str(address))
            listener.listen()
            environ = {
                **os.environ,
                forkserver.IDLE_VARIABLE: str(idle),
                forkserver.PRELOAD_VARIABLE: preload,
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            }
            processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", forkserver.__name__, str(listener.fileno()), str(folder)],
                    pass_fds=[listener.fileno()],
                    stdin=subprocess.DEVNULL,
                    stderr=log,
                    start_new_session=True,
                    env=environ,
                )
            )
        return processes[-1], address

    yield start
    for process in processes:
        process.kill()
        process.wait(30)


def _send(address: Path, request: object, fds: tuple[int, ...] = (), *, length: int | None = None) -> None:
    body = request if isinstance(request, bytes) else json.dumps(request).encode()
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(address))
        size = len(body) if length is None else length
        connection.sendmsg([size.to_bytes(8, "big")], rights)
        connection.sendall(body)


def _ask(address: Path, store: Path, **more: object) -> Path:
    """Ask for the supervisor of a job; give the lock that it holds while it lives."""
    lock = store / f"lock-{time.monotonic_ns()}"
    fd, log = make_held(lock), os.open(store / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    request = {
        "store": str(store),
        "job": "absent",
        "runtime": str(address.parent.parent),
        "environ": dict(os.environ),
        "cwd": "/",
        "path": sys.path,
        **more,
    }
    _send(address, request, (fd, log))
    os.close(fd)
    os.close(log)
    return lock


def test_it_ends_by_itself_when_nobody_asks_and_takes_its_socket_away(server):
    process, address = server(idle=0.05)

    assert process.wait(30) == 0
    assert not address.exists()


def test_it_does_not_leave_while_somebody_is_about_to_ask(server):
    process, address = server(idle=0.05)
    fd = open_lock(address.parent / "start.lock")
    assert lock_file(fd)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1.5)

    os.close(fd)
    assert process.wait(30) == 0


def test_it_ends_when_it_is_told(server):
    process, address = server()

    _send(address, {"end": True})

    assert process.wait(30) == 0


def test_a_request_becomes_a_process_like_the_asker(server, tmp_path, eventually):
    _, address = server()

    lock = _ask(address, tmp_path)

    eventually(lambda: not is_held(lock), "the supervisor does not end")
    assert "NotFound" in (tmp_path / "log").read_text(), "its errors go to its own log"


@pytest.mark.parametrize(
    ("request_", "length"),
    [(b"", None), (b"{", None), (b"{}", 100), (b"[1", 2), (b"\xff", None)],
)
def test_a_broken_request_harms_nobody_and_gives_its_files_back(
    server, tmp_path, eventually, request_, length
):
    process, address = server()
    broken = tmp_path / "broken.lock"
    fd = make_held(broken)
    _send(address, request_, (fd, fd), length=length)
    os.close(fd)

    eventually(lambda: not is_held(broken), "the files of a broken request are kept")
    lock = _ask(address, tmp_path)
    eventually(lambda: not is_held(lock), "the next request is not served")
    assert process.poll() is None


def test_a_folder_that_is_gone_is_told_in_the_log_of_the_supervisor(server, tmp_path, eventually):
    _, address = server()

    lock = _ask(address, tmp_path, cwd=str(tmp_path / "gone"))

    eventually(lambda: not is_held(lock), "the supervisor does not end")
    assert "FileNotFoundError" in (tmp_path / "log").read_text()


def test_supervisors_that_have_ended_are_reaped(server, tmp_path, eventually):
    process, address = server()
    for _ in range(3):
        lock = _ask(address, tmp_path)
        eventually(lambda lock=lock: not is_held(lock), "the supervisor does not end")

    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    eventually(lambda: not children.read_text(), "zombies are left")


def test_what_is_not_installed_is_not_preloaded_and_does_no_harm(server):
    process, address = server(preload="no_such_module_at_all,json")

    _send(address, {"end": True})

    assert process.wait(30) == 0


def test_what_is_named_is_preloaded(monkeypatch):
    monkeypatch.setenv(forkserver.PRELOAD_VARIABLE, "colorsys")
    sys.modules.pop("colorsys", None)

    forkserver.preload()

    assert "colorsys" in sys.modules


def test_a_preload_that_starts_a_program_leaves_none(server, tmp_path, eventually, monkeypatch):
    """Whoever the warm process adopts or starts besides supervisors is swept up."""
    (tmp_path / "starts_a_program.py").write_text(
        "import pathlib, subprocess\n"
        "program = subprocess.Popen(['sleep', '600'])\n"
        f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(program.pid))\n"
    )
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    process, _ = server(preload="starts_a_program")
    eventually(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), "it starts nothing")

    pid = int((tmp_path / "pid").read_text())
    eventually(lambda: not Path(f"/proc/{pid}").exists(), "the program lives on")
    assert process.poll() is None


def test_killing_it_leaves_no_socket_that_answers(server):
    process, address = server()
    os.kill(process.pid, signal.SIGKILL)
    process.wait(30)

    with socket.socket(socket.AF_UNIX) as connection, pytest.raises(ConnectionRefusedError):
        connection.connect(str(address))

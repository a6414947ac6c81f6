"""The same routes through a real jupyverse, which passes them on to its inner Jupyter Server.

jupyverse brings a JupyterLab of its own, so it lives in an environment of its own: ``make jupyverse``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tornado.websocket import websocket_connect

from tests.conftest import processes_of, wait_until
from tests.ui.lab import free_port

from .conftest import read_until

if TYPE_CHECKING:
    from collections.abc import Iterator

START = 60.0
PROGRAM = Path(sys.prefix) / "jupyverse/bin/jupyverse"
pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="no jupyverse here: make jupyverse")


@pytest.fixture
def jupyverse(tmp_path: Path) -> Iterator[str]:
    """Start jupyverse in a process of its own; give its host and port."""
    folders = {f"JUPYTER_{kind}_DIR": str(tmp_path / kind) for kind in ("CONFIG", "DATA", "RUNTIME")}
    (tmp_path / "CONFIG").mkdir()
    (tmp_path / "CONFIG/jupyter_server_config.json").write_text('{"ServerApp": {"allow_root": true}}')
    runtime = tmp_path / "rt"
    own = {"JUPYTER_KF_STORE": str(tmp_path / "store"), "JUPYTER_KF_RUNTIME": str(runtime)}
    path = f"{PROGRAM.parent}{os.pathsep}{os.environ['PATH']}"  # it starts its server by name
    port = free_port()
    log = tmp_path / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [PROGRAM, "--port", str(port), "--timeout", "30"],
            env={**os.environ, **folders, **own, "PATH": path},
            cwd=tmp_path,
            stdout=out,
            stderr=out,
        )
    try:

        def answers() -> bool:
            assert process.poll() is None, log.read_text()[-3000:]
            try:
                return bool(ask(f"127.0.0.1:{port}", "jobs"))
            except OSError:
                return False

        wait_until(answers, "jupyverse did not start", START)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)
        for pid in processes_of(runtime):  # its inner server outlives it
            os.kill(pid, 15)
        wait_until(lambda: not processes_of(runtime), "the inner server did not end", 20.0)


def ask(host: str, path: str) -> Any:
    with urllib.request.urlopen(f"http://{host}/jupyter-kf/{path}", timeout=5) as answer:
        return json.loads(answer.read())


async def test_routes_and_socket_in_jupyverse(jupyverse: str) -> None:
    assert ask(jupyverse, "jobs") == {"jobs": []}
    socket = await websocket_connect(f"ws://{jupyverse}/jupyter-kf/ws")
    assert (await read_until(socket, "snapshot"))["jobs"] == []
    socket.close()

"""A Jupyter server in a process of its own, with folders of its own, that can be restarted."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_kf.backends import warm
from jupyter_kf.store import STORE_VARIABLE
from tests.conftest import processes_of, wait_until

from .scripted import VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

TOKEN = "a-token-for-tests"
START, STOP = 120.0, 20.0  # seconds, of which a busy machine takes many
# what is installed beside, and would change what the tests see
QUIET = {
    "@jupyterlab/apputils-extension:announcements": True,
    "@jupyter/collaboration-extension": True,
    "@jupyter/docprovider-extension": True,
}


def free_port() -> int:
    """Give a port that is free now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@dataclass
class LabServer:
    """``app`` is lab or notebook; ``config`` more traits, ``collaboration`` real-time editing."""

    folder: Path
    app: str = "lab"
    config: dict[str, Any] = field(default_factory=dict)
    collaboration: bool = False
    extra: dict[str, str] = field(default_factory=dict)  # more environment
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.port = free_port()
        self.base = "/"
        self.notebooks = self.folder / "nb"
        self.notebooks.mkdir(parents=True, exist_ok=True)
        self.runtime = self.folder / "rt"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.base}"

    @property
    def environment(self) -> dict[str, str]:
        places = {"CONFIG": "cfg", "DATA": "data", "RUNTIME": "run"}
        own = {f"JUPYTER_{key}_DIR": str(self.folder / name) for key, name in places.items()}
        own |= {f"JUPYTERLAB_{k}_DIR": str(self.folder / k.lower()) for k in ("SETTINGS", "WORKSPACES")}
        own |= {STORE_VARIABLE: str(self.folder / "store"), warm.RUNTIME_VARIABLE: str(self.runtime)}
        own |= {"IPYTHONDIR": str(self.folder / "ipython"), "TF_CPP_MIN_LOG_LEVEL": "2"}
        own["PYTHONPATH"] = str(Path(__file__).parents[2])
        return {**os.environ, **own, **self.extra}

    def start(self) -> None:
        """Start the server and wait until it answers."""
        self._write_page_config()
        settings: dict[str, Any] = {
            "ServerApp": {
                "port": self.port,
                "port_retries": 0,
                "allow_root": True,
                "open_browser": False,
                "root_dir": str(self.notebooks),
                "jpserver_extensions": {"jupyter_server_ydoc": self.collaboration},
                **self.config.get("ServerApp", {}),
            },
            "IdentityProvider": {"token": TOKEN},
            "LabApp": {"expose_app_in_browser": True, "extension_manager": "readonly"},
            "JupyterNotebookApp": {"expose_app_in_browser": True},
            **{key: value for key, value in self.config.items() if key != "ServerApp"},
        }
        file = self.folder / "server.json"
        file.write_text(json.dumps(settings))
        command = [sys.executable, "-m", f"jupyter{self.app}" if self.app == "lab" else self.app]
        log = (self.folder / "server.log").open("ab")
        self.process = subprocess.Popen(
            [*command, f"--config={file}"], env=self.environment, stdout=log, stderr=log, cwd=self.notebooks
        )
        log.close()
        wait_until(self.answers, f"the server did not start:\n{self.log()[-3000:]}", START)

    def _write_page_config(self) -> None:
        disabled = {} if self.collaboration else QUIET
        page = self.folder / "cfg" / "labconfig" / "page_config.json"
        page.parent.mkdir(parents=True, exist_ok=True)
        news = {"@jupyterlab/apputils-extension:announcements": True}
        page.write_text(json.dumps({"disabledExtensions": {**news, **disabled}}))

    def visit(self, page: Page, path: str) -> None:
        """Have a browser page load one of the server's pages."""
        page.goto(f"{self.url}{path}?reset&token={TOKEN}")

    def answers(self) -> bool:
        """Tell whether the server answers; fail if it has ended."""
        assert self.process is not None
        assert self.process.poll() is None, self.log()[-3000:]
        try:
            with urllib.request.urlopen(f"{self.url}api", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def log(self) -> str:
        """What the server printed."""
        return (self.folder / "server.log").read_text(errors="replace")

    def end_server(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the server's process alone; with SIGKILL its kernels stay."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(STOP)

    def stop(self) -> None:
        """End the server, its kernels and all jobs."""
        self.end_server()
        deadline = time.monotonic() + STOP
        before = os.environ.get(warm.RUNTIME_VARIABLE)
        os.environ[warm.RUNTIME_VARIABLE] = str(self.runtime)
        try:
            if self.runtime.exists():
                warm.stop()
        finally:
            if before is None:
                del os.environ[warm.RUNTIME_VARIABLE]
            else:
                os.environ[warm.RUNTIME_VARIABLE] = before
        while left := processes_of(self.runtime):
            for pid in left:
                os.kill(pid, signal.SIGKILL if time.monotonic() > deadline else signal.SIGTERM)
            time.sleep(0.05)

    def request(self, path: str, method: str = "GET", body: Any = None) -> Any:
        """Ask the server's REST side."""
        request = urllib.request.Request(
            f"{self.url}{path}",
            data=json.dumps(body or {}).encode() if method == "POST" else None,
            method=method,
            headers={"Authorization": f"token {TOKEN}"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read())

    def jobs(self) -> dict[str, Any]:
        """Give the jobs by name."""
        found = self.request("jupyter-kf/jobs")["jobs"]
        return {job["spec"]["name"]: job for job in found}


@contextlib.contextmanager
def scripted_server(**script: int) -> Iterator[LabServer]:
    """Start a server with the scripted backend and end it."""
    folder = Path(tempfile.mkdtemp(prefix="kf-ui-"))
    backend = {"JobsExtension": {"backend": "tests.ui.scripted.ScriptedBackend"}}
    server = LabServer(folder, config=backend, extra={VARIABLE: json.dumps(script)})
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)

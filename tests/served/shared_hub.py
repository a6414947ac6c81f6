"""The hub of ``hub_config/jupyterhub_config.py`` with its real proxy, and people who ask it by its API."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from jupyter_kf.backends import warm
from jupyter_kf.store import STORE_VARIABLE
from tests.conftest import wait_until
from tests.ui.hub import PASSWORD, PROXY
from tests.ui.lab import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
# The shipped file, with what a second hub on one machine needs of its own.
CONFIG = """\
load_subconfig({shipped!r})
c.JupyterHub.bind_url = {url!r}
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{hub}"
c.JupyterHub.db_url = "sqlite:///{folder}/hub.sqlite"
c.JupyterHub.cookie_secret_file = "{folder}/cookie"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api}"
c.ConfigurableHTTPProxy.command = [{proxy!r}]
c.ConfigurableHTTPProxy.pid_file = "{folder}/proxy.pid"
c.SimpleLocalProcessSpawner.home_dir_template = "{folder}/home/{{username}}"
c.Spawner.args = ["--allow-root"]
c.Spawner.environment |= {environment!r}
"""
START = 90.0


@dataclass
class Person:
    """Somebody who has logged in."""

    front: str
    name: str
    session: requests.Session

    def hub(self, verb: str, path: str, **body: Any) -> requests.Response:
        """Ask the hub's API as the browser does."""
        headers = {"X-XSRFToken": self.session.cookies.get("_xsrf", path="/hub/")}
        return self.session.request(
            verb, f"{self.front}/hub/api/{path}", json=body or None, headers=headers, timeout=60
        )

    def token(self) -> str:
        """Make a new token with all that this person may do."""
        made = self.hub("POST", f"users/{self.name}/tokens", note="test")
        assert made.status_code == 201, made.text
        return str(made.json()["token"])

    def server(self, owner: str, verb: str, path: str, **body: Any) -> requests.Response:
        """Ask somebody's notebook server."""
        return requests.request(
            verb,
            f"{self.front}/user/{owner}/{path}",
            json=body or None,
            headers={"Authorization": f"token {self.token()}"},
            timeout=60,
            allow_redirects=False,
        )

    def start_server(self) -> None:
        """Start this person's own server and wait for it."""
        assert self.hub("POST", f"users/{self.name}/server").status_code in (201, 202)
        wait_until(self._runs, f"the server of {self.name} did not start", START)

    def _runs(self) -> bool:
        found = self.hub("GET", f"users/{self.name}").json()["servers"].get("", {})
        return bool(found.get("ready"))


def log_in(front: str, name: str) -> Person:
    """Log in by the form."""
    session = requests.Session()
    session.get(f"{front}/hub/login", timeout=30)
    given = {"username": name, "password": PASSWORD, "_xsrf": session.cookies.get("_xsrf", path="/hub/")}
    answer = session.post(f"{front}/hub/login", data=given, timeout=30, allow_redirects=False)
    assert answer.status_code == 302, answer.text[-500:]
    return Person(front, name, session)


@contextlib.contextmanager
def shared_hub(folder: Path, environ: dict[str, str]) -> Iterator[str]:
    """Run the hub; gives its address. Its servers end with it."""
    assert PROXY.exists(), "configurable-http-proxy is missing: make test-lab"
    front = f"http://127.0.0.1:{free_port()}"
    names = (STORE_VARIABLE, warm.RUNTIME_VARIABLE, "PYTHONPATH", "JUPYTER_KF_PRELOAD")
    ports = {"hub": free_port(), "api": free_port()}
    (folder / "home").mkdir(parents=True)
    text = CONFIG.format(
        shipped=str(ROOT / "hub_config/jupyterhub_config.py"),
        url=front,
        folder=folder,
        proxy=str(PROXY),
        environment={name: environ[name] for name in names},
        **ports,
    )
    (folder / "config.py").write_text(text)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterhub", "-f", "config.py"],
            cwd=folder,
            env=environ | {"JUPYTER_KF_HUB_PASSWORD": PASSWORD},
            stdout=log,
            stderr=log,
        )
    try:
        wait_until(lambda: _answers(process, front), f"the hub did not start; see {folder / 'log'}", START)
        yield front
    finally:
        process.terminate()
        process.wait(30)


def _answers(process: subprocess.Popen[bytes], front: str) -> bool:
    assert process.poll() is None, "the hub has ended"
    with contextlib.suppress(requests.RequestException):
        return requests.get(f"{front}/hub/api", timeout=2).status_code == 200
    time.sleep(0.1)
    return False

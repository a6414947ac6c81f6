"""A real JupyterHub with its real proxy; its one user's server runs beside it."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from tests.conftest import wait_until

from .lab import START, LabServer, free_port

if TYPE_CHECKING:
    from playwright.sync_api import Page

PROXY = Path(__file__).parents[2] / "labextension/node_modules/.bin/configurable-http-proxy"
USER, PASSWORD = "ada", "a-password-for-tests"
CONFIG = """\
c.JupyterHub.bind_url = {url!r}
c.JupyterHub.hub_bind_url = {hub!r}
c.JupyterHub.db_url = {db!r}
c.JupyterHub.cookie_secret_file = {cookie!r}
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = {password!r}
c.Authenticator.allow_all = True
c.ConfigurableHTTPProxy.api_url = {api!r}
c.ConfigurableHTTPProxy.command = [{proxy!r}]
c.ConfigurableHTTPProxy.pid_file = {pid!r}
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = {home!r}
c.Spawner.cmd = [{python!r}, "-m", "jupyterhub.singleuser"]
c.Spawner.args = ["--allow-root", "--LabApp.expose_app_in_browser=True"]
c.Spawner.environment = {environment}
c.Spawner.default_url = "/lab"
"""


class HubServer(LabServer):
    """The user's server behind the hub; a page visits it by logging in."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.base = f"/user/{USER}/"

    @property
    def front(self) -> str:
        """The proxy's address."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the hub and its proxy; the user's server starts when they log in."""
        assert PROXY.exists(), "configurable-http-proxy is missing: make test-lab"
        self._write_page_config()
        handed = {k: v for k, v in self.environment.items() if k.startswith(("JUPYTER", "IPYTHON", "TF_"))}
        text = CONFIG.format(
            url=self.front,
            hub=f"http://127.0.0.1:{free_port()}",
            api=f"http://127.0.0.1:{free_port()}",
            db=f"sqlite:///{self.folder}/hub.sqlite",
            cookie=str(self.folder / "cookie"),
            pid=str(self.folder / "proxy.pid"),
            password=PASSWORD,
            proxy=str(PROXY),
            home=str(self.notebooks),
            python=sys.executable,
            environment=json.dumps({**handed, "PYTHONPATH": self.environment["PYTHONPATH"]}),
        )
        file = self.folder / "hub.py"
        file.write_text(text)
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jupyterhub", "-f", str(file)],
                env=self.environment,
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )
        wait_until(self.answers, f"the hub did not start:\n{self.log()[-3000:]}", START)

    def answers(self) -> bool:
        """Tell whether the hub answers through its proxy."""
        assert self.process is not None
        assert self.process.poll() is None, self.log()[-3000:]
        try:
            with urllib.request.urlopen(f"{self.front}/hub/api", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def visit(self, page: Page, path: str) -> None:
        """Log in and wait for the user's own server."""
        page.goto(f"{self.front}/hub/login")
        page.fill("#username_input", USER)
        page.fill("#password_input", PASSWORD)
        page.click("#login_submit")
        page.wait_for_url(f"**{self.base}lab**", timeout=90_000)
        page.goto(f"{self.url}{path}?reset")

"""The same things of three panels in one JupyterLab: ours, dask-labextension's, jupyter-scheduler's.

How much JavaScript a page loads for each, how long from asking for the panel to its content, and
what a page that only shows it asks of the server while nothing happens. All lists are empty. The
neighbours live in an environment of their own, which is made the first time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.conftest import wait_until
from tests.ui.conftest import CHROMIUM
from tests.ui.lab import LabServer
from tests.ui.page import LabPage

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Request

ROOT = Path(__file__).parents[1]
SECONDS = float(os.environ.get("BENCH_SECONDS", "20"))
HOME = Path(sys.prefix) / "neighbours"
PACKAGES = ["jupyterlab", "dask-labextension>=7,<8", "jupyter-scheduler>=2,<3"]
PAINT = """([command, selector]) => new Promise(done => {
  const begin = performance.now();
  const look = () => document.querySelector(selector)?.checkVisibility()
    ? requestAnimationFrame(() => done(performance.now() - begin)) : requestAnimationFrame(look);
  command.startsWith('#')
    ? jupyterapp.shell.activateById(command.slice(1)) : jupyterapp.commands.execute(command);
  look();
})"""


@dataclass
class Panel:
    """One panel: how it is shown, what shows that it has content, whose code and routes are its own."""

    name: str
    command: str
    selector: str
    code: str
    routes: tuple[str, ...]


PANELS = [
    Panel(
        "jupyter-kf",
        "jupyter-kf:show-panel",
        "#jupyter-kf-panel .jp-kf-empty",
        "jupyter-kf",
        ("jupyter-kf/",),
    ),
    Panel(
        "dask-labextension",
        "#dask-dashboard-launcher",
        ".dask-DaskClusterManager",
        "dask-labextension",
        ("dask/",),
    ),
    Panel(
        "jupyter-scheduler",
        "scheduling:list-jobs-from-launcher",
        ".jp-notebook-jobs-panel table, .jp-notebook-jobs-panel p",
        "@jupyterlab/scheduler",
        ("scheduler/",),
    ),
]


def environment() -> Path:
    """Make the neighbours' environment, with this package in it, and give its Python."""
    python = HOME / "bin/python"
    if (HOME / ".installed").exists():
        return python
    print("-- installing the neighbours", flush=True)
    subprocess.run([sys.executable, "-m", "venv", str(HOME)], check=True)
    pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    constraints = str(ROOT / "tests/constraints.txt")
    subprocess.run([*pip, "-c", constraints, *PACKAGES, str(ROOT)], check=True)
    (HOME / ".installed").touch()
    return python


def measure(browser: Browser, server: LabServer, panel: Panel) -> dict[str, float]:
    """Show one panel on a page of its own and watch it do nothing."""
    page = browser.new_page(viewport={"width": 1280, "height": 860})
    asked: list[Request] = []
    sizes: list[int] = []
    page.on("request", lambda request: asked.append(request))

    def loaded(answer: object) -> None:
        url = answer.url  # type: ignore[attr-defined]
        if f"/extensions/{panel.code}/" in url and ".js" in url:
            sizes.append(len(answer.body()))  # type: ignore[attr-defined]

    page.on("response", loaded)
    lab = LabPage(page, server)
    page.wait_for_timeout(5000)  # what JupyterLab itself does at its start
    paint = page.evaluate(PAINT, [panel.command, panel.selector])
    page.wait_for_timeout(3000)
    before, begun = cpu(server), len(asked)
    page.wait_for_timeout(1000 * SECONDS)
    used = cpu(server) - before
    own = [r for r in asked[begun:] if any(f"{server.base}{route}" in r.url for route in panel.routes)]
    lab.page.close()
    return {
        "JavaScript kB": sum(sizes) / 1000,
        "to the panel's content ms": paint,
        "own requests a minute, idle": 60 * len(own) / SECONDS,
        "server CPU with one idle page %": 100 * used / SECONDS,
    }


def cpu(server: LabServer) -> float:
    """Give the processor seconds that the server has used."""
    assert server.process is not None
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure the three and print a table; ``BENCH_SECONDS`` sets how long each is watched."""
    python = environment()
    print(f"load of the machine at the start {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(prefix="kf-ui-") as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        with mock.patch.object(sys, "executable", str(python)):
            server = LabServer(Path(folder))
            server.start()
        try:
            wait_until(server.answers, "the server does not answer")
            found = {panel.name: measure(browser, server, panel) for panel in PANELS}
        finally:
            server.stop()
            browser.close()
    for name, figures in found.items():
        for what, value in figures.items():
            print(f"{name:20} {what:34} {value:10.1f}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()

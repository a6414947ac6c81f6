"""A real JupyterLab, a real Chromium, and real gangs behind them.

Needs Chromium (``apt-get install chromium``); `JUPYTER_KF_CHROMIUM` names another executable.
Screenshots for the documentation are made where `JUPYTER_KF_SCREENSHOTS` names a folder.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from .lab import LabServer, scripted_server
from .page import LabPage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHROMIUM = os.environ.get("JUPYTER_KF_CHROMIUM") or shutil.which("chromium")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = [item for item in items if Path(__file__).parent in item.path.parents]
    for item in here:
        item.add_marker(pytest.mark.timeout(180))
        if CHROMIUM is None:
            item.add_marker(pytest.mark.skip(reason="no Chromium here: apt-get install chromium"))


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium. Of the package's scope: outside of it, other tests run asyncio loops of their own."""
    expect.set_options(timeout=20_000)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short name, as sockets lie in it."""
    made = Path(tempfile.mkdtemp(prefix="kf-ui-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="package")
def lab() -> Iterator[LabServer]:
    """One JupyterLab with the local backend for all tests that need no more."""
    folder = Path(tempfile.mkdtemp(prefix="kf-ui-"))
    server = LabServer(folder)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def own_scripted() -> Iterator[Callable[..., LabServer]]:
    """Start servers with a script of the test's own: ``own_scripted(jobs=10_000)``."""
    with contextlib.ExitStack() as stack:
        yield lambda **script: stack.enter_context(scripted_server(**script))


@pytest.fixture
def make_lab(folder: Path) -> Iterator[Callable[..., LabServer]]:
    """Start more servers, of the test's own: ``make_lab(app="notebook")``, ``make_lab(kind=HubServer)``."""
    made: list[LabServer] = []

    def start(kind: type[LabServer] = LabServer, **options: object) -> LabServer:
        server = kind(folder / str(len(made)), **options)  # type: ignore[arg-type]
        made.append(server)
        server.start()
        return server

    yield start
    for server in made:
        server.stop()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., LabPage]]:
    """Open a page of a server; a second call is a second user's browser."""
    contexts = []

    def opened(server: LabServer, path: str = "", **options: object) -> LabPage:
        context = browser.new_context(viewport={"width": 1280, "height": 860}, **options)
        contexts.append(context)
        return LabPage(context.new_page(), server, path)

    yield opened
    for context in contexts:
        context.close()

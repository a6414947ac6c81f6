"""The same click in Notebook 7, behind a real JupyterHub, and with two users in one notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nbformat
from playwright.sync_api import expect

from .hub import HubServer
from .page import FIT, SETUP, write_notebook
from .test_cell import CHECK
from .test_jobs import LONG, TICKS

if TYPE_CHECKING:
    from collections.abc import Callable

    from .lab import LabServer
    from .page import LabPage


def click_through(page: LabPage) -> None:
    """Click the job button, have the results applied, and use them in the next cell."""
    page.run_to_end(0)
    page.press_job_button(1)
    card = page.card(1)
    expect(card).to_contain_text("results applied", timeout=LONG)
    page.run_to_end(2)
    expect(page.cell(2)).to_contain_text("moved True")
    card.get_by_role("button", name="Show the logs").click()
    log = page.page.locator(".jp-kf-view .jp-kf-log")
    log.wait_for()
    expect(log).to_contain_text("Epoch 2/2")
    assert log.bounding_box()["height"] > 100  # type: ignore[index]


def test_notebook_7(make_lab: Callable[..., LabServer], open_page: Callable[..., LabPage]) -> None:
    server = make_lab(app="notebook")
    cells = [nbformat.v4.new_code_cell(source) for source in (SETUP, FIT, CHECK)]
    write_notebook(server.notebooks / "seven.ipynb", cells)
    page = open_page(server, "notebooks/seven.ipynb")
    page.kernel_ready()
    click_through(page)
    page.shot("notebook7")
    row = page.panel().locator(".jp-kf-row")
    expect(row).to_contain_text("succeeded")
    # Notebook's own listener for shortcuts trips at some starts, over other extensions' settings too
    assert [error for error in page.errors if "jupyter-kf" in error] == []


def test_behind_a_hub(make_lab: Callable[..., LabServer], open_page: Callable[..., LabPage]) -> None:
    server = make_lab(kind=HubServer)
    page = open_page(server)
    page.notebook(SETUP, FIT, CHECK)
    click_through(page)
    page.shot("hub")
    assert "/user/ada/" in page.page.url
    panel = page.panel()
    expect(panel.locator(".jp-kf-row")).to_contain_text("succeeded")
    expect(panel).not_to_contain_text("Not connected")
    assert page.errors == []


def test_two_users_in_one_notebook(
    make_lab: Callable[..., LabServer], open_page: Callable[..., LabPage]
) -> None:
    server = make_lab(collaboration=True)
    cells = [nbformat.v4.new_code_cell(TICKS.format(name="together"))]
    write_notebook(server.notebooks / "shared.ipynb", cells)
    page, other = open_page(server), open_page(server)
    page.open("shared.ipynb")
    other.open("shared.ipynb")
    page.run_to_end(0)
    for each in (page, other):
        expect(each.card(0)).to_contain_text("2/2 workers ready", timeout=LONG)
    other.shot("collaboration")
    other.card(0).get_by_role("button", name="Cancel together").click()
    for each in (page, other):
        expect(each.card(0)).to_contain_text("cancelled", timeout=30_000)
        expect(each.card(0)).to_have_count(1)
    assert page.errors == other.errors == []

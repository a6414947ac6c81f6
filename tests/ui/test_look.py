"""Panel, view, card and popover: readable in three themes, usable by keyboard and by ear."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest
from playwright.sync_api import expect

from jupyter_kf.spec import JobSpec, JobState, JobStatus
from tests.conftest import wait_until

from .lab import scripted_server
from .page import THEMES, write_notebook
from .scripted import FIRST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .lab import LabServer
    from .page import LabPage

TOUR = Path(__file__).parents[2] / "examples/tour.ipynb"
CARD = "application/vnd.jupyter-kf.job+json"
GONE = JobStatus(
    JobSpec("long-ago", 2, created=1.0), JobState.SUCCEEDED, started=2.0, finished=1.7e9, applied=1.7e9
)
LOST = JobStatus(JobSpec("lost", 2, created=1.0), JobState.RUNNING, started=2.0)


def card_output(name: str, status: JobStatus | None = None) -> nbformat.NotebookNode:
    data = {"name": name, "state": "RUNNING", "applied": False}
    if status:
        data |= {"status": status.to_dict()}
    return nbformat.v4.new_output(
        "display_data", {CARD: data, "text/html": f"<b>{name}</b>", "text/plain": name}
    )


@pytest.fixture(scope="package")
def scripted() -> Iterator[LabServer]:
    """A server with the five jobs of the story."""
    with scripted_server() as server:
        cells = [
            nbformat.v4.new_code_cell("%%kf --workers 4 --detach", outputs=[card_output(FIRST)]),
            nbformat.v4.new_code_cell("print('an ordinary cell')"),
            nbformat.v4.new_code_cell("%%kf", outputs=[card_output("digits-broken")]),
            nbformat.v4.new_code_cell("%%kf", outputs=[card_output("long-ago", GONE)]),
            nbformat.v4.new_code_cell("%%kf", outputs=[card_output("lost", LOST)]),
        ]
        write_notebook(server.notebooks / "cards.ipynb", cells)
        yield server


def workspace(server: LabServer, name: str) -> str:
    """Give what the server has saved of a page's layout."""
    return json.dumps(server.request(f"lab/api/workspaces/{name}"))


@pytest.mark.parametrize("theme", THEMES)
def test_nothing_is_hidden_from_anybody(
    scripted: LabServer, open_page: Callable[..., LabPage], theme: str
) -> None:
    page = open_page(scripted)
    page.theme(theme)
    problems: list[str] = []
    page.open("cards.ipynb")
    card = page.card(0)
    expect(card).to_contain_text("4/4 workers ready")
    expect(card.locator("polyline")).to_have_attribute("points", re.compile(r"\d"))
    expect(page.panel()).to_contain_text("No graphs are stored yet.")
    page.shot(f"cards-{theme}")
    problems += page.violations(".jp-kf-card") + page.violations("#jupyter-kf-panel")
    popover = page.press_options_button(1)
    page.shot(f"popover-{theme}")
    problems += page.violations(".jp-kf-popover")
    page.page.keyboard.press("Escape")
    expect(popover).to_have_count(0)
    for tab in ("overview", "logs", "metrics", "graph", "code"):
        view = page.view(FIRST, tab)
        expect(view.get_by_role("tabpanel")).not_to_be_empty()
        if tab == "logs":
            expect(view.locator(".jp-kf-log")).to_contain_text("step took")
        if tab == "graph":
            expect(view.get_by_role("button", name="network, group of 4999 operations")).to_be_visible()
            view.get_by_label("Find an operation").fill("block_321/MatMul")
            view.get_by_label("Find an operation").press("Enter")
            expect(view.locator(".jp-kf-graph-about")).to_contain_text("block_321/MatMul: MatMul, from")
        if tab == "metrics":
            expect(view.locator("canvas").first).to_be_visible()
        page.shot(f"view-{tab}-{theme}")
        problems += page.violations(f'[id="jupyter-kf-job-{FIRST}"]')
    assert problems == []
    assert page.errors == []


def test_a_card_tells_the_truth_after_a_month(scripted: LabServer, open_page: Callable[..., LabPage]) -> None:
    page = open_page(scripted)
    page.open("cards.ipynb")
    expect(page.card(2)).to_contain_text("failed")
    expect(page.card(2)).to_contain_text("Rank 1 ended with ValueError")
    expect(page.card(3)).to_contain_text("Ended Nov 14, 2023, results applied. The job has been deleted.")
    expect(page.card(3).get_by_role("button")).to_have_count(0)
    expect(page.card(4)).to_contain_text("The job has been deleted.")
    expect(page.card(4)).not_to_contain_text("running")


def test_the_popover_edits_the_first_line(scripted: LabServer, open_page: Callable[..., LabPage]) -> None:
    page = open_page(scripted)
    page.notebook("print(1)")
    page.select(0)
    keys = page.page.keyboard
    keys.press("Control+Alt+KeyO")
    popover = page.page.get_by_role("dialog", name="How this cell runs")
    expect(popover.get_by_label("Workers")).to_be_focused()
    keys.type("7")
    popover.get_by_label("Name").fill("Not a name!")
    popover.get_by_role("button", name="Set").click()
    assert page.source(0) == "print(1)"  # the browser says what is wrong with the name
    popover.get_by_label("Name").fill("night")
    popover.get_by_label("Detach").check()
    popover.get_by_role("button", name="Set").click()
    expect(popover).to_have_count(0)
    assert page.source(0) == "%%kf --workers 7 --name night --detach\nprint(1)"
    # the next cell starts with what was chosen last, but for the name
    page.run_command("notebook:insert-cell-below")
    page.press_options_button(1)
    expect(popover.get_by_label("First line of the cell")).to_have_text("%%kf --workers 7 --detach")
    keys.press("Escape")
    page.press_options_button(0)
    popover.get_by_role("button", name="Not a job").click()
    expect(popover).to_have_count(0)
    assert page.source(0) == "print(1)"


def test_the_tour_shows_the_click(scripted: LabServer, open_page: Callable[..., LabPage]) -> None:
    shutil.copy(TOUR, scripted.notebooks / "tour.ipynb")
    sources = [cell.source for cell in nbformat.read(TOUR, as_version=4).cells]
    number = next(i for i, source in enumerate(sources) if source.startswith("%%kf"))
    assert "press the job button" in sources[number - 1]
    page = open_page(scripted)
    page.theme("light")
    page.open("tour.ipynb")
    popover = page.press_options_button(number)
    expect(popover.get_by_label("First line of the cell")).to_have_text("%%kf --workers 2")
    expect(popover).to_contain_text("Free places not known")
    popover.get_by_role("button", name="Not a job").click()
    assert not page.source(number).startswith("%%kf")
    button = page.page.locator('.jp-cell-toolbar [data-jp-item-name="jupyter-kf-run"]')
    expect(button).to_be_visible()
    button.hover()
    page.shot("tour-click", page.cell(number))
    expect(page.cell(number)).not_to_have_class(re.compile("jp-kf-job-cell"))
    assert page.errors == []


def test_the_panel_by_keyboard(scripted: LabServer, open_page: Callable[..., LabPage]) -> None:
    page = open_page(scripted)
    panel = page.panel()
    keys = page.page.keyboard
    panel.get_by_label("Filter the jobs").press_sequentially("digits")
    rows = panel.locator(".jp-kf-row")
    expect(rows).to_have_count(3)
    panel.get_by_label("Group by").select_option("state")
    expect(panel.get_by_role("heading", level=3)).to_have_text(["succeeded", "failed", "cancelled"])
    cancel = panel.get_by_role("button", name="Cancel the ticked jobs")
    expect(cancel).to_have_attribute("title", "Tick some jobs first")
    panel.get_by_label("Tick digits-small").press("Space")
    expect(cancel).to_have_attribute("title", "None of the ticked jobs is running")
    first = panel.get_by_role("button", name="digits-small")
    first.focus()
    keys.press("ArrowDown")
    expect(panel.get_by_role("button", name="digits-broken")).to_be_focused()
    keys.press("Enter")
    view = page.page.locator('[id="jupyter-kf-job-digits-broken"]')
    view.get_by_role("tab", name="Overview").focus()
    keys.press("ArrowRight")
    expect(view.get_by_role("tab", name="Logs")).to_be_focused()
    expect(view.get_by_role("tab", name="Logs")).to_have_attribute("aria-selected", "true")


def test_a_graph_by_keyboard(scripted: LabServer, open_page: Callable[..., LabPage]) -> None:
    page = open_page(scripted)
    view = page.view(FIRST, "graph")
    keys = page.page.keyboard
    graph = view.locator(".jp-kf-graph")
    network = view.get_by_role("button", name="network, group of 4999 operations")
    network.press("Enter")
    expect(network).to_have_attribute("aria-expanded", "true")
    stage = view.get_by_role("button", name="stage_3, group of 500 operations")
    stage.press("Enter")
    view.get_by_role("button", name="block_150, group of 10 operations").press("Enter")
    view.get_by_role("button", name="network/stage_3/block_150/Relu", exact=True).press("Enter")
    expect(view.locator(".jp-kf-graph-about")).to_contain_text("Relu, from network/stage_3/block_150/BiasAdd")
    before = graph.get_attribute("viewBox")
    keys.press("+")
    keys.press("ArrowLeft")
    assert graph.get_attribute("viewBox") != before
    view.get_by_role("button", name="Close all groups").press("Enter")
    expect(view.locator(".jp-kf-box")).to_have_count(2)
    expect(view.get_by_role("button", name="Close all groups")).to_have_attribute("title", "No group is open")
    assert page.errors == []


def test_jobs_over_each_other_and_as_a_table(scripted: LabServer, open_page: Callable[..., LabPage]) -> None:
    page = open_page(scripted)
    view = page.view(FIRST, "metrics")
    view.get_by_label("Compare with").select_option("digits-small")
    legend = view.locator(".u-legend").first
    expect(legend).to_contain_text(FIRST)
    expect(legend).to_contain_text("digits-small")
    page.shot("view-compare")
    view.get_by_label("As a table").check()
    table = view.get_by_role("table", name="loss")
    expect(table.get_by_role("rowheader", name="digits-small").first).to_be_visible()
    view.get_by_label("As a table").uncheck()
    view.get_by_role("button", name="Take digits-small out of the comparison").click()
    expect(view.locator(".u-legend").first).not_to_contain_text("digits-small")
    assert page.errors == []


def test_the_status_bar_counts_and_opens_the_panel(
    own_scripted: Callable[..., LabServer], open_page: Callable[..., LabPage]
) -> None:
    server = own_scripted()
    page = open_page(server)
    status = page.page.locator(".jp-kf-status")
    expect(status).to_have_text("Jobs: 1 running, 1 waiting")
    for name in (FIRST, "waiting-for-a-place"):
        server.request(f"jupyter-kf/jobs/{name}/cancel", "POST")
    expect(status).to_have_text("Jobs: 0 running")
    status.get_by_role("button").press("Enter")
    expect(page.page.locator("#jupyter-kf-panel")).to_be_visible()


def test_delete_asks_and_tells_every_page(
    own_scripted: Callable[..., LabServer], open_page: Callable[..., LabPage]
) -> None:
    server = own_scripted()
    page, other = open_page(server), open_page(server)
    panel, second = page.panel(), other.panel()
    expect(second.locator(".jp-kf-row")).to_have_count(5)
    panel.get_by_label("Tick digits-stopped").check()
    panel.get_by_label("Tick digits-broken").check()
    panel.get_by_role("button", name="Delete the ticked jobs").click()
    page.page.get_by_role("button", name="Delete", exact=True).last.click()
    for each in (panel, second):
        expect(each.locator(".jp-kf-row")).to_have_count(3)
    assert "digits-broken" not in server.jobs()


def test_the_view_comes_back_after_a_reload(scripted: LabServer, open_page: Callable[..., LabPage]) -> None:
    page = open_page(scripted, "lab/workspaces/kept")
    page.view("digits-small", "code")
    wait_until(lambda: "digits-small" in workspace(scripted, "kept"), "the workspace was not saved")
    page.page.goto(f"{scripted.url}lab/workspaces/kept")
    view = page.page.locator('[id="jupyter-kf-job-digits-small"]')
    expect(view.get_by_role("heading", name="digits-small")).to_be_visible()


def test_a_log_of_a_million_lines(
    own_scripted: Callable[..., LabServer], open_page: Callable[..., LabPage]
) -> None:
    server = own_scripted(log=1_000_000)
    page = open_page(server)
    view = page.view(FIRST, "logs")
    log = view.locator(".jp-kf-log")
    expect(log).to_contain_text("0999999")
    assert log.locator(".jp-kf-line").count() < 200
    view.get_by_role("button", name="Earlier lines").click()
    view.get_by_label("Search in the log").fill("0990001")
    view.get_by_role("button", name="Next").click()
    expect(log.locator(".jp-mod-found")).to_contain_text("0990001 step took")
    expect(log.locator(".jp-mod-found .ansi-red-fg, .jp-mod-found [class^=ansi]").first).to_have_text(
        "0990001"
    )
    assert log.locator("b").count() == 0  # text is text
    with page.page.expect_download() as download:
        view.get_by_role("link", name="Download").click()
    text = download.value.path().read_text()
    assert text.count("\n") >= 1_000_000
    view.get_by_label("Worker").select_option("all")
    expect(view.get_by_role("link", name="Download")).to_have_attribute("href", re.compile("rank=all$"))
    assert page.errors == []

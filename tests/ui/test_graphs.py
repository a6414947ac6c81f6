"""Stored graphs and schedules in the panel: looked at, run from a dialog, renamed, compared, scheduled."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from jupyter_kf.store import ArtifactStore
from tests.shelved import TRAINED, shelve

from .lab import scripted_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Locator

    from .lab import LabServer
    from .page import LabPage

# What a user stores: a step of a model of one layer; and two files of data, one of which does not fit.
STORE = """\
import keras, numpy as np, jupyter_kf as kf
x = np.random.default_rng(0).normal(size=(64, 8)).astype("float32")
y = x.sum(1, keepdims=True)
model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
model.compile("sgd", "mse")
kf.save_graph("line", model, x[:16], y[:16], train=True, description="A line")
np.savez("x.npz", x=x, y=y)
np.savez("bad.npz", x=x)
"""
DAILY = {"graph": "ranker", "cron": "0 3 * * *", "run": {"workers": 4, "data": "x.npz"}}


@pytest.fixture(scope="module")
def server() -> Iterator[LabServer]:
    """A server whose store has graphs of two versions, one for each test that changes it."""
    with scripted_server() as started:
        store = ArtifactStore(str(started.folder / "store"))
        for name in ("ranker", "first"):
            shelve(store, name)
            ops = {"MatMul": 2, "BiasAdd": 1}
            shelve(store, name, trained=TRAINED, weights_file=b"1" * 12_345, ops=ops)
        shelve(store, "other", asks=("ReadFile",), has_data=True, description="Reads a file")
        (started.notebooks / "x.npz").write_bytes(b"")
        yield started


def graph_page(page: LabPage, name: str, tab: str = "overview") -> Locator:
    page.run_command("jupyter-kf:open-graph", name=name, tab=tab)
    found = page.page.locator(f'[id="jupyter-kf-graph-{name}"]')
    found.wait_for()
    return found


def test_without_graphs_the_panel_says_how(
    own_scripted: Callable[..., LabServer], open_page: Callable[..., LabPage]
) -> None:
    page = open_page(own_scripted())
    expect(page.panel()).to_contain_text("No graphs are stored yet. Store one with kf.save_graph(")
    found = graph_page(page, "nobody")
    expect(found).to_contain_text("There is no graph nobody any more.")
    away = {"status": 502, "body": json.dumps({"message": "The store is away."})}
    page.page.route("**/jupyter-kf/graphs*", lambda route: route.fulfill(**away))
    page.reload()
    told = page.panel().locator(".jp-kf-graphs [role=status]")
    expect(told).to_have_text("The store is away.")
    assert page.errors == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_graphs_are_seen_by_everybody(
    server: LabServer, open_page: Callable[..., LabPage], theme: str
) -> None:
    name = f"daily-{theme}"
    server.request("jupyter-kf/schedules", "POST", DAILY | {"name": name})
    page = open_page(server)
    page.theme(theme)
    problems: list[str] = []
    panel = page.panel()
    row = panel.locator('[data-graph="ranker"]')
    expect(row).to_contain_text("2 versions · training · 13 kB")
    expect(panel.locator(f'[data-schedule="{name}"]')).to_contain_text("0 3 * * * (Etc/UTC) · next ")
    problems += page.violations("#jupyter-kf-panel")
    row.get_by_role("button", name="ranker", exact=True).press("Enter")
    found = page.page.locator('[id="jupyter-kf-graph-ranker"]')
    expect(found.get_by_role("table", name="Signature")).to_contain_text("float32[?, 8]")
    expect(found).to_contain_text("400 steps from version 1, by the job ranker-x7k2p")
    page.shot(f"graph-overview-{theme}")
    selector = '[id="jupyter-kf-graph-ranker"]'
    problems += page.violations(selector)
    found.get_by_role("tab", name="Overview").press("ArrowRight")
    expect(found.get_by_role("button", name="network, group of 3 operations")).to_be_visible()
    page.shot(f"graph-picture-{theme}")
    problems += page.violations(selector)
    found.get_by_role("tab", name="Graph").press("ArrowRight")
    expect(found.get_by_label("The cell it came from")).to_contain_text("kf.save_graph('ranker'")
    problems += page.violations(selector)
    found.get_by_role("tab", name="Code").press("ArrowRight")
    expect(found.get_by_role("region", name="Operations")).to_contain_text("+1 MatMul")
    expect(found.get_by_role("region", name="Weights")).to_contain_text("The values are others.")
    problems += page.violations(selector)
    for button, dialog in (("Run ranker", "Run ranker, version 2"), ("Run ranker on a schedule",) * 2):
        found.get_by_role("button", name=button, exact=True).click()
        form = page.page.get_by_role("dialog", name=dialog)
        expect(form).to_contain_text("Of each example it takes x float32[?, 8], y float32[?, 1]")
        page.shot(f"graph-{'schedule' if 'schedule' in button else 'run'}-{theme}")
        problems += page.violations(".jp-kf-dialog")
        page.page.keyboard.press("Escape")
        expect(form).to_have_count(0)
        expect(found.get_by_role("button", name=button, exact=True)).to_be_focused()
    assert problems == []
    assert page.errors == []


def test_a_run_from_the_dialog_is_checked_and_trains(
    make_lab: Callable[..., LabServer], open_page: Callable[..., LabPage]
) -> None:
    """Stored in a kernel, run on two real replicas without one: its next version has other weights."""
    server = make_lab()
    page = open_page(server)
    page.notebook(STORE)
    page.run_to_end(0)
    panel = page.panel()
    panel.get_by_role("button", name="Run line").click(timeout=40_000)
    form = page.page.get_by_role("dialog", name="Run line, version 1")
    data, run = form.get_by_label("Data"), form.get_by_role("button", name="Run")
    expect(data).to_be_focused()
    run.click()
    assert data.evaluate("field => field.validity.valueMissing")
    data.fill("absent.npz")
    form.get_by_label("Steps").fill("3")
    form.get_by_label("Name of the job").fill("Not a name!")
    run.click()
    assert form.get_by_label("Name of the job").evaluate("field => field.validity.patternMismatch")
    form.get_by_label("Name of the job").fill("by-dialog")
    run.click()
    expect(form.get_by_role("alert")).to_contain_text("There is no file 'absent.npz'")
    data.fill("bad.npz")
    run.click()
    expect(form.get_by_role("alert")).to_contain_text("takes 2")
    data.fill("x.npz")
    run.press("Enter")
    expect(form).to_have_count(0, timeout=60_000)
    expect(page.page.locator('[id="jupyter-kf-job-by-dialog"]')).to_contain_text("succeeded", timeout=90_000)
    assert server.jobs()["by-dialog"]["spec"]["replicas"] == 2
    found = graph_page(page, "line")
    expect(found.get_by_role("table", name="Last runs")).to_contain_text("by-dialog")
    expect(found).to_contain_text("3 steps from version 1, by the job by-dialog")
    found.get_by_role("tab", name="Compare").click()
    expect(found.get_by_role("region", name="Weights")).to_contain_text("The values are others.")
    expect(panel.locator('[data-graph="line"]')).to_contain_text("last run succeeded")
    assert page.errors == []


def test_a_graph_that_reads_files_is_run_by_consent_only(
    server: LabServer, open_page: Callable[..., LabPage]
) -> None:
    page = open_page(server)
    graph_page(page, "other", "run")
    form = page.page.get_by_role("dialog", name="Run other, version 1")
    form.get_by_role("button", name="Run").click()
    consent = form.get_by_label("It may read or write files: ReadFile")
    assert consent.evaluate("field => field.validity.valueMissing")
    consent.check()
    with page.page.expect_request("**/graphs/other/run*") as sent:
        form.get_by_role("button", name="Run").click()
    assert sent.value.post_data_json == {"version": 1, "workers": 2, "allow": ["ReadFile"]}


def test_a_schedule_is_made_paused_and_deleted(server: LabServer, open_page: Callable[..., LabPage]) -> None:
    page = open_page(server, timezone_id="Europe/Berlin")
    found = graph_page(page, "ranker")
    found.get_by_role("button", name="Run ranker on a schedule").click()
    form = page.page.get_by_role("dialog", name="Run ranker on a schedule")
    expect(form.get_by_label("Time zone")).to_have_value("Europe/Berlin")
    send = form.get_by_role("button", name="Schedule")
    form.get_by_label("When").fill("0 25 * * *")
    form.get_by_label("Data").fill("x.npz")
    send.click()
    expect(form.get_by_role("alert")).to_have_text("'25' is no hour: it goes from 0 to 23.")
    form.get_by_label("When").fill("0 3 * * mon-fri")
    form.get_by_label("Name of the schedule").fill("nightly")
    send.click()
    expect(form).to_have_count(0)
    row = page.panel().locator('[data-schedule="nightly"]')
    expect(row).to_contain_text("ranker · 0 3 * * mon-fri (Europe/Berlin) · next ")
    row.get_by_role("button", name="Pause the schedule nightly").press("Enter")
    expect(row).to_contain_text("paused")
    row.get_by_role("button", name="Resume the schedule nightly").press("Enter")
    expect(row).to_contain_text("next ")
    row.get_by_role("button", name="Delete the schedule nightly").click()
    page.page.locator(".jp-Dialog").get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0)
    left = server.request("jupyter-kf/schedules")["schedules"]
    assert "nightly" not in [each["spec"]["name"] for each in left]
    assert page.errors == []


def test_rename_and_delete_ask_first(server: LabServer, open_page: Callable[..., LabPage]) -> None:
    page = open_page(server)
    panel = page.panel()
    found = graph_page(page, "first")
    dialog = page.page.locator(".jp-Dialog")
    found.get_by_role("button", name="Rename first").click()
    dialog.get_by_role("textbox").fill("other")
    dialog.get_by_role("button", name="Rename").click()
    expect(dialog).to_contain_text("There is a graph 'other' already")
    dialog.get_by_role("button").last.click()
    found.get_by_role("button", name="Rename first").click()
    dialog.get_by_role("textbox").fill("sorter")
    dialog.get_by_role("button", name="Rename").click()
    expect(panel.locator('[data-graph="sorter"]')).to_be_visible()
    expect(panel.locator('[data-graph="first"]')).to_have_count(0)
    renamed = graph_page(page, "sorter")
    renamed.get_by_role("button", name="Delete version 1 of sorter").click()
    expect(dialog).to_contain_text("Version 1 of sorter will be gone.")
    dialog.get_by_role("button", name="Delete").click()
    expect(panel.locator('[data-graph="sorter"]')).to_contain_text("1 version ·")
    renamed.get_by_role("button", name="Delete sorter").click()
    dialog.get_by_role("button", name="Keep").click()
    expect(panel.locator('[data-graph="sorter"]')).to_be_visible()
    renamed.get_by_role("button", name="Delete sorter").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(renamed).to_contain_text("There is no graph sorter any more.")
    assert [g["name"] for g in server.request("jupyter-kf/graphs")["graphs"]] == ["other", "ranker"]
    assert page.errors == []

"""Jobs that go on: cancelled from everywhere, seen through reloads, restarts and by two pages."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.conftest import wait_until

from .page import FIT, SETUP

if TYPE_CHECKING:
    from collections.abc import Callable

    from .lab import LabServer
    from .page import LabPage

TICKS = """%%kf --workers 2 --detach --name {name}
import time
for i in range(6000):
    print("tick", i, flush=True)
    time.sleep(0.05)
"""
MOVED = "print('moved', (model.get_weights()[0] != before).any())"
LONG = 90_000  # milliseconds: the first gang imports TensorFlow


def test_cancel_from_card_panel_and_view(lab: LabServer, open_page: Callable[..., LabPage]) -> None:
    page = open_page(lab)
    names = ("by-card", "by-panel", "by-view")
    page.notebook(*(TICKS.format(name=name) for name in names))
    for i, name in enumerate(names):
        page.run_to_end(i)
        expect(page.card(i)).to_contain_text("2/2 workers ready", timeout=LONG)
        if name == "by-card":
            page.card(i).get_by_role("button", name="Cancel by-card").click()
        elif name == "by-panel":
            panel = page.panel()
            panel.get_by_label("Tick by-panel").check()
            panel.get_by_role("button", name="Cancel the ticked jobs").click()
        else:
            view = page.view(name, "logs")
            expect(view.locator(".jp-kf-log")).to_contain_text("tick", timeout=LONG)
            page.shot("view-live-log")
            view.get_by_role("button", name="Cancel by-view").click()
            expect(view.get_by_role("button", name="Cancel by-view")).to_have_attribute(
                "title", "The job has ended", timeout=30_000
            )
            continue
        expect(page.card(i)).to_contain_text("cancelled", timeout=30_000)
    assert {lab.jobs()[name]["state"] for name in names} == {"CANCELLED"}
    assert page.errors == []


def test_two_pages_and_a_reload_in_the_middle(lab: LabServer, open_page: Callable[..., LabPage]) -> None:
    page, other = open_page(lab), open_page(lab)
    name = page.notebook(TICKS.format(name="seen-twice"))
    page.run_to_end(0)
    expect(page.card(0)).to_contain_text("running", timeout=LONG)
    row = other.panel().locator('[data-job="seen-twice"]')
    expect(row).to_contain_text("running")
    page.save()
    page.reload()
    page.open(name)
    expect(page.card(0)).to_contain_text("running")
    page.card(0).get_by_role("button", name="Cancel seen-twice").click()
    expect(page.card(0)).to_contain_text("cancelled", timeout=30_000)
    expect(row).to_contain_text("cancelled")


def test_server_restart_in_the_middle(
    make_lab: Callable[..., LabServer], open_page: Callable[..., LabPage]
) -> None:
    server = make_lab()
    page = open_page(server)
    page.notebook(TICKS.format(name="survivor"))
    page.run_to_end(0)
    expect(page.card(0)).to_contain_text("running", timeout=LONG)
    view = page.view("survivor", "logs")
    expect(view.locator(".jp-kf-log")).to_contain_text("tick")
    panel = page.panel()
    server.end_server(signal.SIGKILL)
    expect(panel).to_contain_text("Not connected to the server")
    server.start()
    expect(panel).not_to_contain_text("Not connected", timeout=30_000)
    expect(panel.locator('[data-job="survivor"]')).to_contain_text("running")
    before = last_tick(page)
    wait_until(lambda: last_tick(page) > before, "the log did not go on after the restart")
    server.request("jupyter-kf/jobs/survivor/cancel", "POST")
    expect(panel.locator('[data-job="survivor"]')).to_contain_text("cancelled", timeout=30_000)


def last_tick(page: LabPage) -> int:
    lines = page.page.locator(".jp-kf-log .jp-kf-line").all_inner_texts()
    return max((int(line.split()[1]) for line in lines if line.startswith("tick ")), default=-1)


def test_detach_then_apply_by_the_card(lab: LabServer, open_page: Callable[..., LabPage]) -> None:
    page = open_page(lab)
    page.notebook(SETUP, f"%%kf --workers 2 --detach\n{FIT}", MOVED)
    page.run_to_end(0)
    page.run_to_end(1)
    card = page.card(1)
    apply = card.get_by_role("button", name="Apply the results")
    apply.wait_for(timeout=LONG)
    page.shot("card-apply")
    apply.click()
    expect(card).to_contain_text("results applied", timeout=30_000)
    expect(apply).to_have_count(0)
    assert page.source(2).endswith(".apply()")
    page.run_to_end(3)
    expect(page.cell(3)).to_contain_text("moved True")

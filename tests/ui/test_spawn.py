"""The spawn page of a real hub in a real browser: what one gets, what is free, and what one may not have."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from .hub import PASSWORD, USER
from .page import AXE
from .spawn import node, pod, spawn_hub

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

GPU = "nvidia.com/gpu"
NODES = [node("a", nvidia=4, amd=2), node("b", nvidia=4)]
PODS = [pod("jhub-ada", GPU, 3), pod("others", "amd.com/gpu", 2)]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with spawn_hub(tmp_path_factory.mktemp("spawn") / "hub", NODES, PODS) as front:
        yield front


@pytest.fixture(params=[True, False], ids=["scripts", "no-scripts"])
def page(browser: Browser, hub: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    context = browser.new_context(java_script_enabled=request.param, viewport={"width": 900, "height": 1000})
    opened = context.new_page()
    visit(opened, hub)
    yield opened
    context.close()


def visit(page: Page, front: str) -> None:
    """Log in, and reload the page until the hub has seen the cluster, which takes it a moment."""
    page.goto(f"{front}/login")
    page.fill("#username_input", USER)
    page.fill("#password_input", PASSWORD)
    page.press("#password_input", "Enter")
    page.wait_for_url("**/hub/spawn**")


def card(page: Page, name: str):  # type: ignore[no-untyped-def]
    return page.locator(".kf-profile", has=page.locator(f"#profile-item-{name}"))


def seen(page: Page, hub: str) -> None:
    for _ in range(20):
        if "not known" not in page.content():
            return
        page.goto(f"{hub}/spawn")
    raise AssertionError("the hub sees no nodes")


def test_cards_say_what_one_gets_and_what_is_free(page: Page, hub: str) -> None:
    seen(page, hub)
    expect(card(page, "cpu")).to_contain_text("4 cores")
    expect(card(page, "cpu")).to_contain_text("16 GiB of memory")
    expect(card(page, "cpu")).to_contain_text("For looking at <data>.")
    expect(card(page, "gpu")).to_contain_text("5 free, at most 4 on one node.")
    expect(card(page, "gpu")).to_contain_text("queue gpus")
    expect(card(page, "amd")).to_contain_text("None free; a server waits until there is one.")
    expect(card(page, "tpu")).to_contain_text("None free; the pool can grow to 32.")
    expect(page.locator(".kf-warning")).to_have_count(0)  # one more GPU is within the quota


def test_what_is_over_the_quota_is_refused_in_words(page: Page, hub: str) -> None:
    """By labels and the keyboard alone, and the choice is there again afterwards."""
    page.get_by_label("NVIDIA GPU").check()
    card(page, "gpu").get_by_label("How many").select_option("2")
    card(page, "gpu").get_by_label("Image").select_option(label="JAX")
    page.get_by_role("button", name="Start").press("Enter")
    expect(page.locator("body")).to_contain_text(
        "You may hold 4 nvidia.com/gpu at once, servers and jobs together."
    )
    expect(page.locator("body")).to_contain_text("You hold 3 nvidia.com/gpu in 1 pod")
    page.goto(f"{hub}/spawn")
    expect(page.get_by_label("NVIDIA GPU")).to_be_checked()
    expect(card(page, "gpu").get_by_label("How many")).to_have_value("2")


def test_it_can_be_read_by_all(browser: Browser, hub: str) -> None:
    context = browser.new_context(viewport={"width": 900, "height": 1000})
    page = context.new_page()
    visit(page, hub)
    seen(page, hub)
    page.get_by_label("NVIDIA GPU").check()
    page.add_script_tag(path=str(AXE))
    # The button below is JupyterHub's, and its colours are.
    found = page.evaluate("() => axe.run({include: [['#spawn_form fieldset']]})")["violations"]
    assert [(each["id"], [n["html"] for n in each["nodes"]][:3]) for each in found] == []
    page.get_by_label("NVIDIA GPU").press("ArrowDown")
    expect(page.get_by_label("AMD GPU")).to_be_checked()
    if folder := os.environ.get("JUPYTER_KF_SCREENSHOTS"):
        page.screenshot(path=str(Path(folder) / "spawn.png"), full_page=True)
    context.close()


def test_unknown_is_said_and_not_shown_as_none(browser: Browser, blind: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    visit(page, blind)
    expect(card(page, "gpu")).to_contain_text("How many are free is not known.")
    expect(card(page, "amd")).to_contain_text("How many are free is not known.")
    expect(page.locator("#spawn_form")).not_to_contain_text("None free")
    context.close()


@pytest.fixture(scope="module")
def blind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A hub that may not see the nodes."""
    with spawn_hub(tmp_path_factory.mktemp("blind") / "hub", None, []) as front:
        yield front

"""TensorBoard through jupyter-server-proxy, on what the job itself wrote."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from .page import SETUP

if TYPE_CHECKING:
    from collections.abc import Callable

    from .lab import LabServer
    from .page import LabPage

FIT = """%%kf --workers 2 --name watched
model.fit(x, y, epochs=2, verbose=2, callbacks=[keras.callbacks.TensorBoard("boards/first")])"""
PLAIN = """%%kf --workers 2 --name plain
model.fit(x, y, epochs=1, verbose=2)"""


@pytest.mark.skipif(
    not importlib.util.find_spec("jupyter_server_proxy"), reason="no jupyter-server-proxy here"
)
def test_open_tensorboard(lab: LabServer, open_page: Callable[..., LabPage]) -> None:
    page = open_page(lab)
    page.notebook(SETUP, FIT, PLAIN)
    page.run_to_end(0)
    page.run_to_end(1)
    expect(page.card(1)).to_contain_text("results applied", timeout=90_000)
    page.run_to_end(2)
    expect(page.card(2)).to_contain_text("results applied", timeout=90_000)
    without = page.view("plain").get_by_role("button", name="Open TensorBoard")
    expect(without).to_have_attribute("aria-disabled", "true")
    expect(without).to_have_attribute(
        "title", f"No event files were begun below {lab.notebooks} while the job ran."
    )
    page.shot("view-no-tensorboard")
    button = page.view("watched").get_by_role("button", name="Open TensorBoard")
    expect(button).to_be_enabled()
    expect(button).not_to_have_attribute("aria-disabled", "true")
    page.shot("view-tensorboard")
    with page.page.context.expect_page() as opened:
        button.click()
    board = opened.value
    # the proxy starts TensorBoard with this first look
    expect(board.get_by_text("epoch_loss").first).to_be_visible(timeout=90_000)
    expect(board.get_by_text("watched/boards/first/train").first).to_be_visible()
    assert page.errors == []

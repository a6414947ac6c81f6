"""The commands: all in the palette, asking which job is meant where none is given; what is shown late."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

from .scripted import FIRST

if TYPE_CHECKING:
    from collections.abc import Callable

    from .lab import LabServer
    from .page import LabPage

OURS = """() => jupyterapp.commands.listCommands().filter(id => id.startsWith('jupyter-kf:'))
  .map(id => [id, jupyterapp.commands.label(id)])"""


def test_every_command_is_in_the_palette_and_asks_what_it_is_not_told(
    own_scripted: Callable[..., LabServer], open_page: Callable[..., LabPage]
) -> None:
    server = own_scripted()
    page = open_page(server)
    ours = dict(page.page.evaluate(OURS))
    assert len(ours) == 10
    expect(page.page.locator(".jp-kf-status")).to_have_text("Jobs: 1 running, 1 waiting")
    page.page.locator(".jp-LauncherCard").first.wait_for()  # it takes the focus, and the palette goes with it
    page.run_command("apputils:activate-command-palette")
    palette = page.page.locator("#command-palette")
    palette.locator("input").fill("Distributed Jobs")
    for command in ("cancel-job", "open-graph", "show-panel"):
        expect(palette.get_by_text(ours[f"jupyter-kf:{command}"], exact=True)).to_be_visible()
    palette.get_by_text(ours["jupyter-kf:cancel-job"], exact=True).click()
    dialog = page.page.locator(".jp-Dialog")
    choice = dialog.get_by_role("combobox")
    expect(choice.get_by_role("option")).to_have_text([FIRST, "waiting-for-a-place"])
    choice.select_option("waiting-for-a-place")
    dialog.get_by_role("button", name="Choose").click()
    expect(page.page.locator(".jp-kf-status")).to_have_text("Jobs: 1 running")
    page.page.evaluate("() => void jupyterapp.commands.execute('jupyter-kf:open-graph')")
    expect(page.page.locator(".Toastify__toast")).to_contain_text("There is none.")
    assert page.errors == []


def test_a_server_that_is_gone_is_told_in_words_and_a_hidden_view_catches_up(
    own_scripted: Callable[..., LabServer], open_page: Callable[..., LabPage]
) -> None:
    server = own_scripted()
    page = open_page(server)
    view = page.view(FIRST)
    expect(view).to_contain_text("running")
    page.view("digits-small")
    expect(view).to_be_hidden()
    server.request(f"jupyter-kf/jobs/{FIRST}/cancel", "POST")
    expect(page.page.locator(".jp-kf-status")).to_have_text("Jobs: 0 running, 1 waiting")
    page.run_command("jupyter-kf:open-job", name=FIRST)
    expect(view.get_by_role("button", name=f"Cancel {FIRST}")).to_have_attribute("title", "The job has ended")
    server.end_server()
    view.get_by_role("tab", name="Graph").click()
    expect(view).to_contain_text("The notebook server does not answer. Try again when it is back.")

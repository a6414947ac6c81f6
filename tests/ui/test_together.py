"""Two people in one notebook: one leaves, the job goes on, and they come back to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nbformat
from playwright.sync_api import expect

from .page import write_notebook
from .test_jobs import LONG, TICKS

if TYPE_CHECKING:
    from collections.abc import Callable

    from .lab import LabServer
    from .page import LabPage


def test_who_left_comes_back_to_the_job(
    make_lab: Callable[..., LabServer], open_page: Callable[..., LabPage]
) -> None:
    server = make_lab(collaboration=True)
    write_notebook(server.notebooks / "shared.ipynb", [nbformat.v4.new_code_cell(TICKS.format(name="left"))])
    first, other = open_page(server), open_page(server)
    first.open("shared.ipynb")
    other.open("shared.ipynb")
    first.run_to_end(0)
    expect(other.card(0)).to_contain_text("2/2 workers ready", timeout=LONG)

    first.page.context.close()

    expect(other.card(0)).to_contain_text("running")
    back = open_page(server)
    back.open("shared.ipynb")
    expect(back.card(0)).to_contain_text("2/2 workers ready", timeout=LONG)
    back.card(0).get_by_role("button", name="Cancel left").click()
    for each in (back, other):
        expect(each.card(0)).to_contain_text("cancelled", timeout=30_000)
    assert back.errors == other.errors == []

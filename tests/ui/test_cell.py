"""One click sends a cell out; its results are there for the next cell."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from .page import FIT, SETUP

if TYPE_CHECKING:
    from collections.abc import Callable

    from .lab import LabServer
    from .page import LabPage

CHECK = "changed = float(abs(model.get_weights()[0] - before).max()); print('moved', changed > 0)"


def test_click_to_results_in_the_next_cell(lab: LabServer, open_page: Callable[..., LabPage]) -> None:
    page = open_page(lab)
    name = page.notebook(SETUP, FIT, CHECK)
    page.run_to_end(0)
    cell = page.press_job_button(1)
    card = page.card(1)
    card.wait_for()
    page.shot("card-running")
    assert page.source(1) == f"%%kf --workers 2\n{FIT}"
    expect(cell).to_have_class(re.compile("jp-kf-job-cell"))
    expect(card).to_contain_text("succeeded", timeout=90_000)
    expect(card).to_contain_text("results applied")
    expect(card).to_contain_text("2 workers")
    expect(cell).to_contain_text("Epoch 2/2")
    page.run_to_end(2)
    expect(page.cell(2)).to_contain_text("moved True")
    page.shot("card-done")
    page.save()
    saved = json.loads((lab.notebooks / name).read_text())
    [data] = [o["data"] for o in saved["cells"][1]["outputs"] if o["output_type"] == "display_data"]
    kept = data["application/vnd.jupyter-kf.job+json"]
    assert kept["state"] == "SUCCEEDED"
    assert "text/html" in data
    view = page.view(kept["name"], "graph")
    expect(view.get_by_role("button", name=re.compile("^sequential.*, group of"))).to_be_visible()
    page.shot("view-graph")
    assert page.errors == []

"""The settings form: every setting with its words, bad values refused, good ones used by the next cell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from .lab import LabServer
    from .page import LabPage

SCHEMA = json.loads((Path(__file__).parents[2] / "labextension/schema/plugin.json").read_text())


def test_the_form_is_made_of_the_schema_and_the_next_cell_follows_it(
    own_scripted: Callable[..., LabServer], open_page: Callable[..., LabPage]
) -> None:
    page = open_page(own_scripted())
    page.run_command("settingeditor:open", query="Distributed jobs")
    form = page.page.get_by_role("group", name="Distributed jobs")
    for setting in SCHEMA["properties"].values():
        expect(form).to_contain_text(setting["title"])
        expect(form).to_contain_text(setting["description"])
    page.shot("settings")
    workers = form.get_by_role("spinbutton").first
    expect(workers).to_have_value("2")
    workers.fill("0")
    expect(form).to_contain_text("must be >= 1")
    workers.fill("5")
    form.get_by_role("checkbox", name="Detach").check()
    page.page.wait_for_function(
        """async () => {
          const kept = await jupyterapp.serviceManager.settings.fetch('jupyter-kf:plugin');
          return /"workers": 5/.test(kept.raw) && /"detach": true/.test(kept.raw);
        }"""
    )
    page.notebook("print(1)")
    popover = page.press_options_button(0)
    expect(popover.get_by_label("First line of the cell")).to_have_text("%%kf --workers 5 --detach")
    assert page.errors == []


def test_every_setting_has_a_type_a_default_and_words() -> None:
    for key, setting in SCHEMA["properties"].items():
        assert {"type", "title", "description", "default"} <= set(setting), key
        assert len(setting["description"].split()) > 5, key
    assert SCHEMA["additionalProperties"] is False

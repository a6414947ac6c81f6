"""Profiles in the panel and the popover, with what is free of each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from jupyter_kf.profiles import PROFILES_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from .lab import LabServer
    from .page import LabPage


def test_profiles_say_what_is_free(
    own_scripted: Callable[..., LabServer],
    open_page: Callable[..., LabPage],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    offered = [
        {"name": "small", "title": "Small", "description": "2 cores"},
        {"name": "a100", "title": "A100"},
    ]
    monkeypatch.setenv(PROFILES_VARIABLE, json.dumps(offered))
    page = open_page(own_scripted(free=3))
    profiles = page.panel().get_by_role("definition")
    expect(profiles).to_have_text(["2 cores3 of 8 places free", "Free places not known"])
    page.notebook("print(1)")
    popover = page.press_options_button(0)
    free = popover.get_by_role("status")
    expect(free).to_have_text("Free places not known")
    profile = popover.get_by_label("Profile")
    expect(profile.get_by_role("option")).to_have_text(
        ["as this notebook", "Small (3 of 8 places free)", "A100"]
    )
    profile.select_option("small")
    expect(free).to_have_text("3 of 8 places free")
    page.shot("popover-profiles")
    assert page.violations(".jp-kf-popover") + page.violations("#jupyter-kf-panel") == []
    popover.get_by_role("button", name="Set").click()
    assert page.source(0) == "%%kf --workers 2 --profile small\nprint(1)"
    assert page.errors == []

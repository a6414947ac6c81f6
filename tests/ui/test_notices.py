"""The end of a long job is told once, and no more often than the settings say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from playwright.sync_api import Locator, expect

from .scripted import FIRST

if TYPE_CHECKING:
    from collections.abc import Callable

    from .lab import LabServer
    from .page import LabPage

PLUGIN = "jupyter-kf:plugin"


def set_setting(page: LabPage, key: str, value: Any) -> None:
    """Change one of the extension's settings as the settings editor does."""
    page.page.evaluate(
        """async ([plugin, key, value]) => {
          const settings = jupyterapp.serviceManager.settings;
          await settings.save(plugin, JSON.stringify({ [key]: value }));
        }""",
        [PLUGIN, key, value],
    )
    page.reload()


def notices(page: LabPage) -> Locator:
    return page.page.locator(".Toastify__toast")


def test_one_notification_for_a_job(
    own_scripted: Callable[..., LabServer], open_page: Callable[..., LabPage]
) -> None:
    server = own_scripted()
    page = open_page(server)
    set_setting(page, "notifyAfter", 1)
    status = page.page.locator(".jp-kf-status")
    expect(status).to_have_text("Jobs: 1 running, 1 waiting")
    server.request("jupyter-kf/jobs/waiting-for-a-place/cancel", "POST")  # it never ran
    expect(status).to_have_text("Jobs: 1 running")
    server.request(f"jupyter-kf/jobs/{FIRST}/cancel", "POST")
    expect(notices(page)).to_have_count(1)
    expect(notices(page)).to_contain_text(f"Job {FIRST} cancelled after")
    page.shot("notification")
    server.request(f"jupyter-kf/jobs/{FIRST}/cancel", "POST")
    notices(page).get_by_role("button", name="Open").click()
    expect(page.page.locator(f'[id="jupyter-kf-job-{FIRST}"]')).to_be_visible()
    expect(notices(page)).to_have_count(0)
    assert page.errors == []


def test_none_for_short_jobs_and_none_where_none_is_wanted(
    own_scripted: Callable[..., LabServer], open_page: Callable[..., LabPage]
) -> None:
    server = own_scripted()
    pages = []
    for least in (-1, 100_000):  # a page keeps what it has read
        pages.append(open_page(server))
        set_setting(pages[-1], "notifyAfter", least)
    server.request(f"jupyter-kf/jobs/{FIRST}/cancel", "POST")
    for page in pages:
        expect(page.page.locator(".jp-kf-status")).to_have_text("Jobs: 0 running, 1 waiting")
        expect(notices(page)).to_have_count(0)

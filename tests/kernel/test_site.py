"""The site as a reader has it: built without a warning, and whatever is pointed to in it is there."""

from __future__ import annotations

import subprocess
import sys
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pytest

from tests.snippets import DOCS

if TYPE_CHECKING:
    from pathlib import Path


class Page(HTMLParser):
    """What a page points to, what it shows, and the places in it that can be pointed to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.places, self.links, self.pictures = {""}, set[str](), set[str]()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.places.add(given.get("id", ""))
        if tag == "a":
            self.links.add(given.get("href", ""))
        elif tag == "img":
            self.pictures.add(given["src"])
            assert given.get("alt"), f"a picture without words: {given['src']}"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", DOCS, folder]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr[-3000:]
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    """Its pages by their files; those of the search and the index are the theme's own."""
    return {file: Page(file.read_text()) for file in site.rglob("*.html")}


@pytest.mark.timeout(240)
def test_the_site_has_what_was_written_and_what_the_code_says(site: Path) -> None:
    assert "Same result" in (site / "promises.html").read_text()
    assert "--start-timeout" in (site / "reference/magics.html").read_text()


def test_every_link_leads_to_a_page_and_a_place_on_it(pages: dict[Path, Page]) -> None:
    dead = []
    for file, page in pages.items():
        for link in map(urlsplit, page.links):
            if link.scheme:
                continue
            target = (file.parent / unquote(link.path)).resolve() if link.path else file
            there = pages.get(target)
            if not (target.is_file() if there is None else unquote(link.fragment) in there.places):
                dead.append(f"{file.name}: {link.geturl()}")
    assert len(pages) > 25 and dead == []


def test_every_picture_is_there_and_every_screenshot_is_shown(pages: dict[Path, Page]) -> None:
    shown = {(file.parent / source).resolve() for file, page in pages.items() for source in page.pictures}
    assert all(picture.is_file() for picture in shown)
    assert {picture.name for picture in shown} >= {file.name for file in (DOCS / "screenshots").iterdir()}

"""The fenced blocks of README and documentation, and which of them cannot be run here.

A block that needs what a machine of its own does not have says so in a comment above it, which readers of the
page do not see: ``<!-- needs a cluster -->``.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
WRITTEN = sorted(
    page
    for page in [*DOCS.rglob("*.md"), *ROOT.glob("[RC]*.md"), ROOT / "binder/README.md"]
    if not {"_build", "reference"} & {*page.parts} and page.name != "CHANGELOG.md"
)
_FENCE = re.compile(r"^( *)(?:<!-- needs ([^>]+) -->\n *)?```(\w+)\n(.*?)^ *```$", re.M | re.S)


@dataclass(frozen=True)
class Snippet:
    """A block of a page: its language, its text, and what it ``needs`` that is not here."""

    page: Path
    line: int
    language: str
    text: str
    needs: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def cells(self) -> list[str]:
        """A block of Python as the cells that it shows: each ``%%`` line begins one."""
        return [part for part in re.split(r"(?m)^(?=%%)", self.text) if part.strip()]

    @property
    def commands(self) -> list[str]:
        """A block of a terminal as the commands that are typed in it."""
        joined = self.text.replace("\\\n", " ")
        return [part for line in re.findall(r"(?m)^\$ (.*)", joined) for part in _commands(line)]


def _commands(line: str) -> list[str]:
    return [" ".join(part.split()) for part in line.partition("  #")[0].split(" && ")]


def snippets(page: Path, language: str) -> list[Snippet]:
    """The blocks of a language on a page, in their order."""
    text = page.read_text()
    return [
        Snippet(
            page,
            text.count("\n", 0, found.start()) + 1,
            language,
            inspect.cleandoc("\n" + found[4]) if found[1] else found[4],
            found[2] or "",
        )
        for found in _FENCE.finditer(text)
        if found[3] == language
    ]


def everywhere(language: str) -> list[Snippet]:
    """The blocks of a language on all pages."""
    return [each for page in WRITTEN for each in snippets(page, language)]

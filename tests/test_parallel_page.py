"""The page of the fidelity matrix names every row of the matrix, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from tests.gang.items import ITEMS

PAGE = Path(__file__).parents[1] / "docs" / "fidelity.md"


def test_every_row_is_on_the_page_or_named_as_not_run() -> None:
    text = PAGE.read_text()
    rows = re.findall(r"^\| (\w[^|]*?) \| (?:shared|whole|refused) \|", text, re.M)
    not_run = [n for line in re.findall(r"Not run: (.*)\.$", text, re.M) for n in line.split("; ")]
    assert sorted(rows + not_run) == sorted(item.name for item in ITEMS)
    assert "not as said" not in text

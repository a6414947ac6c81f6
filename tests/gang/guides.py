"""Training cells in the manner of Keras's guides and examples, on 2 replicas and in one process.

``python -m tests.gang.guides docs/guides.md`` runs them and writes the page; the tests run the same cells.
"""

from __future__ import annotations

import inspect
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.gang import cases_generative, cases_guides, cases_own_steps, cases_sequences
from tests.gang.compare import differences
from tests.gang.gang import Failure, Gang

BAR = 1e-5
CANCELS = "Adam divides by the size of the gradient: that of the last bias is rounding alone, it cancels out"
LOOSE = {"siamese_triplets": (2e-3, CANCELS)}
HEAD = """# Cells in the manner of Keras's guides

Training cells such as developer guides and code examples of Keras have, written anew and small, each on 2
replicas and in one process from the same random state. Shown is the largest difference of weights, history
and whatever else the cell leaves, relative to the largest value of the same array (at least 1); the bar is
1e-5 unless the row says why. *whole*: calls of models in it are computed whole by each replica: right, but
not faster; the job says so.

Written by `python -m tests.gang.guides docs/guides.md`; the same cells are tests. `python -m
tests.kernel.guides` runs them as cells of a real kernel, plain and with `%%kf --workers 2`; the tests do so
with a few.

| cell | | largest difference | |
|---|---|---|---|
"""


@dataclass(frozen=True)
class Cell:
    """A cell, by its module and function."""

    module: str
    name: str

    @property
    def bar(self) -> float:
        """How much may differ."""
        return LOOSE.get(self.name, (BAR, ""))[0]


CELLS = [
    Cell(module.__name__.rpartition(".")[2], name)
    for module in (cases_guides, cases_own_steps, cases_generative, cases_sequences)
    for name, f in vars(module).items()
    if inspect.isfunction(f) and f.__module__ == module.__name__ and not name.startswith("_")
]


@dataclass(frozen=True)
class Found:
    """What came of a cell: in one word, the largest difference, and what is to be said."""

    word: str
    difference: float
    remark: str


def run(cell: Cell, alone: Gang, gang: Gang) -> Found:
    """The cell in one process and on the gang."""
    options: dict[str, Any] = {"module": cell.module, "name": cell.name}
    for each in (alone, gang):
        each.send("scenes:seeded", **options)
    want, answers = alone.answers(cell.name)[0][0], gang.answers(cell.name)
    if isinstance(want, Failure):
        return Found("different", float("inf"), f"one process fails: {want.type}: {want.message[:200]}")
    failures = [got for got, _ in answers if isinstance(got, Failure)]
    if failures:
        word = "refused" if failures[0].type == "SpecError" else "different"
        return Found(word, float("inf"), f"{failures[0].type}: {failures[0].message[:200]}")
    worst = max(max(differences(got, want).values()) for got, _ in answers)
    if worst > cell.bar:
        return Found("different", worst, "")
    whole = any("not faster" in note for note in answers[0][1])
    return Found("equal, whole" if whole else "equal", worst, LOOSE.get(cell.name, (0, ""))[1])


def main(page: str, *only: str) -> int:
    """Runs the cells (all, or those named) and writes the page; gives 1 when one is not equal."""
    alone, gang = Gang(0), Gang(2)
    found: dict[Cell, Found] = {}
    try:
        for cell in CELLS:
            if not only or cell.name in only:
                found[cell] = run(cell, alone, gang)
                print(_line(cell, found[cell]), flush=True)
    finally:
        alone.close()
        gang.close()
    equal = sum(f.word.startswith("equal") for f in found.values())
    if page != "-":
        lines = "\n".join(_line(c, f) for c, f in found.items())
        Path(page).write_text(f"{HEAD}{lines}\n\n{equal} of {len(found)} cells are equal.\n")
    return int(equal < len(found))


def _line(cell: Cell, found: Found) -> str:
    return f"| {cell.name.replace('_', ' ')} | {found.word} | {found.difference:.0e} | {found.remark} |"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""Training cells in the manner of Keras's and TensorFlow's guides and examples, by their names.

The tests run them on 2 replicas and in one process; ``tests.kernel.guides`` runs them as cells of a real
kernel and writes the page about them.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.gang import (
    cases_adversaries,
    cases_generative,
    cases_guides,
    cases_own_steps,
    cases_sequences,
    cases_structured,
)
from tests.gang.compare import differences
from tests.gang.gang import Failure

if TYPE_CHECKING:
    from tests.gang.gang import Gang

BAR = 1e-5
CANCELS = "Adam divides by the size of the gradient: that of the last bias is rounding alone, it cancels out"
LOOSE = {"siamese_triplets": (2e-3, CANCELS)}
REFUSALS = ("SpecError", "CaptureError", "UsageError")


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
    for module in (
        cases_guides,
        cases_own_steps,
        cases_generative,
        cases_sequences,
        cases_adversaries,
        cases_structured,
    )
    for name, f in vars(module).items()
    if inspect.isfunction(f) and f.__module__ == module.__name__ and not name.startswith("_")
]


@dataclass(frozen=True)
class Found:
    """What came of a cell: in one word, the largest difference, and what is to be said."""

    word: str
    difference: float
    remark: str = ""

    @classmethod
    def failed(cls, type_: str, message: str) -> Found:
        """What an error of a job says: that the cell is refused, or that it is not."""
        return cls("refused" if type_ in REFUSALS else "different", float("inf"), f"{type_}: {message[:200]}")

    @classmethod
    def judged(cls, cell: Cell, difference: float, said: str) -> Found:
        """What a difference is called where ``said`` are the notes of the job."""
        if difference > cell.bar:
            return cls("different", difference)
        word = "equal, whole" if "not faster" in said else "equal"
        return cls(word, difference, LOOSE.get(cell.name, (0, ""))[1])


def run(cell: Cell, alone: Gang, gang: Gang) -> Found:
    """The cell in one process and on the gang."""
    options: dict[str, Any] = {"module": cell.module, "name": cell.name}
    for each in (alone, gang):
        each.send("scenes:seeded", **options)
    want, answers = alone.answers(cell.name)[0][0], gang.answers(cell.name)
    if isinstance(want, Failure):
        return Found.failed("one process", f"{want.type}: {want.message}")
    for got, _ in answers:
        if isinstance(got, Failure):
            return Found.failed(got.type, got.message)
    worst = max(max(differences(got, want).values()) for got, _ in answers)
    return Found.judged(cell, worst, " ".join(answers[0][1]))

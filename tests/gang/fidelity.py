"""The fidelity matrix: everything people do, on 2 and 3 replicas, against one process.

``python -m tests.gang.fidelity docs/fidelity.md`` runs it and writes the page; the tests run the same items.
``KF_FIDELITY_SECONDS`` bounds it: rows that are not reached are named on the page as not run.
"""

from __future__ import annotations

import math
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.gang.compare import differences
from tests.gang.gang import Failure, Gang, GangBroken
from tests.gang.items import AS_HERE, ITEMS, Item
from tests.gang.scenes import ROWS

SIZES = (2, 3)
HEAD = """# The fidelity matrix

What people do with TensorFlow and Keras, trained on 2 and on 3 replicas and in one process, on batches of 12
rows. Shown is the largest difference of weights, optimizer slots, history, metrics and predictions, relative
to the largest value of the same array (at least 1). *even*: all batches are full. *uneven*: the last one has
5 rows. *empty*: it has 1 row, so that replicas are left without one. The bar is 1e-6 unless the row says why.
*shared*: the replicas share out the rows of model calls. *whole*: each computes the whole batch, since rows
depend on each other or nothing can be cut: right, but not faster; the job says so. *refused*: an error, which
the row asserts.

Written by `python -m tests.gang.fidelity docs/fidelity.md`; the same rows are tests.
"""


def measure(item: Item, want: Any, answers: list[Any]) -> dict[str, dict[str, float]] | str:
    """The differences by shape and part, the worst replica's; or what went wrong."""
    if item.error:
        return _refusal(item, want, answers)
    if isinstance(want, Failure):
        return f"one process fails: {want.type}: {want.message[:300]}"
    found: dict[str, dict[str, float]] = {}
    for rank, got in enumerate(answers):
        if isinstance(got, Failure):
            return f"replica {rank} fails: {got.type}: {got.message[:300]}"
        for shape in ROWS:
            for part, value in differences(got[shape], want[shape]).items():
                parts = found.setdefault(shape, {})
                parts[part] = max(parts.get(part, 0.0), value)
    return found


def _refusal(item: Item, want: Any, answers: list[Any]) -> dict[str, dict[str, float]] | str:
    """No difference when all replicas, and one process where that is said, end with the item's error."""
    for got in answers if item.why != AS_HERE else [want, *answers]:
        if not isinstance(got, Failure) or item.error not in got.message:
            return f"not refused: {got}"[:300]
    return {shape: {"error": 0.0} for shape in ROWS}


def main(page: str, *only: str) -> int:
    """Runs the items (all, or those whose case or name contains one of ``only``) and writes the page."""
    gangs = {size: Gang(size) for size in (0, *SIZES)}
    rows: list[Row] = []
    begin, limit = time.monotonic(), float(os.environ.get("KF_FIDELITY_SECONDS", "inf"))
    chosen = [i for i in ITEMS if not only or any(o in i.case or o in i.name for o in only)]
    try:
        for item in chosen:
            if time.monotonic() - begin > limit:
                break
            rows.append(run(item, gangs))
            print(rows[-1].line(), flush=True)
    finally:
        for gang in gangs.values():
            gang.close()
    wrong = sum(not row.right for row in rows)
    print(f"{len(rows)} items, {wrong} not as said, {time.monotonic() - begin:.0f} s")
    if page != "-":
        Path(page).write_text(write(rows, [i.name for i in chosen[len(rows) :]]))
    return min(wrong, 1)


@dataclass(frozen=True)
class Row:
    """What was found for an item: by size, the largest difference by shape, or what went wrong."""

    item: Item
    found: dict[int, dict[str, float] | str]
    whole: bool

    @property
    def right(self) -> bool:
        values = [v for f in self.found.values() for v in (f.values() if isinstance(f, dict) else [math.inf])]
        return max(values) <= self.item.bar and self.whole == self.item.whole

    def line(self) -> str:
        """A row of the page's table."""
        if self.item.error and self.right:
            return f"| {self.item.name} | refused |" + " |" * len(SIZES) * len(ROWS) + f" {self.item.why} |"
        cells = [
            f"{self.found[size][shape]:.0e}" if isinstance(self.found[size], dict) else "failed"  # type: ignore[index]
            for size in SIZES
            for shape in ROWS
        ]
        how = "whole" if self.whole else "shared"
        remark = self.item.why if self.right else f"**not as said** {self.found}"
        return f"| {self.item.name} | {how} | " + " | ".join(cells) + f" | {remark} |"


def ask(item: Item, gangs: dict[int, Gang]) -> tuple[Any, dict[int, list[Any] | GangBroken]]:
    """What one process and what the members of each gang give, the gangs working side by side."""
    for size in (0, *SIZES):
        gangs[size].send(item.case, **item.options)
    want = gangs[0].answers(item.case)[0][0]
    found: dict[int, list[Any] | GangBroken] = {}
    for size in SIZES:
        try:
            found[size] = gangs[size].answers(item.case)
        except GangBroken as error:
            found[size] = error
    return want, found


def run(item: Item, gangs: dict[int, Gang]) -> Row:
    """One item on one process and on the gangs."""
    want, by_size = ask(item, gangs)
    found: dict[int, dict[str, float] | str] = {}
    whole = False
    for size, answers in by_size.items():
        if isinstance(answers, GangBroken):
            found[size] = str(answers)[-500:]
            continue
        measured = measure(item, want, [a[0] for a in answers])
        found[size] = (
            measured if isinstance(measured, str) else {s: max(p.values()) for s, p in measured.items()}
        )
        whole |= any("not faster" in note for note in answers[0][1])
    return Row(item, found, whole)


def write(rows: list[Row], left: list[str]) -> str:
    """The page, with the names of the items that were not run."""
    columns = [f"{size} {shape}" for size in SIZES for shape in ROWS]
    out = [HEAD]
    for group in dict.fromkeys(row.item.group for row in rows):
        out.append(f"\n## {group}\n\n| | | " + " | ".join(columns) + " | |")
        out.append("|---|---|" + "---|" * (len(columns) + 1))
        out.extend(row.line() for row in rows if row.item.group == group)
    good = sum(row.right for row in rows)
    out.append(
        f"\n{good} of {len(rows)} rows are as said." + (f" Not run: {'; '.join(left)}." if left else "")
    )
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

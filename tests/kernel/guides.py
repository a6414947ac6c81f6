"""The cells of the guides (``tests.gang.guides``) as cells of a real kernel, plain and with ``%%kf --workers 2``.

``python -m tests.kernel.guides docs/guides.md`` runs them all and writes the page; with names after it, it runs those
and writes their rows anew.
"""

from __future__ import annotations

import ast
import inspect
import os
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_kf.backends import warm
from jupyter_kf.store import STORE_VARIABLE
from tests.gang.guides import CELLS, Cell, Found
from tests.kernel.conftest import SETUP, Kernel

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = str(Path(__file__).parents[2])
BEGIN = f"""{SETUP}
import sys; sys.path.insert(0, {ROOT!r})
import keras
from tests.gang.compare import differences
"""
END = "print(max(differences(got, want).values()))"
PATIENCE = 900.0
HEAD = """# Cells in the manner of guides

Training cells such as developer guides and code examples of Keras and TensorFlow have, written anew and small:
each run in a real kernel, plain and with `%%kf --workers 2`, from the same random state. Shown is the largest
difference of weights, history and whatever else the cell leaves, relative to the largest value of the same array
(at least 1); the bar is 1e-5 unless the row says why. *whole*: calls of models in it are computed whole by each
replica: right, but not faster; the job says so.

Written by `python -m tests.kernel.guides docs/guides.md`. Tests run many of these cells on replicas without a
notebook, and some in a kernel.

| cell | | largest difference | |
|---|---|---|---|
"""


def texts(cell: Cell) -> tuple[str, str]:
    """What the cell's module defines, and the body of its function, whose result is bound to ``result``."""
    module = import_module(f"tests.gang.{cell.module}")
    tree = ast.parse(inspect.getsource(module))
    function = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == cell.name)
    last = function.body[-1]
    assert isinstance(last, ast.Return) and last.value is not None
    bound = ast.Assign([ast.Name("result", ast.Store())], last.value)
    defined = [n for n in tree.body if not (isinstance(n, ast.ImportFrom) and n.module == "__future__")]
    body = ast.Module([*function.body[:-1], bound], [])
    return ast.unparse(ast.Module(defined, [])), ast.unparse(ast.fix_missing_locations(body))


def run(kernel: Kernel, cell: Cell) -> Found:
    """The cell plain and with ``%%kf``."""
    defined, body = texts(cell)
    seed = "keras.backend.clear_session(); keras.utils.set_random_seed(3)"
    said = ""
    for magic, name in (("", "want"), ("%%kf --workers 2 --quiet\n", "got")):
        for source in (f"{defined}\n{seed}", magic + body, f"{name} = result"):
            reply = kernel.run(source, timeout=PATIENCE)
            said += reply.stderr if magic else ""
            if reply.status != "ok":
                return Found.failed(reply.ename if magic else "plain", f"{reply.ename}: {reply.evalue}")
    reply = kernel.run(END, timeout=PATIENCE)
    if reply.status != "ok":
        return Found.failed(reply.ename, reply.evalue)
    return Found.judged(cell, float(reply.stdout), said)


def main(page: str, only: Sequence[str]) -> int:
    """Runs the cells (all, or those named) in one kernel and writes the page; gives 1 when one is not equal."""
    folder = tempfile.mkdtemp(prefix="kf-")
    os.environ[STORE_VARIABLE], os.environ[warm.RUNTIME_VARIABLE] = f"{folder}/store", folder
    rows = _rows(page) if only else {}
    kernel = Kernel(folder)
    try:
        assert kernel.run(BEGIN, timeout=PATIENCE).status == "ok"
        for cell in CELLS:
            if not only or cell.name in only:
                rows[_title(cell)] = _row(cell, run(kernel, cell))
                print(rows[_title(cell)], flush=True)
    finally:
        kernel.close()
        warm.stop()
    equal = sum(row.split(" | ")[1].startswith("equal") for row in rows.values())
    if page != "-":
        lines = "\n".join(rows[_title(cell)] for cell in CELLS if _title(cell) in rows)
        Path(page).write_text(f"{HEAD}{lines}\n\n{equal} of {len(rows)} cells are equal.\n")
    return int(equal < len(rows))


def _title(cell: Cell) -> str:
    return cell.name.replace("_", " ")


def _row(cell: Cell, found: Found) -> str:
    remark = " ".join(found.remark.replace("|", "/").split())
    return f"| {_title(cell)} | {found.word} | {found.difference:.0e} | {remark} |"


def _rows(page: str) -> dict[str, str]:
    """The rows that the page has."""
    lines = Path(page).read_text().splitlines() if Path(page).exists() else []
    return {line.split(" | ")[0][2:]: line for line in lines if line.startswith("| ") and line[2:6] != "cell"}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))

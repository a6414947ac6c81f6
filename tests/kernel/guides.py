"""The cells of the guides (``tests.gang.guides``) as cells of a real kernel, plain and with ``%%kf --workers 2``.

``python -m tests.kernel.guides`` runs them all, or those named, and prints what was found.
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
from tests.gang.guides import BAR, CELLS, Cell
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


def difference(kernel: Kernel, cell: Cell) -> float | str:
    """The largest difference between the cell with ``%%kf`` and plain; what was said if it failed."""
    defined, body = texts(cell)
    seed = "keras.backend.clear_session(); keras.utils.set_random_seed(3)"
    for magic, name in (("", "want"), ("%%kf --workers 2 --quiet\n", "got")):
        for source in (f"{defined}\n{seed}", magic + body, f"{name} = result"):
            reply = kernel.run(source, timeout=400)
            if reply.status != "ok":
                return f"{name}: {reply.ename}: {reply.evalue[:300]}"
    reply = kernel.run(END)
    return float(reply.stdout) if reply.status == "ok" else f"{reply.ename}: {reply.evalue[:300]}"


def main(only: Sequence[str]) -> int:
    """Runs the cells in one kernel; gives 1 when one is not equal."""
    folder = tempfile.mkdtemp(prefix="kf-")
    os.environ[STORE_VARIABLE], os.environ[warm.RUNTIME_VARIABLE] = f"{folder}/store", folder
    kernel = Kernel(folder)
    wrong = 0
    try:
        assert kernel.run(BEGIN).status == "ok"
        for cell in CELLS:
            if not only or cell.name in only:
                found = difference(kernel, cell)
                equal = isinstance(found, float) and found <= max(cell.bar, BAR)
                wrong += not equal
                print(f"{'equal' if equal else 'DIFFERENT'} {found} {cell.name}", flush=True)
    finally:
        kernel.close()
        warm.stop()
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Runs the tour notebook in a real kernel and says what came of its job.

``make demo`` calls it. It fails when a cell fails or the job's result is not the same as one
process's; it writes nothing but the job's own record.
"""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

TOUR = Path(__file__).with_name("tour.ipynb")
LIMIT = 1e-6

_FIRST_STEP = """
import json as _json, jupyter_kf as _kf
_seen = [j.status for j in _kf.jobs()]
_first = min((s for s in _seen if s.spec.source.startswith("history")), key=lambda s: -s.spec.created)
_when = next(r["time"] for r in _kf.job(_first.name).stream(follow=False)
             if isinstance(r, dict) and r["kind"] == "metrics")
print("first step", _when - _first.spec.created)
"""


def main() -> int:
    """Run all cells; print the difference to one process and the time to the first step."""
    notebook = nbformat.read(TOUR, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(_FIRST_STEP, id="first-step"))
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(TOUR.parent)}})
    began = time.monotonic()
    try:
        client.execute()
    except CellExecutionError as err:
        print(err, file=sys.stderr)
        return 1
    text = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", ()))
    difference = float(_find(r"largest difference in weights and optimizer: (\S+)", text))
    first = float(_find(r"first step (\S+)", text))
    print(f"difference to one process  {difference:.1e}  (limit {LIMIT:.0e})")
    print(f"submit to first step       {first:.2f} s, cold: TensorFlow was imported for it")
    print(f"the whole tour             {time.monotonic() - began:.1f} s, {len(notebook.cells) - 1} cells")
    return 0 if difference <= LIMIT else 1


def _find(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise SystemExit(f"The tour printed nothing like {pattern!r}:\n{text}")
    return found.group(1)


if __name__ == "__main__":
    sys.exit(main())

"""Every example runs from top to bottom in a kernel of its own, and its job equals this process.

The tour has a test of its own beside this one.
"""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import jupyter_kf as kf
from tests.warmth import place, warm_place

__all__ = ["place", "warm_place"]

pytestmark = pytest.mark.gang

EXAMPLES = Path(__file__).parents[2] / "examples"
NOTEBOOKS = sorted(path for path in EXAMPLES.glob("*.ipynb") if path.stem != "tour")
LIMIT = 1e-5


@pytest.mark.timeout(240)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_an_example(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(EXAMPLES.parent))
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")
    notebook = nbformat.read(path, as_version=4)

    NotebookClient(notebook, timeout=180, resources={"metadata": {"path": str(EXAMPLES)}}).execute()

    shown = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", ()))
    differences = [float(found) for found in re.findall(r"largest difference: (\S+)", shown)]
    assert differences, shown
    assert max(differences) <= LIMIT
    assert "whole by each" not in shown, "its model's calls should be shared"
    for job in kf.jobs():
        assert job.status.spec.replicas in (1, 2)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.ipynb")), ids=lambda path: path.stem)
def test_an_example_stands_without_its_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs") and cell.get("execution_count") is None
    assert "on a cluster" in "".join(cell.source for cell in notebook.cells).lower()

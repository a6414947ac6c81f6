"""The tour runs from top to bottom, as ``make demo`` runs it, and its job equals one process."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

pytestmark = pytest.mark.gang

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(300)
def test_the_tour(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    spec = importlib.util.spec_from_file_location("run_tour", ROOT / "examples" / "run_tour.py")
    assert spec is not None and spec.loader is not None
    run_tour = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(run_tour)

    assert run_tour.main() == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("difference to one process")
    assert float(lines[0].split()[4]) <= 1e-6
    assert lines[1].startswith("submit to first step")

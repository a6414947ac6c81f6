"""Training cells in the manner of Keras's guides and examples equal one process, to the last line."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gang.guides import CELLS, Cell, run

pytestmark = [pytest.mark.gang, pytest.mark.timeout(1500)]


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_equals_one_process(gangs: Any, cell: Cell) -> None:
    found = run(cell, gangs(0), gangs(2))
    assert found.word in ("equal", "equal, whole"), found

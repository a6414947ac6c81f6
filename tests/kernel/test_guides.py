"""A few cells of the guides through a real kernel: with ``%%kf --workers 2`` they leave what they leave plain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.gang.guides import CELLS
from tests.kernel.guides import BEGIN, run

if TYPE_CHECKING:
    from .conftest import Kernel

pytestmark = pytest.mark.gang
CHOSEN = ("own_train_step_with_trackers", "own_loop_with_validation", "transfer_and_finetune")


def test_cells_of_guides(kernel: Kernel) -> None:
    assert kernel.run(BEGIN).status == "ok"
    for cell in CELLS:
        if cell.name in CHOSEN:
            found = run(kernel, cell)
            assert found.word == "equal", (cell.name, found)

"""fit, evaluate, predict and custom loops on real replicas equal one process."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gang.compare import BAR, differences

pytestmark = [pytest.mark.gang, pytest.mark.timeout(1500)]
SHAPES = {"uneven": (50, 12), "empty": (49, 12)}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "fit-adam": ("first_cases:fit", {"optimizer": "adam"}),
    "fit-sgd": ("first_cases:fit", {"optimizer": "sgd"}),
    "fit-clip": ("first_cases:fit", {"optimizer": "clip"}),
    "fit-steps": ("first_cases:fit", {"steps_per_execution": 3}),
    "subclassed": ("first_cases:subclassed", {}),
    "loop-mean": ("first_cases:loop", {"reduction": "mean"}),
    "loop-sum": ("first_cases:loop", {"reduction": "sum"}),
    "loop-eager": ("first_cases:loop", {"graph": False}),
    "loop-raw": ("first_cases:raw_loop", {}),
}


@pytest.mark.parametrize(("shape", "size"), [("uneven", 2), ("empty", 3)])
@pytest.mark.parametrize("name", CASES)
def test_equals_one_process(gangs: Any, name: str, shape: str, size: int) -> None:
    case, options = CASES[name]
    rows, batch = SHAPES[shape]
    want = gangs(0).run(case, rows=rows, batch=batch, **options)[0][0]
    for got, _ in gangs(size).run(case, rows=rows, batch=batch, **options):
        assert isinstance(got, dict), got
        found = differences(got, want)
        assert max(found.values()) <= BAR, found

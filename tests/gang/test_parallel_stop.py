"""A stop asked for on one rank stops all ranks at the same step, which is still applied."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gang.compare import BAR, differences

pytestmark = [pytest.mark.gang, pytest.mark.timeout(1500)]


@pytest.mark.parametrize("options", [{}, {"steps_per_execution": 3}, {"eager": True}], ids=str)
def test_fit_stops_like_one_process_stopped_there(gangs: Any, options: dict[str, Any]) -> None:
    after = 3 if "steps_per_execution" not in options else 1
    made = 4  # with 3 steps an execution: asked for before the second, whose first step is the fourth
    want = gangs(0).run("stop_cases:fit", after=None, steps=made)[0][0]
    for got, _ in gangs(2).run("stop_cases:fit", after=after, **options):
        assert isinstance(got, dict), got
        assert max(differences(got, want).values()) <= BAR


@pytest.mark.parametrize("kind", ["eager", "function", "graph"])
def test_a_loop_stops_like_one_process_stopped_there(gangs: Any, kind: str) -> None:
    want = gangs(0).run("stop_cases:loop", after=None, steps=6)[0][0]
    for got, _ in gangs(2).run("stop_cases:loop", after=5, kind=kind):
        assert isinstance(got, dict), got
        assert max(differences(got, want).values()) <= BAR

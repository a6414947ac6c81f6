"""Whatever is put together, and however the rows fall: several replicas compute what one process does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from tests.gang.cases_random import LAYERS, LOSSES, OPTIMIZERS, REDUCTIONS
from tests.gang.compare import differences
from tests.gang.gang import Failure

pytestmark = [pytest.mark.gang, pytest.mark.timeout(1500)]

# Signs and square roots of sums enlarge rounding: what is different by mistake differs by more than this.
BAR = 1e-5


@settings(
    max_examples=16,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    size=some.sampled_from([2, 3]),
    layers=some.lists(some.sampled_from(sorted(LAYERS)), min_size=1, max_size=3),
    optimizer=some.sampled_from(sorted(OPTIMIZERS)),
    loss=some.sampled_from(LOSSES),
    reduction=some.sampled_from(REDUCTIONS),
    batch=some.integers(1, 9),
    rows=some.integers(1, 21),
    weighted=some.booleans(),
)
def test_equals_one_process(gangs: Any, size: int, **options: Any) -> None:
    for each in (0, size):
        gangs(each).send("cases_random:trained", **options)
    want = gangs(0).answers("one process")[0][0]
    assert isinstance(want, dict), want
    for got, _ in gangs(size).answers("the gang"):
        assert not isinstance(got, Failure), got
        found = differences(got, want)
        assert max(found.values()) <= BAR, found

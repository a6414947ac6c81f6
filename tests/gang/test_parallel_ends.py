"""What ranks agree on: the trained variables at the end, that they compute the same at each step."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gang.gang import Failure

pytestmark = [pytest.mark.gang, pytest.mark.timeout(1500)]


def test_equal_variables_agree(gangs: Any) -> None:
    assert [a for a, _ in gangs(2).run("end_cases:agreeing")] == ["agreed", "agreed"]


def test_different_variables_are_named(gangs: Any) -> None:
    for got, _ in gangs(2).run("end_cases:disagreeing"):
        assert isinstance(got, Failure)
        assert got.type == "ReplicasDiffer"
        assert "1 of 2 variables" in got.message
        assert "'b" in got.message


def test_different_data_is_found_at_the_step(gangs: Any) -> None:
    for got, _ in gangs(2).run("end_cases:different_data"):
        assert isinstance(got, Failure)
        assert got.type == "ReplicasDiffer"
        assert "different losses" in got.message


def test_progress_is_reported_by_rank_0(gangs: Any) -> None:
    first, second = (a for a, _ in gangs(2).run("end_cases:progress"))
    assert second == []
    epochs = [e for e in first if e["event"] == "epoch"]
    assert [e["epoch"] for e in epochs] == [0, 1]
    assert [e["step"] for e in epochs] == [4, 8]
    assert set(epochs[0]["values"]) == {"loss", "accuracy"}
    assert any(e["event"] == "step" for e in first)


def test_a_derivative_between_outputs_is_refused(gangs: Any) -> None:
    for got, _ in gangs(2).run("end_cases:between_outputs"):
        assert isinstance(got, Failure)
        assert got.type == "SpecError"
        assert "kf.whole()" in got.message


def test_the_same_is_computed_whole(gangs: Any) -> None:
    want = gangs(0).run("end_cases:between_outputs", whole=True)[0][0]
    for got, _ in gangs(2).run("end_cases:between_outputs", whole=True):
        assert abs(got - want) < 1e-6

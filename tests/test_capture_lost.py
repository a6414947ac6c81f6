"""Whatever is done with a lost object says why it is lost."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_kf.capture import Lost, LostError
from jupyter_kf.capture.lost import message
from jupyter_kf.capture.refusals import refusal

if TYPE_CHECKING:
    from collections.abc import Callable

MESSAGE = "handle cannot come back from the replicas: it is an open file."


@pytest.mark.parametrize(
    "use",
    [
        lambda lost: lost.write,
        lambda lost: lost(),
        lambda lost: lost == 1,
        lambda lost: bool(lost),
        lambda lost: list(lost),
        lambda lost: next(lost),
        lambda lost: len(lost),
        lambda lost: 1 in lost,
        lambda lost: lost[0],
        lambda lost: float(lost),
        lambda lost: operator.index(lost),
        lambda lost: setattr(lost, "name", 1),
        lambda lost: delattr(lost, "name"),
        lambda lost: operator.setitem(lost, 0, 1),
        lambda lost: operator.delitem(lost, 0),
        lambda lost: lost.__enter__(),
    ],
)
def test_use_raises_the_reason(use: Callable[[Any], Any]) -> None:
    with pytest.raises(LostError, match=r"^handle cannot come back"):
        use(Lost(MESSAGE))


def test_it_can_be_looked_at_and_kept() -> None:
    lost = Lost(MESSAGE)
    assert repr(lost) == f"<lost: {MESSAGE}>"
    assert {lost: 1}[lost] == 1
    assert not hasattr(lost, "__fspath__")
    with pytest.raises(TypeError):
        operator.add(lost, 1)


def test_it_does_not_travel() -> None:
    reason, way_out = refusal(Lost(MESSAGE)) or ("", "")
    assert "did not come back" in reason and way_out == "make it again"


def test_the_error_names_each_part_once() -> None:
    error = LostError.of({"a": 1}, ["a is lost.", "a is lost."], ["b keeps its old state."])
    assert str(error) == "a is lost. b keeps its old state. Everything else is applied."
    assert (error.value, error.lost, error.stale) == ({"a": 1}, ("a is lost.",), ("b keeps its old state.",))


def test_parts_of_one_object_that_are_lost_for_one_reason_are_told_at_once() -> None:
    names = ("run.log", "run.logs[0]", "run.logs[1]", "other")
    told = [message(name, "it is an open file") for name in names] + [message("run.lock", "it is held")]
    assert LostError.of(None, told, []).lost == (
        "run.log and 2 more of run cannot come back from the replicas: it is an open file.",
        "other cannot come back from the replicas: it is an open file.",
        "run.lock cannot come back from the replicas: it is held.",
    )

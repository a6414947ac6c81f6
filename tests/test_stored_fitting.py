"""Which arrays a graph takes, and what is said of those it does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from jupyter_kf.errors import SpecError
from jupyter_kf.stored.fitting import check_arrays, check_taken_up
from jupyter_kf.stored.record import GraphKind, GraphRecord, TensorInfo

X, Y = TensorInfo("x", "float32", (None, 8)), TensorInfo("y", "float32", (16, 1))
RECORD = GraphRecord("ranker", 1, GraphKind.TRAINING, inputs=(X, Y))


def arrays(x=(20, 8), y=(20, 1), dtype="float32"):
    return np.zeros(x, dtype), np.zeros(y, "float32")


def test_rows_may_be_as_many_as_there_are():
    check_arrays(RECORD, "x.npz", arrays())
    texts = GraphRecord("t", 1, GraphKind.FORWARD, inputs=(TensorInfo("x", "string", None),))
    check_arrays(texts, "x.npz", (np.array(["a", "bc"]),))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (arrays()[:1], r"x.npz has 1 arrays, the graph 'ranker' takes 2: x: float32\[\?, 8\], y"),
        (arrays(x=(20, 7)), r"float32\[20, 7\] where the graph 'ranker' takes x: float32\[\?, 8\]"),
        (arrays(dtype="float64"), r"float64\[20, 8\] where"),
        (arrays(x=(20,)), r"float32\[20\] where"),
        (arrays(x=()), r"float32\[\] where"),
        (arrays(y=(19, 1)), "differ in the number of rows: 20, 19"),
    ],
)
def test_what_does_not_fit_is_told(given, says):
    with pytest.raises(SpecError, match=says):
        check_arrays(RECORD, "x.npz", given)


def test_a_training_that_draws_from_a_state_of_its_own_is_not_taken_up():
    check_taken_up(replace(RECORD, ops={"StatelessRandomNormalV2": 1, "MatMul": 2}))
    check_taken_up(replace(RECORD, kind=GraphKind.FORWARD, ops={"RandomUniform": 1}))
    with pytest.raises(
        SpecError, match=r"the graph 'ranker': it draws with RandomUniform, whose state cannot"
    ):
        check_taken_up(replace(RECORD, ops={"RandomUniform": 1, "TruncatedNormal": 1}))

"""The outputs of a shard are those of the graph called with each batch, whether tf.data calls it or we do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
import tensorflow as tf

import jupyter_kf as kf
from jupyter_kf.stored import forward
from jupyter_kf.stored.record import GraphRun

if TYPE_CHECKING:
    from collections.abc import Callable

X = np.arange(40, dtype="float32").reshape(20, 2)
DATA = tf.data.Dataset.from_tensor_slices(X).batch(3)  # the last batch is smaller


class Pair(NamedTuple):
    left: Any
    right: Any


def a_list(x: Any) -> Any:
    return [x, x + 1]


def nested(x: Any) -> Any:
    return {"a": x, "b": (x * 2, [tf.reduce_sum(x)])}


def pair(x: Any) -> Any:
    return Pair(x, tf.strings.as_string(x))


def with_none(x: Any) -> Any:
    return x, None


def ragged(x: Any) -> Any:
    return tf.RaggedTensor.from_row_lengths(tf.reshape(x, [-1]), tf.repeat(2, tf.shape(x)[0]))


def unknown(x: Any, y: Any) -> Any:
    """As it comes from files: with a shape that only the batch itself tells."""
    return tf.io.parse_tensor(tf.io.serialize_tensor(x), tf.float32), y


@pytest.mark.parametrize(
    ("function", "inside"),
    [(a_list, True), (nested, True), (pair, True), (with_none, False), (ragged, False)],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_outputs_of_any_structure(function: Callable[[Any], Any], inside: bool) -> None:
    same(function, (X[:2],), DATA, inside=inside)


@pytest.mark.parametrize(
    ("data", "inside"),
    [
        (tf.data.Dataset.zip((DATA, DATA)), True),
        (tf.data.Dataset.zip((DATA, DATA)).map(Pair), True),
        (tf.data.Dataset.zip((DATA, DATA)).map(unknown), False),
    ],
    ids=["tuple", "namedtuple", "open shape"],
)
def test_batches_of_several_parts(data: Any, inside: bool) -> None:
    def both(x: Any, y: Any) -> Any:
        return x + 2 * y

    same(both, (X[:2], X[:2]), data, inside=inside)


def test_a_batch_that_does_not_fit_is_told_as_it_is_by_a_call() -> None:
    graph = kf.save_graph("graph", a_list, X[:2])
    with pytest.raises(TypeError, match=r"is to be float32\[\?, 2\], not float32\[3, 1\]"):
        forward.outputs(graph.load(), DATA.map(lambda x: x[:, :1]), GraphRun("graph", 1))


def test_an_error_of_the_graph_is_raised() -> None:
    def checked(x: Any) -> Any:
        with tf.control_dependencies([tf.debugging.assert_less(x, 30.0, "too large")]):
            return tf.identity(x)

    graph = kf.save_graph("graph", checked, X[:2])
    with pytest.raises(tf.errors.InvalidArgumentError, match="too large"):
        forward.outputs(graph.load(), DATA, GraphRun("graph", 1))


def same(function: Callable[..., Any], example: Any, data: Any, *, inside: bool) -> None:
    loaded = kf.save_graph("graph", function, *example).load()
    assert forward.fits(loaded, data) is inside
    for shards in (1, 2):
        parts = [
            forward.outputs(loaded, data, GraphRun("graph", 1, shard=i, shards=shards)) for i in range(shards)
        ]
        expected = [loaded(*(batch if isinstance(batch, tuple) else (batch,))) for batch in data]
        found = [parts[i % shards][i // shards] for i in range(len(expected))]
        assert sum(map(len, parts)) == len(expected)
        for one, other in zip(found, expected, strict=True):
            tf.nest.assert_same_structure(one, other, expand_composites=True)
            for a, b in zip(*(tf.nest.flatten(x, expand_composites=True) for x in (one, other)), strict=True):
                np.testing.assert_array_equal(a, b)
    assert len(forward.outputs(loaded, data, GraphRun("graph", 1, steps=2))) == 2

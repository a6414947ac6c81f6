"""What a trial on made-up rows finds out about a call."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from jupyter_kf.parallel import plan, trial

X = tf.constant(np.random.RandomState(0).rand(6, 3).astype("float32"))


def of(function: Any) -> Any:
    return trial.run(function, function, (X,), {}, (0,))


def test_rows_one_by_one() -> None:
    assert of(lambda x: tf.tanh(x) * 2.0) == (("rows",), ())


def test_scalars_are_told_apart() -> None:
    found = of(lambda x: (tf.reduce_mean(x), tf.reduce_sum(x), tf.constant(3.0), x[:, 0]))
    assert found == (("mean", "sum", "same", "rows"), ())


@pytest.mark.parametrize(
    "mixing",
    [
        lambda x: x - tf.reduce_mean(x, 0),
        lambda x: x / tf.reduce_max(x),
        lambda x: tf.matmul(x, x, transpose_b=True),
        lambda x: tf.reverse(x, [0]),
        lambda x: tf.reduce_max(x),
        lambda x: tf.concat([x, x], 0),
    ],
)
def test_what_depends_on_other_rows_is_found(mixing: Any) -> None:
    assert of(mixing) == "its results for some rows of a batch depend on the other rows"


def test_a_scalar_that_is_always_zero_tells_nothing() -> None:
    assert isinstance(of(lambda x: tf.reduce_sum(x) * 0.0), str)


def test_a_call_that_fails_is_not_cut() -> None:
    def fails(x: Any) -> Any:
        raise KeyError("no")

    assert "KeyError" in of(fails)


class Keeps(keras.layers.Layer):
    def __init__(self, by_rows: bool) -> None:
        super().__init__()
        self.by_rows = by_rows
        self.seen = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, x: Any) -> Any:
        self.seen.assign_add(tf.reduce_sum(x) if self.by_rows else 1.0)
        return x


@pytest.mark.parametrize("by_rows", [False, True])
def test_state_must_not_depend_on_rows_and_is_put_back(by_rows: bool) -> None:
    model = keras.Sequential([keras.Input((3,)), Keeps(by_rows)])
    found = trial.run(lambda *a, **k: model(*a, **k), model, (X,), {}, (0,))
    assert (found == "it keeps state that depends on the rows of a batch") == by_rows
    assert float(model.layers[-1].seen) == 0.0


def test_added_losses_are_told_apart() -> None:
    class Adds(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            self.add_loss(tf.reduce_mean(x**2))
            self.add_loss(tf.reduce_sum(x**2))
            return x

    model = keras.Sequential([keras.Input((3,)), Adds()])
    assert trial.run(lambda *a, **k: model(*a, **k), model, (X,), {}, (0,)) == (("rows",), ("mean", "sum"))


def test_random_seeds_of_tensorflow_are_left_where_they_were() -> None:
    tf.random.set_seed(5)
    want = [float(tf.random.normal([])) for _ in range(2)]
    tf.random.set_seed(5)
    first = float(tf.random.normal([]))
    of(lambda x: x + tf.random.normal([3]))
    assert [first, float(tf.random.normal([]))] == want


def test_models_of_keras_own_layers_are_trusted() -> None:
    own = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.BatchNormalization()])
    assert plan.trusted(own)
    assert not plan.trusted(keras.Sequential([keras.Input((3,)), keras.layers.Lambda(lambda x: x)]))
    assert not plan.trusted(
        keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activity_regularizer="l2")])
    )
    a = keras.Input((3,))
    assert not plan.trusted(keras.Model(a, a - keras.ops.mean(a, axis=0)))


def test_outputs_computed_from_outputs_are_found() -> None:
    a = keras.Input((3,))
    hidden = keras.layers.Dense(4)(a)
    out = keras.layers.Dense(2)(hidden)
    assert plan.nested_outputs(keras.Model(a, [hidden, out]))
    assert not plan.nested_outputs(keras.Model(a, [out, keras.layers.Dense(1)(hidden)]))


def test_a_batch_is_the_one_first_axis_of_all_arguments() -> None:
    batch = plan.batch_of([X, True, tf.zeros([6])])
    assert batch is not None
    assert (batch.where, batch.rows) == ((0, 2), 6)
    assert plan.batch_of([X, tf.zeros([5])]) is None
    assert plan.batch_of([3]) is None

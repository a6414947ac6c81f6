"""What a trial on made-up rows finds out about a call."""

from __future__ import annotations

import random
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


def test_variables_that_the_call_does_not_use_are_left_alone() -> None:
    """A trace that failed leaves variables without a value, which can neither be read nor moved."""

    class Late(tf.Module):
        w = None

        @tf.function
        def __call__(self, x: Any) -> Any:
            self.w = tf.Variable(tf.ones([2, 2]))
            raise ValueError("no")

    late = Late()
    with pytest.raises(ValueError, match="no"):
        late(X)
    assert not late.w.is_initialized()
    assert of(tf.tanh) == (("rows",), ())
    assert not late.w.is_initialized()


def test_a_variable_of_any_shape_can_be_moved() -> None:
    scale = tf.Variable(tf.ones([3]), shape=tf.TensorShape(None))
    assert of(lambda x: tf.tanh(x * scale)) == (("rows",), ())
    assert scale.numpy().tolist() == [1, 1, 1]


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


def model_of(*layers: Any) -> tuple[Any, Any]:
    model = keras.Sequential([keras.Input((3,)), *layers])
    return (lambda *a, **k: model(*a, **k)), model


def test_what_hides_behind_weights_that_start_as_zero_is_found() -> None:
    mixing = keras.layers.Lambda(lambda x: x - tf.reduce_mean(x, 0))
    call, model = model_of(mixing, keras.layers.Dense(2, kernel_initializer="zeros"))
    assert "depend on the other rows" in trial.run(call, model, (X,), {}, (0,))
    assert not np.any(model.get_weights()[0])


@pytest.mark.parametrize(
    "slope", [lambda dy: tf.clip_by_value(dy, -1.0, 1.0), lambda dy: dy / tf.cast(tf.shape(dy)[0], dy.dtype)]
)
def test_own_gradients_that_mix_rows_or_are_not_linear_are_found(slope: Any) -> None:
    @tf.custom_gradient
    def own(x: Any) -> Any:
        return tf.identity(x), slope

    assert of(own) == "its gradients for some rows of a batch depend on the other rows"


def test_own_gradients_row_by_row_are_cut() -> None:
    @tf.custom_gradient
    def own(x: Any) -> Any:
        return tf.identity(x), lambda dy: -0.5 * dy

    assert of(own) == (("rows",), ())


def test_variables_that_keras_does_not_know_are_put_back() -> None:
    counter, drawn = tf.Variable(0), tf.random.Generator.from_seed(1)
    before = drawn.state.numpy()

    def call(x: Any) -> Any:
        counter.assign_add(1)
        drawn.normal([])
        return x * 2.0

    assert of(call) == (("rows",), ())
    assert int(counter) == 0
    assert np.array_equal(drawn.state.numpy(), before)


@pytest.mark.parametrize("rows", [8, 85, 3000])
@pytest.mark.parametrize("looked_up", [False, True])
def test_weights_of_any_size_are_put_back(rows: int, looked_up: bool) -> None:
    table = tf.Variable(np.random.RandomState(1).rand(rows, 48).astype("float32"))
    codes = tf.constant(np.random.RandomState(0).randint(0, 8, (6, 3)))

    def call(x: Any) -> Any:
        picked = tf.gather(table, x) if looked_up else tf.one_hot(x, rows) @ table
        return tf.reduce_sum(picked, -1)

    before = table.numpy()
    assert trial.run(call, call, (codes,), {}, (0,)) == (("rows",), ())
    np.testing.assert_array_equal(table.numpy(), before)


def test_random_numbers_of_numpy_and_python_are_left_where_they_were() -> None:
    def call(x: Any) -> Any:
        return x + np.random.rand() + random.random()

    random.seed(1)
    np.random.seed(1)
    want = random.random(), np.random.rand()
    random.seed(1)
    np.random.seed(1)
    assert isinstance(of(call), str)
    assert (random.random(), np.random.rand()) == want


class Remembers(keras.layers.Layer):
    def __init__(self, what: str) -> None:
        super().__init__()
        self.what, self.calls, self.last, self.all = what, 0, None, []

    def call(self, x: Any) -> Any:
        self.calls += 1
        if self.what == "attribute":
            self.last = x * 2
        if self.what == "list":
            self.all.append(tf.reduce_mean(x))
        return x


@pytest.mark.parametrize("what", ["number", "attribute", "list"])
def test_tensors_left_in_attributes_are_found_and_removed(what: str) -> None:
    call, model = model_of(Remembers(what))
    layer = model.layers[-1]
    model(X)
    before = layer.calls, layer.last, list(layer.all)
    found = trial.run(call, model, (X,), {}, (0,))
    assert (found == "it keeps tensors of its batch in attributes") == (what != "number")
    assert layer.calls == before[0]
    assert layer.last is before[1]
    assert [id(x) for x in layer.all] == [id(x) for x in before[2]]


@pytest.mark.parametrize("leave", [lambda x: tf.print(x), lambda x: tf.py_function(lambda v: None, [x], [])])
def test_operations_that_leave_tensorflow_are_found(leave: Any) -> None:
    def call(x: Any) -> Any:
        leave(x)
        return x * 1.0

    assert of(call) == "it prints or calls Python from an operation"


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.Dense(2, activation=lambda x: x - tf.reduce_mean(x, 0)),
        keras.layers.Softmax(axis=0),
        keras.layers.Softmax(axis=-2),
    ],
)
def test_layers_told_to_mix_rows_are_not_trusted(layer: Any) -> None:
    call, model = model_of(layer)
    assert not plan.trusted(model)
    assert "depend on the other rows" in trial.run(call, model, (X,), {}, (0,))


def test_an_added_loss_that_a_choice_makes_look_like_a_mean_is_found() -> None:
    class Chooses(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            chosen = tf.reduce_mean(tf.one_hot(tf.argmax(x, 1), 3), 0)
            self.add_loss(tf.reduce_sum(chosen * tf.reduce_mean(tf.nn.softmax(x), 0)))
            return x

    call, model = model_of(Chooses())
    assert "adds a loss" in trial.run(call, model, (X,), {}, (0,))


def test_sums_along_the_rows_are_found_where_they_have_no_effect_yet() -> None:
    def room_for_hundred(x: Any) -> Any:
        place = tf.cumsum(tf.ones_like(x), 0)
        return x * tf.cast(place < 100, tf.float32)

    assert of(room_for_hundred) == "it adds up along the first axis"
    assert of(lambda x: tf.cumsum(x, 1)) == (("rows",), ())

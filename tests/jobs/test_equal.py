"""Work sent out equals work done here: weights, slots, history, metrics, and the objects are the same ones.

Each case is run twice from equal starts, once sent out and once in this process, and then goes on
in this process from both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.eager import context

import jupyter_kf as kf
from tests.gang.compare import BAR, difference

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.gang

BATCH = 8
# Rows: all batches even; the last of 5 uneven; the last of 1, so that other replicas have none.
ROWS = {"even": 24, "uneven": 29, "empty": 25}
X = np.random.default_rng(0).normal(size=(29, 6)).astype("float32")
Y = (X[:, :1] * 2 - X[:, 1:2] + 0.5).astype("float32")


def dense(optimizer: Any) -> keras.Model:
    keras.utils.set_random_seed(11)
    model = keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(7, activation="tanh"), keras.layers.Dense(1)]
    )
    model.compile(optimizer, "mse", metrics=["mae"])
    return model


def adam() -> keras.Model:
    return dense(keras.optimizers.Adam(0.01))


def momentum() -> keras.Model:
    return dense(keras.optimizers.SGD(0.05, momentum=0.9))


def clipped() -> keras.Model:
    return dense(keras.optimizers.Adam(0.01, global_clipnorm=0.1))


class Residual(keras.Model):
    """A subclassed model that is not built until it is trained."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = keras.layers.Dense(6, activation="relu")
        self.outer = keras.layers.Dense(1)

    def call(self, x: Any) -> Any:
        return self.outer(x + self.inner(x))


def subclassed() -> keras.Model:
    keras.utils.set_random_seed(12)
    model = Residual()
    model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
    return model


def state(model: keras.Model) -> list[np.ndarray]:
    return [v.numpy() for v in [*model.variables, *model.optimizer.variables]]


def both(make: Callable[[], Any], work: Callable[[Any], Any], workers: int) -> tuple[Any, Any, Any, Any]:
    """Do ``work`` there and here; give both objects and both values."""
    there, here = make(), make()
    keras.utils.set_random_seed(5)
    with kf.Executor(workers=workers) as executor:
        value_there = executor.submit(work, there).result(90)
    keras.utils.set_random_seed(5)
    return there, here, value_there, work(here)


@pytest.mark.parametrize("workers", [2, 3])
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("make", [adam, momentum, clipped, subclassed])
def test_fit(make: Callable[[], keras.Model], rows: str, workers: int) -> None:
    x, y = X[: ROWS[rows]], Y[: ROWS[rows]]

    def work(model: keras.Model) -> dict[str, list[float]]:
        return model.fit(x, y, batch_size=BATCH, epochs=2, verbose=0, validation_data=(x[:5], y[:5])).history

    there, here, history, expected = both(make, work, workers)
    assert difference(history, expected) <= BAR
    assert difference(state(there), state(here)) <= BAR

    keras.utils.set_random_seed(6)
    after = there.fit(x, y, batch_size=BATCH, verbose=0).history
    keras.utils.set_random_seed(6)
    assert difference(after, here.fit(x, y, batch_size=BATCH, verbose=0).history) <= BAR
    assert difference(state(there), state(here)) <= BAR


@pytest.mark.parametrize("workers", [2, 3])
def test_the_objects_are_the_same_ones(workers: int) -> None:
    model = adam()
    model.optimizer.build(model.trainable_variables)
    before = [*model.variables, *model.optimizer.variables, model.optimizer, *model.layers]
    ids = [id(v.value) for v in model.variables]
    with kf.Executor(workers=workers) as executor:
        history = executor.submit(model.fit, X, Y, batch_size=BATCH, verbose=0).result(90)
    after = [*model.variables, *model.optimizer.variables, model.optimizer, *model.layers]
    assert all(a is b for a, b in zip(before, after, strict=True))
    assert [id(v.value) for v in model.variables] == ids
    assert history.model is model
    assert int(model.optimizer.iterations.numpy()) == 4


@pytest.mark.parametrize("workers", [2, 3])
def test_evaluate_and_predict(workers: int) -> None:
    def work(model: keras.Model) -> tuple[Any, Any]:
        return model.evaluate(X, Y, batch_size=BATCH, verbose=0), model.predict(
            X, batch_size=BATCH, verbose=0
        )

    there, here, got, expected = both(adam, work, workers)
    assert got[1].shape == (29, 1)
    assert difference(got, expected) <= BAR
    assert difference(state(there), state(here)) == 0


class Loop:
    """A custom loop with a step that was traced before it was sent out."""

    data: tf.data.Dataset

    def __init__(self) -> None:
        keras.utils.set_random_seed(13)
        self.weights = tf.Variable(tf.random.normal((6, 1)))
        self.optimizer = keras.optimizers.SGD(0.1, momentum=0.5)
        self.optimizer.build([self.weights])
        self.seen = 0

        @tf.function
        def step(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((x @ self.weights - y) ** 2)
            self.optimizer.apply_gradients([(tape.gradient(loss, self.weights), self.weights)])
            return loss

        self.step = step
        step.get_concrete_function(tf.TensorSpec((None, 6)), tf.TensorSpec((None, 1)))


@pytest.mark.parametrize("workers", [2, 3])
@pytest.mark.parametrize("rows", ROWS)
def test_a_custom_loop_with_a_traced_function(rows: str, workers: int) -> None:
    def make() -> Loop:
        loop = Loop()  # with data of its own, for each iteration of them is another order
        table = tf.data.Dataset.from_tensor_slices((X[: ROWS[rows]], Y[: ROWS[rows]]))
        loop.data = table.shuffle(29, seed=2).batch(BATCH)
        return loop

    def work(loop: Loop) -> list[float]:
        losses = []
        for _ in range(2):
            for x, y in kf.distribute(loop.data):
                losses.append(float(kf.mean(loop.step(x, y))))
                loop.seen += 1
        return losses

    there, here, losses, expected = both(make, work, workers)
    assert there.seen == here.seen == len(losses)
    assert difference(losses, expected) <= BAR
    assert difference(there.weights.numpy(), here.weights.numpy()) <= BAR
    assert (
        difference(
            [v.numpy() for v in there.optimizer.variables], [v.numpy() for v in here.optimizer.variables]
        )
        <= BAR
    )
    for loop in (there, here):
        loop.step(X[:8], Y[:8])
    assert difference(there.weights.numpy(), here.weights.numpy()) <= BAR


def test_an_own_strategy_gets_its_tf_config_and_no_hook() -> None:
    def work() -> tuple[int, float]:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
        with strategy.scope():
            v = tf.Variable(1.0)
        total = strategy.reduce("SUM", strategy.run(lambda: v + 1.0), axis=None)
        return strategy.num_replicas_in_sync, float(total)

    with kf.Executor(workers=2) as executor:
        assert executor.submit(work).result(90) == (2, 4.0)


@pytest.mark.parametrize("seed", [None, 7])
def test_random_numbers_of_tensorflow(seed: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a seed the replicas draw alike and the notebook stays without; with one all goes on as here."""
    monkeypatch.setattr(context.context(), "_seed", None)
    variable = tf.Variable(tf.zeros(3))

    def draw() -> np.ndarray:
        variable.assign(tf.random.normal((3,)))  # the replicas' values are compared at the end
        return variable.numpy()

    if seed is not None:
        tf.random.set_seed(seed)
    with kf.Executor(workers=2) as executor:
        there = executor.submit(draw).result(90)
    assert (there == variable.numpy()).all() and there.any()
    assert context.context()._seed == seed
    if seed is not None:
        after = draw()
        tf.random.set_seed(seed)
        assert (draw() == there).all() and (draw() == after).all()

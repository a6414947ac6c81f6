"""What the rows of one replica raise is raised in the notebook, as the whole batch raises it in one run."""

from __future__ import annotations

import contextlib
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import jupyter_kf as kf
from jupyter_kf.parallel import collective
from tests.gang.compare import BAR, difference

pytestmark = [pytest.mark.gang, pytest.mark.usefixtures("warm_place")]

_BOUND = 60.0
X = np.random.default_rng(3).integers(0, 9, (24, 4)).astype("int32")
Y = np.ones((24, 1), "float32")
BAD = X.copy()
BAD[9, 2] = 99  # of the second batch of eight rows, in the first half
LATE = X.copy()
LATE[14, 1] = 99  # in the second half


class Looked(keras.layers.Layer):
    """Rows of a table by number, which TensorFlow refuses when there is no such row."""

    def build(self, shape: Any) -> None:
        self.table = self.add_weight(shape=(9, 5), initializer="ones", name="table")

    def call(self, x: Any) -> Any:
        return tf.reduce_mean(tf.gather(self.table, x), 1)


class Strict(keras.layers.Layer):
    """Refuses large numbers in Python, which it can only where nothing is traced."""

    def call(self, x: Any) -> Any:
        if tf.executing_eagerly() and float(tf.reduce_max(x)) > 90:
            raise ValueError("a number is too large")
        return tf.cast(x, tf.float32)


def model(*layers: Any, **options: Any) -> keras.Model:
    keras.utils.set_random_seed(2)
    made = keras.Sequential([keras.Input((4,), dtype="int32"), *layers, keras.layers.Dense(1)])
    made.compile(keras.optimizers.Adam(0.01), "mse", **options)
    made.optimizer.build(made.trainable_variables)
    return made


def fit(made: keras.Model, x: Any) -> Any:
    return made.fit(x, Y, batch_size=8, epochs=2, shuffle=False, verbose=0)


def state(made: keras.Model) -> list[Any]:
    return [*made.get_weights(), *(v.numpy() for v in made.optimizer.variables)]


@pytest.mark.parametrize("workers", [2, 3])
@pytest.mark.parametrize("x", [BAD, LATE], ids=["first half", "second half"])
def test_an_index_that_is_not_there(x: np.ndarray, workers: int) -> None:
    there, here = model(Looked()), model(Looked())
    job = kf.Executor(workers=workers).submit(fit, there, x)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"= 99 is not in \[0, 9\)"):
        job.result(_BOUND)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"= 99 is not in \[0, 9\)"):
        fit(here, x)
    assert difference(state(there), state(here)) <= BAR
    assert job.status.reason.startswith("InvalidArgumentError")


@pytest.mark.parametrize("rank", [0, 1])
def test_a_layer_that_raises_in_python(rank: int) -> None:
    there, here = (model(Strict(), run_eagerly=True) for _ in range(2))
    x = (BAD, LATE)[rank]
    with pytest.raises(ValueError, match="a number is too large") as caught:
        kf.Executor(workers=2).submit(fit, there, x).result(_BOUND)
    assert any("raise ValueError" in str(entry.statement) for entry in caught.traceback)
    with pytest.raises(ValueError, match="a number is too large"):
        fit(here, x)
    assert difference(state(there), state(here)) <= BAR


def caught(made: keras.Model, path: Any) -> Any:
    """Fits on rows that cannot be, and goes on with others."""
    try:
        fit(made, LATE)
    except tf.errors.InvalidArgumentError as error:
        path.write_text(type(error).__name__)
    history = fit(made, X).history
    return path.read_text(), history, made.evaluate(X, Y, verbose=0), made.predict(BAD % 9, verbose=0)


def test_a_program_that_catches_the_error_goes_on(tmp_path: Any) -> None:
    there, here = model(Looked()), model(Looked())
    job = kf.Executor(workers=2).submit(caught, there, tmp_path / "there")
    got, want = job.result(2 * _BOUND), caught(here, tmp_path / "here")
    assert got[0] == want[0]
    assert difference(got[1:], want[1:]) <= BAR
    assert difference(state(there), state(here)) <= BAR


def parting(made: keras.Model, path: Any) -> None:
    """Goes on after the error, and writes a file on one replica only."""
    with contextlib.suppress(tf.errors.InvalidArgumentError):
        fit(made, LATE)
    if collective.place()[0]:
        path.write_text("one")


def test_replicas_that_part_after_an_error_are_told(tmp_path: Any) -> None:
    job = kf.Executor(workers=2).submit(parting, model(Looked()), tmp_path / "file")
    with pytest.raises(kf.JupyterKFError, match=r"while replica [01] came to"):
        job.result(_BOUND)


def loop(made: keras.Model, x: np.ndarray, graph: bool) -> None:
    def step(x: Any, y: Any) -> None:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((made(x, training=True) - y) ** 2)
        slopes = tape.gradient(loss, made.trainable_variables)
        made.optimizer.apply(slopes, made.trainable_variables)

    take = tf.function(step) if graph else step
    for rows, y in tf.data.Dataset.from_tensor_slices((x, Y)).batch(8):
        take(rows, y)


@pytest.mark.parametrize("graph", [True, False], ids=["graph", "eager"])
def test_a_loop_of_the_users_own(graph: bool) -> None:
    there, here = model(Looked()), model(Looked())
    with pytest.raises(tf.errors.InvalidArgumentError, match="= 99 is not in"):
        kf.Executor(workers=2).submit(loop, there, LATE, graph).result(_BOUND)
    with pytest.raises(tf.errors.InvalidArgumentError, match="= 99 is not in"):
        loop(here, LATE, graph)
    assert difference(state(there), state(here)) <= BAR


def alike(made: keras.Model) -> Any:
    """What all replicas raise themselves: nothing is lost by it."""
    for _ in range(2):
        with pytest.raises(tf.errors.InvalidArgumentError):
            made.fit(X, np.full_like(Y, np.nan), batch_size=8, verbose=0)
    made.fit(X, Y, batch_size=8, verbose=0)


class Checked(keras.losses.Loss):
    def call(self, y: Any, found: Any) -> Any:
        return tf.debugging.check_numerics((y - found) ** 2, "the loss")


def test_what_all_raise_themselves() -> None:
    there, here = model(Looked()), model(Looked())
    for made in (there, here):
        made.compile("sgd", Checked())
    kf.Executor(workers=2).submit(alike, there).result(2 * _BOUND)
    alike(here)
    assert difference(there.get_weights(), here.get_weights()) <= BAR

"""A training that loses a replica goes on from its checkpoint, and ends as if nothing had happened."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import jupyter_kf as kf
from jupyter_kf.backends import connect
from jupyter_kf.store import CHECKPOINT, STATUS, job_path
from tests.conftest import wait_until
from tests.gang.compare import BAR, difference

pytestmark = [
    pytest.mark.gang,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # of Keras with NumPy
]

STOP_AT = 27  # steps; in the midst of the fourth epoch of eight steps
X = np.random.default_rng(3).normal(size=(60, 5)).astype("float32")
Y = (X[:, :1] ** 2 + X[:, 1:2]).astype("float32")


class Gate(keras.utils.PyDataset):
    """Batches in a random order of each epoch's own; waits at a step until a file is there."""

    def __init__(self, go: Path) -> None:
        super().__init__()
        self.go, self.given = go, 0
        self.order = np.random.permutation(len(X))

    def __len__(self) -> int:
        return 8

    def __getitem__(self, i: int) -> Any:
        self.given += 1
        deadline = time.monotonic() + 60
        while self.given > STOP_AT and not self.go.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        rows = self.order[i * 8 : (i + 1) * 8]
        return X[rows], Y[rows]

    def on_epoch_end(self) -> None:
        self.order = np.random.permutation(len(X))


def model(**options: Any) -> keras.Model:
    keras.utils.set_random_seed(4)
    layers = [keras.layers.Dense(9, "tanh"), keras.layers.Dropout(0.2), keras.layers.Dense(1)]
    made = keras.Sequential([keras.Input((5,)), *layers])
    made.compile(keras.optimizers.Adam(0.02), "mse", metrics=["mae"], **options)
    return made


def train(made: keras.Model, go: Path, log: Path) -> Any:
    callbacks = [
        keras.callbacks.EarlyStopping("val_loss", patience=2, restore_best_weights=True),
        keras.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=0.05),
        keras.callbacks.CSVLogger(log),
    ]
    history = made.fit(
        Gate(go), epochs=7, verbose=0, validation_data=(X[:9], Y[:9]), shuffle=False, callbacks=callbacks
    )
    return history.history


class Interrupted:
    """A job whose training is at its gate, with checkpoints behind it."""

    def __init__(self, workers: int, made: keras.Model, folder: Path) -> None:
        self.go = folder / "go"
        keras.utils.set_random_seed(5)
        executor = kf.Executor(workers=workers, checkpoint=0.01)
        self.job = executor.submit(train, made, self.go, folder / "there.csv")
        self.store = connect().store
        last = job_path(self.job.name, CHECKPOINT, "latest.json")
        wait_until(
            lambda: self.store.has(last) and self.store.get_json(last)["number"] >= 5, "checkpoints", 90
        )

    def lose(self, rank: int) -> None:
        supervisor = self.store.get_json(job_path(self.job.name, STATUS))["pid"]
        ranks = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
        os.kill(int(ranks[rank]), signal.SIGKILL)
        wait_until(lambda: self.job.status.replicas[rank].restarts == 1, "another attempt", 60)


@pytest.mark.parametrize(("workers", "rank", "steps"), [(1, 0, 1), (2, 0, 1), (2, 1, 1), (2, 1, 3)])
def test_a_training_goes_on_after_a_loss(workers: int, rank: int, steps: int, tmp_path: Path) -> None:
    there, here = (model(steps_per_execution=steps) for _ in range(2))  # of 3, the last of an epoch has 2
    it = Interrupted(workers, there, tmp_path)
    try:
        it.lose(rank)
        it.go.touch()
        got = it.job.result(90)
    finally:
        it.job.cancel()

    keras.utils.set_random_seed(5)
    expected = train(here, it.go, tmp_path / "here.csv")
    assert difference(got, expected) <= BAR
    assert difference(there.get_weights(), here.get_weights()) <= BAR
    slots = [[v.numpy() for v in m.optimizer.variables] for m in (there, here)]
    assert difference(*slots) <= BAR
    lines = [path.read_text().split() for path in (tmp_path / "there.csv", tmp_path / "here.csv")]
    assert len(lines[0]) == len(lines[1]) == 1 + len(expected["loss"])
    assert "Taken up at step" in it.job.logs(0)
    assert not it.store.has(job_path(it.job.name, CHECKPOINT))


def test_a_host_that_ends_has_the_training_kept_first() -> None:
    made, store = model(), connect().store
    job = kf.Executor(workers=2, checkpoint="1h").submit(made.fit, X, Y, epochs=100_000, verbose=0)
    try:
        wait_until(lambda: len(job.metrics()) > 0, "it trains", 90)
        os.kill(store.get_json(job_path(job.name, STATUS))["pid"], signal.SIGTERM)
        wait_until(job.done, "the end", 60)
    finally:
        job.cancel()
    assert job.cancelled()
    assert store.get_json(job_path(job.name, CHECKPOINT, "latest.json"))["number"] == 1


def test_own_callbacks_are_refused_before_a_step_is_trained() -> None:
    made = model()

    def fit() -> None:
        made.fit(X, Y, verbose=0, callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=print)])

    with pytest.raises(kf.SpecError, match="checkpoint= does not go with the callback LambdaCallback"):
        kf.Executor(workers=2, checkpoint="60s").submit(fit).result(90)
    assert int(made.optimizer.iterations.numpy()) == 0


class Noisy(keras.layers.Layer):
    def call(self, x: Any) -> Any:
        return x + tf.random.normal(tf.shape(x))


def test_eager_steps_are_refused() -> None:
    made = model()
    made.compile("sgd", "mse", run_eagerly=True)
    with pytest.raises(kf.SpecError, match="does not go with run_eagerly"):
        kf.Executor(workers=2, checkpoint="60s").submit(made.fit, X, Y, verbose=0).result(90)


def test_random_numbers_without_a_variable_are_refused() -> None:
    made = keras.Sequential([keras.Input((5,)), Noisy(), keras.layers.Dense(1)])
    made.compile("sgd", "mse")
    with pytest.raises(kf.SpecError, match="random operation RandomStandardNormal"):
        kf.Executor(workers=2, checkpoint="60s").submit(made.fit, X, Y, verbose=0).result(90)

"""Programs that replicas agree on, and some they do not."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

import jupyter_kf.parallel as kf
from jupyter_kf.parallel import collective, report
from tests.gang.first_cases import data, mlp


def agreeing() -> str:
    kf.agree([tf.Variable([1.0, 2.0]), tf.Variable(3)])
    return "agreed"


def disagreeing() -> None:
    kf.agree([tf.Variable([1.0, 2.0], name="a"), tf.Variable([float(collective.rank())], name="b")])


def different_data() -> None:
    keras.utils.set_random_seed(1)
    x, y = data(24)
    model = mlp()
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x, (y + collective.rank()) % 3, batch_size=8, shuffle=False, verbose=0)


def progress() -> list[dict[str, Any]]:
    seen: list[dict[str, Any]] = []
    report.to(seen.append if collective.rank() == 0 else None)
    x, y = data(32)
    model = mlp()
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    model.fit(x, y, batch_size=8, epochs=2, verbose=0)
    return seen


class TwoOutputs(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.out = keras.layers.Dense(5, activation="tanh"), keras.layers.Dense(3)

    def call(self, x: Any) -> Any:
        hidden = self.hidden(x)
        return hidden, self.out(hidden)


def between_outputs(whole: bool = False) -> float:
    keras.utils.set_random_seed(1)
    x, _ = data(12)
    model = TwoOutputs()
    with tf.GradientTape() as tape:
        if whole:
            with kf.whole():
                hidden, out = model(x)
        else:
            hidden, out = model(x)
        best = tf.reduce_sum(out[:, 0])
    return float(tf.reduce_sum(tape.gradient(best, hidden)))

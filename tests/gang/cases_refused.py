"""What ends with an error: the one that one process ends with, or a refusal with the way out."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tests.gang.cases_fit import compiled
from tests.gang.end_cases import TwoOutputs
from tests.gang.scenes import BATCH, table


def class_and_sample_weights() -> Any:
    x, y = table(24)
    compiled().fit(x, y, class_weight={0: 2.0}, sample_weight=np.ones(24, "float32"), verbose=0)


def rows_do_not_match() -> Any:
    x, y = table(24)
    compiled().fit(x, y[:-1], batch_size=BATCH, verbose=0)


def unknown_rows_do_not_match() -> Any:
    """In a graph that knows no number of rows, a call with 12 and 6: in one process each is computed."""
    a, b = keras.Input((6,)), keras.Input((6,))
    layer = keras.layers.Dense(2)
    model = keras.Model([a, b], [layer(a), layer(b)])
    rows = tf.TensorSpec([None, 6])

    @tf.function(input_signature=[rows, rows])
    def step(x: Any, z: Any) -> Any:
        with tf.GradientTape() as tape:
            one, two = model([x, z])
            loss = tf.reduce_mean(one) + tf.reduce_mean(two)
        return tape.gradient(loss, model.trainable_variables[0])

    x, _ = table(12)
    return step(x, x[:6])


def save_of_a_step_that_trains() -> None:
    class Linear(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = tf.Variable(tf.ones([6, 1]))

        @tf.function(input_signature=[tf.TensorSpec([None, 6])])
        def train(self, x: Any) -> Any:
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((x @ self.w) ** 2)
            self.w.assign_sub(tape.gradient(loss, self.w))
            return loss

    tf.saved_model.save(Linear(), "trains")


def derivative_between_outputs() -> Any:
    x, _ = table(12)
    model = TwoOutputs()
    with tf.GradientTape() as tape:
        hidden, out = model(x)
        best = tf.reduce_sum(out[:, 0])
    return np.asarray(tape.gradient(best, hidden))

"""Derivatives by vectorised loops: second ones, one for each example, grouped convolutions."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tests.gang import scenes


def _net() -> keras.Model:
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, "tanh"), keras.layers.Dense(1)])


def hessians() -> dict[str, Any]:
    """Of the loss by a kernel, and of the output by each row; then trained on their trace."""
    keras.utils.set_random_seed(1)
    model, optimizer = _net(), keras.optimizers.SGD(0.05)
    kernel = model.layers[0].kernel.value

    @tf.function
    def step(x: tf.Tensor) -> tuple[tf.Tensor, ...]:
        with tf.GradientTape() as outer:
            with tf.GradientTape() as second:
                second.watch(x)
                with tf.GradientTape() as first:
                    first.watch(x)
                    y = model(x, training=True)
                slopes = first.gradient(y, x)
            bends = second.batch_jacobian(slopes, x)
            loss = tf.reduce_mean((tf.linalg.trace(bends) - 1.0) ** 2) + tf.reduce_mean(y**2)
        optimizer.apply(outer.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss, bends

    def train(rows: int) -> dict[str, Any]:
        x, _ = scenes.table(rows, width=3)
        found = [step(tf.constant(x[i : i + scenes.BATCH])) for i in range(0, rows, scenes.BATCH)]
        with tf.GradientTape() as second:
            with tf.GradientTape() as first:
                loss = tf.reduce_mean(model(tf.constant(x)) ** 2)
            slope = first.gradient(loss, kernel)
        return {
            "found": [[np.asarray(v) for v in pair] for pair in found],
            "hessian": second.jacobian(slope, kernel).numpy(),
            "weights": model.get_weights(),
        }

    return scenes.by_shape(train)


def by_example() -> dict[str, Any]:
    """Gradients of each example, by a vectorised map of tapes and of one persistent tape."""
    keras.utils.set_random_seed(1)
    model, optimizer = _net(), keras.optimizers.SGD(0.1)

    @tf.function
    def clipped(x: tf.Tensor) -> list[tf.Tensor]:
        def one(row: tf.Tensor) -> Any:
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(model(row[None], training=True) ** 2)
            gradients = tape.gradient(loss, model.trainable_variables)
            return tf.clip_by_global_norm(gradients, 0.5)[0]

        return [tf.reduce_mean(g, 0) for g in tf.vectorized_map(one, x)]

    def train(rows: int) -> dict[str, Any]:
        x = tf.constant(scenes.table(rows, width=3)[0])
        for begin in range(0, rows, scenes.BATCH):
            optimizer.apply(clipped(x[begin : begin + scenes.BATCH]), model.trainable_variables)
        with tf.GradientTape(persistent=True) as tape:
            y = model(x)[:, 0]
        slopes = tf.vectorized_map(
            lambda one: tape.gradient(y, model.trainable_variables, output_gradients=one), tf.eye(rows)
        )
        return {"weights": model.get_weights(), "slopes": [s.numpy() for s in slopes]}

    return scenes.by_shape(train)


def grouped_convolutions() -> dict[str, Any]:
    layers = keras.layers
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3),
            layers.Conv2D(8, 3, groups=2, activation="tanh"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3),
        ]
    )
    model.compile(keras.optimizers.SGD(0.1), scenes.crossentropy())
    return scenes.fitted(model, scenes.images)

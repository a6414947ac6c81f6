"""Numbers that are neither float32 nor int32, complex ones and small ones, in rows and in gradients."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tests.gang.cases_fit import compiled
from tests.gang.cases_loops import cross, looped
from tests.gang.scenes import fitted, numbers


class Spectrum(keras.layers.Layer):
    """Weighs the frequencies of each row: complex numbers inside a layer."""

    def build(self, shape: Any) -> None:
        self.weight = self.add_weight(shape=(shape[-1] // 2 + 1, 2), initializer="ones")

    def call(self, x: Any) -> Any:
        return tf.signal.irfft(tf.signal.rfft(x) * tf.complex(self.weight[:, 0], self.weight[:, 1]))


def spectral_layer() -> dict[str, Any]:
    def made() -> keras.Model:
        return keras.Sequential([keras.Input((6,)), Spectrum(), keras.layers.Dense(1)])

    return fitted(compiled(made, optimizer=keras.optimizers.SGD(0.02), loss="mse", metrics=["mae"]), numbers)


def wide_layers() -> dict[str, Any]:
    """Gradients that are averaged by themselves, one of them of float64, among such that are put together."""

    def made() -> keras.Model:
        inputs = keras.Input((6,))
        x = keras.layers.Dense(520, activation="tanh")(inputs)
        x = keras.layers.Dense(520, activation="tanh")(x)
        x = keras.layers.Dense(530, activation="tanh", dtype="float64")(x)
        return keras.Model(inputs, keras.layers.Dense(1, dtype="float32")(x))

    optimizer = keras.optimizers.SGD(0.01, momentum=0.9, clipnorm=1.0)
    return fitted(compiled(made, optimizer=optimizer, loss="mse", metrics=["mae"]), numbers)


class Signal(keras.Model):
    """Gives a complex number, a byte and a truth value for each row."""

    def build(self, shape: Any) -> None:
        self.dense = keras.layers.Dense(6)
        self.dense.build(shape)

    def call(self, x: Any) -> Any:
        real = self.dense(x)
        return tf.complex(real[:, :3], real[:, 3:]), tf.cast(real > 0, tf.uint8), real > 0


def complex_outputs() -> dict[str, Any]:
    """A variable of complex numbers, and a model whose outputs are no float32."""
    keras.utils.set_random_seed(3)
    net = Signal()
    net.build((None, 6))
    turn = tf.Variable(np.array([1 + 1j, 2 - 1j, 0.5j], "complex64"))
    optimizer = keras.optimizers.SGD(0.1)

    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            signal, small, positive = net(x)
            kept = tf.cast(small, tf.float32)[:, :3] + tf.cast(positive, tf.float32)[:, 3:]
            loss = tf.reduce_mean(cross(y, tf.abs(signal * turn) + kept))
        by_turn, *rest = tape.gradient(loss, [turn, *net.trainable_variables])
        optimizer.apply(rest, net.trainable_variables)
        turn.assign_sub(0.1 * by_turn)
        return loss, tf.math.real(turn), tf.math.imag(turn)

    return looped(net.trainable_variables, optimizer, step)

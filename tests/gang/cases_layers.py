"""Layers: normalisation, randomness, recurrence, attention, sharing, and layers that mix rows."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tests.gang.cases_fit import compiled
from tests.gang.scenes import classifier, fitted, images, sequences, table

L = keras.layers


def _images(*layers: Any) -> keras.Model:
    return keras.Sequential([keras.Input((8, 8, 3)), *layers, L.GlobalAveragePooling2D(), L.Dense(3)])


def batch_norm(optimizer: str = "SGD") -> dict[str, Any]:
    layers = (L.Conv2D(4, 3, use_bias=False), L.BatchNormalization(), L.ReLU())
    chosen = {"SGD": keras.optimizers.SGD, "Adam": keras.optimizers.Adam}[optimizer](0.02)
    return fitted(compiled(lambda: _images(*layers), optimizer=chosen), images, more=optimizer == "SGD")


def batch_norm_masked() -> dict[str, Any]:
    def made() -> keras.Model:
        return keras.Sequential(
            [
                keras.Input((7,), dtype="int32"),
                L.Embedding(11, 5, mask_zero=True),
                L.BatchNormalization(),
                L.LSTM(4),
                L.Dense(3),
            ]
        )

    return fitted(compiled(made, optimizer=keras.optimizers.SGD(0.02)), sequences)


def batch_norm_frozen() -> dict[str, Any]:
    def made() -> keras.Model:
        model = _images(L.Conv2D(4, 3, use_bias=False), L.BatchNormalization(), L.BatchNormalization())
        model.layers[1].trainable = False
        return model

    return fitted(compiled(made, optimizer=keras.optimizers.SGD(0.02)), images)


def norms() -> dict[str, Any]:
    return fitted(
        compiled(
            lambda: _images(
                L.Conv2D(4, 3),
                L.LayerNormalization(),
                L.GroupNormalization(2),
                L.SpectralNormalization(L.Conv2D(4, 3)),
                L.UnitNormalization(),
            )
        ),
        images,
    )


def noise() -> dict[str, Any]:
    return fitted(
        compiled(
            lambda: _images(
                L.Conv2D(4, 3),
                L.SpatialDropout2D(0.3, seed=5),
                L.GaussianNoise(0.1),
                L.Dropout(0.4),
                L.GaussianDropout(0.2),
                L.AlphaDropout(0.1),
            )
        ),
        images,
    )


def augmentation() -> dict[str, Any]:
    return fitted(
        compiled(
            lambda: _images(
                L.RandomFlip(), L.RandomTranslation(0.1, 0.1), L.RandomContrast(0.2), L.Conv2D(4, 3)
            )
        ),
        images,
    )


def convolutions() -> dict[str, Any]:
    return fitted(
        compiled(
            lambda: _images(
                L.Conv2D(4, 3, padding="same"),
                L.MaxPooling2D(),
                L.SeparableConv2D(4, 3, padding="same"),
                L.UpSampling2D(),
                L.Conv2DTranspose(4, 3, padding="same"),
                L.DepthwiseConv2D(3),
            )
        ),
        images,
    )


def recurrent() -> dict[str, Any]:
    def made() -> keras.Model:
        return keras.Sequential(
            [
                keras.Input((7,), dtype="int32"),
                L.Embedding(11, 5, mask_zero=True),
                L.Bidirectional(L.LSTM(4, return_sequences=True, dropout=0.2, recurrent_dropout=0.1)),
                L.TimeDistributed(L.Dense(4)),
                L.GRU(4, return_sequences=True),
                L.SimpleRNN(3),
            ]
        )

    return fitted(compiled(made), sequences)


def stateful_rnn() -> dict[str, Any]:
    def made() -> keras.Model:
        return keras.Sequential([keras.Input((7, 1), batch_size=12), L.LSTM(4, stateful=True), L.Dense(3)])

    def whole_batches(n: int) -> Any:
        x, y = sequences(24)
        return x[..., None].astype("float32"), y

    return fitted(compiled(made), whole_batches)


def masked_outputs() -> dict[str, Any]:
    """A mask reaches the loss: its denominator is the number of words, not of rows."""

    def made() -> keras.Model:
        return keras.Sequential(
            [
                keras.Input((7,), dtype="int32"),
                L.Embedding(11, 5, mask_zero=True),
                L.LSTM(4, return_sequences=True),
                L.Dense(11),
            ]
        )

    return fitted(compiled(made), lambda n: (sequences(n)[0], sequences(n)[0]), more=True)


def attention() -> dict[str, Any]:
    def made() -> keras.Model:
        words = keras.Input((7,), dtype="int32")
        x = L.Embedding(11, 8, mask_zero=True)(words)
        x = L.Add()([x, L.MultiHeadAttention(2, 4, dropout=0.1)(x, x)])
        x = L.LayerNormalization()(x)
        return keras.Model(words, L.Dense(3)(L.GlobalAveragePooling1D()(x)))

    return fitted(compiled(made, optimizer=keras.optimizers.SGD(0.05, momentum=0.9)), sequences)


def shared_layers() -> dict[str, Any]:
    def made() -> keras.Model:
        a = keras.Input((6,))
        tower = keras.Sequential([L.Dense(6, activation="relu"), L.Dense(6)])
        return keras.Model(a, L.Dense(3)(tower(tower(a)) + a * 0.5))

    return fitted(compiled(made))


def frozen_layers() -> dict[str, Any]:
    def made() -> keras.Model:
        base = classifier(L.Dense(8, activation="relu"), L.BatchNormalization())
        base.trainable = False
        return keras.Sequential([base, L.Dense(3)])

    return fitted(compiled(made))


class PerRow(keras.layers.Layer):
    def build(self, shape: Any) -> None:
        self.w = self.add_weight(shape=(shape[-1], 5))

    def call(self, x: Any) -> Any:
        return tf.nn.relu(x @ self.w) - tf.reduce_mean(x, 1, keepdims=True)


class AcrossRows(keras.layers.Layer):
    """Its own batch normalisation: rows depend on each other."""

    def call(self, x: Any) -> Any:
        return (x - tf.reduce_mean(x, 0)) / (tf.math.reduce_std(x, 0) + 1.0)


class Counts(keras.layers.Layer):
    """Keeps a mean of what it has seen: state that depends on rows."""

    def build(self, shape: Any) -> None:
        self.seen = self.add_weight(shape=(shape[-1],), initializer="zeros", trainable=False)

    def call(self, x: Any) -> Any:
        self.seen.assign(0.9 * self.seen + 0.1 * tf.reduce_mean(x, 0))
        return x - self.seen


def own_layer() -> dict[str, Any]:
    return fitted(compiled(lambda: classifier(PerRow())), more=True)


def own_layer_across_rows() -> dict[str, Any]:
    return fitted(compiled(lambda: classifier(AcrossRows())))


def own_layer_with_state() -> dict[str, Any]:
    return fitted(compiled(lambda: classifier(L.Dense(4), Counts())))


def functional_operations() -> dict[str, Any]:
    """Keras operations in a functional model, one of them across rows."""

    def made() -> keras.Model:
        a = keras.Input((6,))
        return keras.Model(a, L.Dense(3)(a - keras.ops.mean(a, axis=0, keepdims=True)))

    return fitted(compiled(made))


def control_flow() -> dict[str, Any]:
    class Loops(keras.layers.Layer):
        def build(self, shape: Any) -> None:
            self.w = self.add_weight(shape=(shape[-1], shape[-1]))

        def call(self, x: Any) -> Any:
            (x,) = tf.while_loop(lambda v: True, lambda v: (tf.tanh(v @ self.w),), (x,), maximum_iterations=3)
            return tf.cond(tf.reduce_sum(self.w) > 0, lambda: x, lambda: -x)

    return fitted(compiled(lambda: classifier(Loops())))


def recompute_grad() -> dict[str, Any]:
    class Saves(keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.inner = L.Dense(6, activation="tanh")
            self.drop = L.Dropout(0.3, seed=3)

        def build(self, shape: Any) -> None:
            self.inner.build(shape)

        def call(self, x: Any) -> Any:
            return tf.recompute_grad(lambda v: self.drop(self.inner(v)))(x)

    return fitted(compiled(lambda: classifier(Saves())))


def custom_gradient() -> dict[str, Any]:
    @tf.custom_gradient
    def reversed_gradient(x: Any) -> Any:
        return tf.identity(x), lambda dy: -0.5 * dy

    return fitted(compiled(lambda: classifier(L.Dense(8), L.Lambda(reversed_gradient))))


def text() -> dict[str, Any]:
    def made() -> keras.Model:
        vector = L.TextVectorization(20, output_sequence_length=5)
        vector.adapt(["one two three", "four five six", "one six"])
        words = keras.Input((), dtype="string")
        x = L.Embedding(20, 4, mask_zero=True)(vector(words))
        return keras.Model(words, L.Dense(3)(L.LSTM(5)(x)))

    def make(n: int) -> Any:
        chosen = np.random.RandomState(0).choice(["one two", "three four five", "six", "one one six"], n)
        return tf.data.Dataset.from_tensor_slices((chosen, table(n)[1])).batch(12)

    return fitted(compiled(made), make)

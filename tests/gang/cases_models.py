"""Real models, small: the shapes that people train in notebooks."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers as L  # noqa: N812
from keras import ops

from tests.gang.cases_fit import compiled
from tests.gang.scenes import BATCH, by_shape, crossentropy, fitted, images, sequences, state, table


def resnet() -> dict[str, Any]:
    def made() -> keras.Model:
        image = keras.Input((8, 8, 3))
        x = L.RandomFlip("horizontal", seed=2)(image)
        x = L.Conv2D(6, 3, padding="same", use_bias=False)(L.Rescaling(2.0, -1.0)(x))
        for _ in range(2):
            skip = x
            x = L.ReLU()(L.BatchNormalization()(x))
            x = L.Conv2D(6, 3, padding="same", use_bias=False, kernel_regularizer="l2")(x)
            x = L.Add()([skip, L.BatchNormalization()(x)])
        return keras.Model(image, L.Dense(3)(L.Dropout(0.2)(L.GlobalAveragePooling2D()(x))))

    return fitted(compiled(made, optimizer=keras.optimizers.SGD(0.02, momentum=0.9)), images)


def built_by_data() -> dict[str, Any]:
    """A model that knows its shapes from the first batch on; they are multiples of a replica's rows."""

    def made() -> keras.Model:
        return keras.Sequential([L.Dense(12, activation="relu"), L.Dense(12), L.Dense(3)])

    def train(n: int) -> dict[str, Any]:
        x, y = table(n)
        model = compiled(made)
        history = model.fit(x, y, batch_size=BATCH, epochs=2, verbose=0).history
        return state(model) | {"history": history}

    return by_shape(train)


class Positions(L.Layer):
    def __init__(self, words: int, length: int, width: int) -> None:
        super().__init__()
        self.words, self.places = L.Embedding(words, width, mask_zero=True), L.Embedding(length, width)
        self.length = length

    def call(self, x: Any) -> Any:
        return self.words(x) + self.places(ops.arange(self.length))

    def compute_mask(self, x: Any, mask: Any = None) -> Any:
        return self.words.compute_mask(x)


class Block(L.Layer):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.supports_masking = True
        self.attend = L.MultiHeadAttention(2, width // 2)
        self.dense, self.norm, self.drop = (
            L.Dense(width, activation="gelu"),
            L.LayerNormalization(),
            L.Dropout(0.1),
        )

    def call(self, x: Any, training: Any = None, mask: Any = None) -> Any:
        mask = None if mask is None else ops.cast(mask[:, None, :], "int32")
        x = self.norm(x + self.drop(self.attend(x, x, attention_mask=mask), training=training))
        return x + self.dense(x)


def transformer() -> dict[str, Any]:
    def made() -> keras.Model:
        words = keras.Input((7,), dtype="int32")
        x = Block(8)(Positions(11, 7, 8)(words))
        return keras.Model(words, L.Dense(3)(L.GlobalAveragePooling1D()(x)))

    return fitted(compiled(made, optimizer=keras.optimizers.SGD(0.05, momentum=0.9)), sequences)


def unet() -> dict[str, Any]:
    def made() -> keras.Model:
        image = keras.Input((8, 8, 3))
        down = L.Conv2D(4, 3, padding="same", activation="relu")(image)
        low = L.BatchNormalization()(L.Conv2D(8, 3, padding="same", use_bias=False)(L.MaxPooling2D()(down)))
        up = L.Conv2DTranspose(4, 2, strides=2)(L.ReLU()(low))
        return keras.Model(image, L.Conv2D(2, 1)(L.Concatenate()([up, down])))

    def make(n: int) -> Any:
        x, _ = images(n)
        return x, (x.sum(-1) > 1.5).astype("int32")

    return fitted(compiled(made, optimizer=keras.optimizers.SGD(0.02, momentum=0.9)), make)


class TwoTowers(keras.Model):
    """A recommender with in-batch negatives: each row's loss depends on all rows."""

    def __init__(self) -> None:
        super().__init__()
        self.users = keras.Sequential([L.Embedding(20, 6), L.Dense(6)])
        self.items = keras.Sequential([L.Embedding(30, 6), L.Dense(6)])

    def call(self, pairs: Any) -> Any:
        return self.users(pairs[:, 0]), self.items(pairs[:, 1])

    def compute_loss(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None, training: bool = True
    ) -> Any:
        user, item = y_pred
        scores = ops.matmul(user, ops.transpose(item))
        labels = ops.arange(ops.shape(scores)[0])
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)(labels, scores)


def two_towers() -> dict[str, Any]:
    keras.utils.set_random_seed(3)
    model = TwoTowers()
    model.compile(optimizer=keras.optimizers.Adagrad(0.1))
    pairs = np.random.RandomState(1).randint(0, 20, (40, 2)).astype("int32")

    def train(n: int) -> dict[str, Any]:
        return state(model) | {"history": model.fit(pairs[:n], batch_size=12, epochs=2, verbose=0).history}

    return by_shape(train)


class Distiller(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.teacher = keras.Sequential([keras.Input((6,)), L.Dense(16, activation="relu"), L.Dense(3)])
        self.student = keras.Sequential([keras.Input((6,)), L.Dense(4, activation="relu"), L.Dense(3)])
        self.teacher.trainable = False

    def call(self, x: Any) -> Any:
        return self.student(x)

    def compute_loss(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None, training: bool = True
    ) -> Any:
        soft = ops.softmax(self.teacher(x, training=False) / 3.0)
        return crossentropy()(y, y_pred) + keras.losses.KLDivergence()(soft, ops.softmax(y_pred / 3.0)) * 9.0


def distillation() -> dict[str, Any]:
    return fitted(compiled(Distiller, loss=None))


class OwnSteps(keras.Model):
    """train_step and test_step as in the guides, with metrics of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.net = keras.Sequential([keras.Input((6,)), L.Dense(8, activation="relu"), L.Dense(3)])
        self.loss_seen, self.right = (
            keras.metrics.Mean(name="loss"),
            keras.metrics.SparseCategoricalAccuracy(),
        )

    @property
    def metrics(self) -> list[Any]:
        return [self.loss_seen, self.right]

    def call(self, x: Any) -> Any:
        return self.net(x)

    def train_step(self, data: Any) -> dict[str, Any]:
        x, y = data
        with tf.GradientTape() as tape:
            out = self(x, training=True)
            loss = crossentropy()(y, out)
        grads = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(grads, self.trainable_variables)
        return self._seen(loss, y, out)

    def test_step(self, data: Any) -> dict[str, Any]:
        x, y = data
        out = self(x, training=False)
        return self._seen(crossentropy()(y, out), y, out)

    def _seen(self, loss: Any, y: Any, out: Any) -> dict[str, Any]:
        self.loss_seen.update_state(loss)
        self.right.update_state(y, out)
        return {m.name: m.result() for m in self.metrics}


def own_steps() -> dict[str, Any]:
    return fitted(compiled(OwnSteps, loss=None, metrics=None))

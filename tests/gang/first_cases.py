"""The main road: fit, evaluate, predict and custom loops of small models."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

import jupyter_kf.parallel as kf


def data(rows: int, width: int = 8, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    made = np.random.RandomState(7)
    x = made.randn(rows, width).astype("float32")
    return x, (x @ made.randn(width, classes)).argmax(1).astype("int32")


def state(model: keras.Model) -> dict[str, Any]:
    return {
        "weights": [np.asarray(w) for w in model.get_weights()],
        "slots": [np.asarray(v) for v in model.optimizer.variables],
    }


def mlp() -> keras.Model:
    return keras.Sequential(
        [keras.Input((8,)), keras.layers.Dense(16, activation="relu"), keras.layers.Dense(3)]
    )


OPTIMIZERS = {
    "adam": lambda: keras.optimizers.Adam(0.01),
    "sgd": lambda: keras.optimizers.SGD(0.1, momentum=0.9),
    "clip": lambda: keras.optimizers.Adam(0.01, global_clipnorm=0.2),
}


def fit(rows: int, batch: int, optimizer: str = "adam", **options: Any) -> dict[str, Any]:
    keras.utils.set_random_seed(1)
    x, y = data(rows)
    model = mlp()
    model.compile(
        OPTIMIZERS[optimizer](),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        steps_per_execution=options.pop("steps_per_execution", 1),
    )
    history = model.fit(
        x, y, batch_size=batch, epochs=3, verbose=0, validation_data=(x[:37], y[:37]), **options
    )
    return state(model) | {
        "history": history.history,
        "evaluate": model.evaluate(x, y, batch_size=batch, verbose=0),
        "predict": model.predict(x, batch_size=batch, verbose=0),
    }


class Subclassed(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.hidden = keras.layers.Dense(16, activation="tanh")
        self.out = keras.layers.Dense(3)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return self.out(self.hidden(x))


def subclassed(rows: int, batch: int) -> dict[str, Any]:
    keras.utils.set_random_seed(1)
    x, y = data(rows)
    model = Subclassed()
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    history = model.fit(x, y, batch_size=batch, epochs=2, verbose=0)
    return state(model) | {"history": history.history}


def loop(rows: int, batch: int, reduction: str = "mean", graph: bool = True) -> dict[str, Any]:
    keras.utils.set_random_seed(1)
    x, y = data(rows)
    model = mlp()
    optimizer = keras.optimizers.SGD(0.01, momentum=0.9)
    dataset = kf.distribute(tf.data.Dataset.from_tensor_slices((x, y)).shuffle(50, seed=3).batch(batch))
    reduce = {"mean": tf.reduce_mean, "sum": tf.reduce_sum}[reduction]

    def step(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = reduce(tf.nn.sparse_softmax_cross_entropy_with_logits(y, model(x, training=True)))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    if graph:
        step = tf.function(step)
    losses = [float(step(x, y)) for _ in range(2) for x, y in dataset]
    return {
        "weights": model.get_weights(),
        "slots": [np.asarray(v) for v in optimizer.variables],
        "losses": losses,
    }


def raw_loop(rows: int, batch: int) -> dict[str, Any]:
    """No Keras at all: each replica computes the whole."""
    x, y = data(rows)
    w = tf.Variable(tf.zeros([8, 3]))
    losses = []
    for bx, by in kf.distribute(tf.data.Dataset.from_tensor_slices((x, y)).batch(batch)):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(by, bx @ w))
        w.assign_sub(0.1 * tape.gradient(loss, w))
        losses.append(float(kf.mean(loss)))
    return {"weights": [w.numpy()], "losses": losses}

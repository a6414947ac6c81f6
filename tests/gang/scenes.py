"""What the cases of the fidelity matrix share: data, the three shapes of batches, and what is compared."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

if TYPE_CHECKING:
    from collections.abc import Callable

BATCH = 12
ROWS = {"even": 24, "uneven": 29, "empty": 25}
"""Rows by shape: with batches of 12 for 2 and 3 replicas, the last batch is full, has 5 rows, has 1 row."""


def table(rows: int, width: int = 6, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    made = np.random.RandomState(7)
    x = made.randn(rows, width).astype("float32")
    return x, (x @ made.randn(width, classes)).argmax(1).astype("int32")


def numbers(rows: int) -> tuple[np.ndarray, np.ndarray]:
    x, _ = table(rows)
    return x, np.sin(x.sum(1, keepdims=True)).astype("float32")


def images(rows: int, side: int = 8) -> tuple[np.ndarray, np.ndarray]:
    made = np.random.RandomState(8)
    return made.rand(rows, side, side, 3).astype("float32"), made.randint(0, 3, rows).astype("int32")


def sequences(rows: int, length: int = 7, words: int = 11) -> tuple[np.ndarray, np.ndarray]:
    made = np.random.RandomState(9)
    x = made.randint(1, words, (rows, length)).astype("int32")
    for row, kept in zip(x, made.randint(2, length + 1, rows), strict=True):
        row[kept:] = 0
    return x, made.randint(0, 3, rows).astype("int32")


def classifier(*layers: Any, width: int = 6) -> keras.Model:
    """A small model of the layers given, for ``table``."""
    layers = layers or (keras.layers.Dense(8, activation="tanh"),)
    return keras.Sequential([keras.Input((width,)), *layers, keras.layers.Dense(3)])


def crossentropy(**options: Any) -> keras.losses.Loss:
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True, **options)


def state(model: keras.Model) -> dict[str, Any]:
    optimizer = getattr(model, "optimizer", None)
    return {
        "weights": [np.asarray(w) for w in model.get_weights()],
        "slots": [np.asarray(v) for v in optimizer.variables] if optimizer is not None else [],
    }


def end(model: Any, **more: Any) -> dict[str, Any]:
    """What a cell leaves: the weights of ``model``, and more."""
    return {"weights": [np.asarray(w) for w in model.get_weights()]} | more


def by_shape(train: Callable[[int], dict[str, Any]]) -> dict[str, Any]:
    """``train(rows)`` for each shape in turn; what is learned from one is where the next begins."""
    return {shape: train(rows) for shape, rows in ROWS.items()}


def fitted(
    model: keras.Model, make: Callable[[int], Any] = table, *, more: bool = False, **options: Any
) -> dict[str, Any]:
    """Fits the compiled ``model`` for each shape; with ``more`` also evaluates and predicts."""
    options = {"epochs": 2, "verbose": 0} | options

    def train(rows: int) -> dict[str, Any]:
        made = make(rows)
        if isinstance(made, tuple):
            made = tf.data.Dataset.from_tensor_slices(made).batch(BATCH)
        result = {"history": model.fit(made, **options).history} | state(model)
        if more:
            result |= {"metrics": model.evaluate(made, verbose=0), "predict": model.predict(made, verbose=0)}
        return result

    return by_shape(train)


def seeded(module: str, name: str) -> Any:
    """Runs a case from the same random state in every process."""
    keras.utils.set_random_seed(3)
    return getattr(importlib.import_module(f"tests.gang.{module}"), name)()

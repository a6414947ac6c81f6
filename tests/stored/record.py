"""Stores graphs with an older TensorFlow, for the test that this one loads them.

Run it in an environment with the older one, keras, cloudpickle, fsspec, jupyter_core and safetensors::

    PYTHONPATH=. .../bin/python -m tests.stored.record tests/stored/recorded

It makes a zip named by the version, with a store and what the graphs gave there.
"""

from __future__ import annotations

import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

X = np.linspace(-1, 1, 8 * 6, dtype="float32").reshape(8, 6)
Y = X[:, :1] * 2
WORDS = np.array([["red", "green"], ["blue", "black"]])
STEPS = 4


def forward() -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((6,)),
            layers.Reshape((6, 1)),
            layers.Conv1D(4, 3, activation="gelu"),
            layers.LSTM(3),
            layers.BatchNormalization(),
            layers.Dense(2, "softmax"),
        ]
    )


def training() -> Any:
    layers = [keras.layers.Dense(7, "tanh"), keras.layers.Dropout(0.3, seed=1), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((6,)), *layers])
    model.compile(keras.optimizers.Adam(0.05, global_clipnorm=0.5), "mse", jit_compile=False)
    return model


class Colours(tf.Module):
    """A table that is filled when it is loaded."""

    def __init__(self) -> None:
        super().__init__()
        known = tf.lookup.KeyValueTensorInitializer(["red", "green", "blue"], [3, 5, 7], value_dtype=tf.int64)
        self.table = tf.lookup.StaticHashTable(known, 0)

    @tf.function(input_signature=[tf.TensorSpec((None, None), tf.string)])
    def numbers(self, words: Any) -> Any:
        return self.table.lookup(words)


def main(target: Path) -> None:
    """Store the graphs and write the zip."""
    from jupyter_kf import save_graph
    from jupyter_kf.store import ArtifactStore

    keras.utils.set_random_seed(1)
    with tempfile.TemporaryDirectory() as folder:
        store = ArtifactStore(f"{folder}/store")
        data = tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(8, seed=2).batch(4).repeat(STEPS // 2)
        scores = save_graph("scores", forward(), X, store=store)
        ranker = save_graph("ranker", training(), X, Y, train=True, data=data, store=store)
        table = Colours()
        colours = save_graph("colours", table.numbers, store=store)
        losses = [ranker(*batch)["loss"] for batch in data]
        found = {"scores": scores(X), "losses": losses, "colours": colours(WORDS)}
        weights = {f"weight {i}": value for i, value in enumerate(ranker.weights().values())}
        np.savez(f"{folder}/gave.npz", **found, **weights)
        with zipfile.ZipFile(
            target / f"{tf.__version__}.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9
        ) as made:
            for path in sorted(Path(folder).rglob("*")):
                made.write(path, path.relative_to(folder))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

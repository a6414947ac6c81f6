"""Keras fit, evaluate and predict: inputs and options."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from tests.gang.scenes import BATCH, by_shape, classifier, crossentropy, fitted, numbers, state, table


def compiled(model: keras.Model | None = None, **options: Any) -> keras.Model:
    keras.utils.set_random_seed(3)
    model = model() if callable(model) and not isinstance(model, keras.Model) else model or classifier()
    defaults = {"optimizer": keras.optimizers.Adam(0.01), "loss": crossentropy(), "metrics": ["accuracy"]}
    model.compile(**(defaults | options))
    return model


# --- what goes in


def _arrays(frames: bool, **options: Any) -> dict[str, Any]:
    model = compiled()

    def train(n: int) -> dict[str, Any]:
        x, y = table(n)
        given = (pd.DataFrame(x), pd.Series(y)) if frames else (x, y)
        history = model.fit(*given, batch_size=BATCH, epochs=2, verbose=0, **options).history
        metrics = model.evaluate(*given, batch_size=BATCH, verbose=0)
        return state(model) | {
            "history": history,
            "metrics": metrics,
            "predict": model.predict(given[0], verbose=0),
        }

    return by_shape(train)


def in_numpy() -> dict[str, Any]:
    return _arrays(frames=False)


def in_pandas() -> dict[str, Any]:
    return _arrays(frames=True)


def in_dataset() -> dict[str, Any]:
    return fitted(
        compiled(),
        lambda n: tf.data.Dataset.from_tensor_slices(table(n)).shuffle(9, seed=1).batch(BATCH),
        more=True,
    )


def in_unseeded_shuffle() -> dict[str, Any]:
    return fitted(compiled(), lambda n: tf.data.Dataset.from_tensor_slices(table(n)).shuffle(9).batch(BATCH))


def in_generator() -> dict[str, Any]:
    model = compiled()

    def batches(n: int) -> Any:
        x, y = table(n)
        while True:
            for i in range(0, n, BATCH):
                yield x[i : i + BATCH], y[i : i + BATCH]

    def train(n: int) -> dict[str, Any]:
        steps = -(-n // BATCH)
        history = model.fit(batches(n), steps_per_epoch=steps, epochs=2, verbose=0).history
        return state(model) | {
            "history": history,
            "metrics": model.evaluate(batches(n), steps=steps, verbose=0),
        }

    return by_shape(train)


class Batches(keras.utils.PyDataset):
    def __init__(self, n: int) -> None:
        super().__init__()
        self.x, self.y = table(n)

    def __len__(self) -> int:
        return -(-len(self.x) // BATCH)

    def __getitem__(self, i: int) -> Any:
        return self.x[i * BATCH : (i + 1) * BATCH], self.y[i * BATCH : (i + 1) * BATCH]


def in_pydataset() -> dict[str, Any]:
    return fitted(compiled(), Batches)


def _two_inputs() -> keras.Model:
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    shared = keras.layers.Dense(5, activation="relu")
    both = keras.layers.Concatenate()([shared(a), shared(b)])
    return keras.Model(
        {"a": a, "b": b}, {"kind": keras.layers.Dense(3)(both), "size": keras.layers.Dense(1)(both)}
    )


def in_dicts() -> dict[str, Any]:
    model = compiled(
        _two_inputs,
        loss={"kind": crossentropy(), "size": "mse"},
        loss_weights={"kind": 1.0, "size": 0.3},
        metrics={"kind": "accuracy", "size": ["mae"]},
    )

    def make(n: int) -> Any:
        (x, kind), (_, size) = table(n), numbers(n)
        return {"a": x[:, :3], "b": x[:, 3:]}, {"kind": kind, "size": size}

    return fitted(model, make, more=True)


class Ragged(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.out = keras.layers.Embedding(10, 4), keras.layers.Dense(3)

    def call(self, x: Any) -> Any:
        dense = x.to_tensor(shape=[None, 5])
        return self.out(tf.reduce_sum(self.embed(dense), 1))


def in_ragged() -> dict[str, Any]:
    def make(n: int) -> Any:
        made = np.random.RandomState(0)
        x = tf.ragged.constant([list(made.randint(0, 10, made.randint(1, 6))) for _ in range(n)])
        return tf.data.Dataset.from_tensor_slices((x, table(n)[1])).batch(BATCH)

    return fitted(compiled(Ragged), make)


# --- options


def sample_weight() -> dict[str, Any]:
    def make(n: int) -> Any:
        return (*table(n), np.linspace(0, 2, n).astype("float32"))

    return fitted(compiled(weighted_metrics=["accuracy"]), make)


def class_weight() -> dict[str, Any]:
    return fitted(compiled(), class_weight={0: 0.5, 1: 2.0, 2: 1.0})


def validation_data() -> dict[str, Any]:
    return fitted(compiled(), validation_data=table(17), validation_freq=2)


def validation_split() -> dict[str, Any]:
    return _arrays(frames=False, validation_split=0.3)


def epochs_and_steps() -> dict[str, Any]:
    return fitted(compiled(), initial_epoch=1, epochs=4, steps_per_epoch=1)


def steps_per_execution() -> dict[str, Any]:
    return fitted(compiled(steps_per_execution=2), more=True)


def run_eagerly() -> dict[str, Any]:
    return fitted(compiled(run_eagerly=True), more=True, epochs=1)


def jit_compile() -> dict[str, Any]:
    return fitted(compiled(jit_compile=True))


def on_batch() -> dict[str, Any]:
    model = compiled()

    def train(n: int) -> dict[str, Any]:
        x, y = table(n)
        logs = [model.train_on_batch(x[i : i + BATCH], y[i : i + BATCH]) for i in range(0, n, BATCH)]
        tests = [
            model.test_on_batch(x[i : i + BATCH], y[i : i + BATCH], return_dict=True)
            for i in range(0, n, BATCH)
        ]
        return state(model) | {"logs": logs, "tests": tests, "predict": model.predict_on_batch(x)}

    return by_shape(train)

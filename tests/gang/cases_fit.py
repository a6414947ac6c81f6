"""Keras fit, evaluate, predict: inputs, options, losses, metrics, optimizers."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from jupyter_kf.parallel import agreement
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


# --- losses


def loss_sum() -> dict[str, Any]:
    return fitted(compiled(loss=crossentropy(reduction="sum"), optimizer=keras.optimizers.SGD(0.01)))


def loss_mean_with_sample_weight() -> dict[str, Any]:
    def make(n: int) -> Any:
        return (*table(n), np.linspace(0.1, 2, n).astype("float32"))

    return fitted(compiled(loss=crossentropy(reduction="mean_with_sample_weight")), make)


def loss_none() -> dict[str, Any]:
    class Own(keras.Sequential):
        def compute_loss(
            self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None, training: bool = True
        ) -> Any:
            each = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=None)(y, y_pred)
            return tf.reduce_sum(each**2) / 10.0

    return fitted(compiled(lambda: Own([keras.Input((6,)), keras.layers.Dense(3)])))


def loss_across_rows() -> dict[str, Any]:
    """In-batch negatives: every row's loss depends on all rows."""

    def contrast(y: Any, p: Any) -> Any:
        p = tf.math.l2_normalize(p, 1)
        scores = tf.matmul(p, p, transpose_b=True)
        return tf.nn.sparse_softmax_cross_entropy_with_logits(tf.range(tf.shape(p)[0]), scores)

    return fitted(compiled(loss=contrast, metrics=[]))


def regularisers() -> dict[str, Any]:
    layer = keras.layers.Dense
    return fitted(compiled(lambda: classifier(layer(8, kernel_regularizer="l2", bias_regularizer="l1"))))


def activity_regulariser() -> dict[str, Any]:
    return fitted(compiled(lambda: classifier(keras.layers.Dense(8, activity_regularizer="l2"))))


class AddsMean(keras.layers.Layer):
    def call(self, x: Any) -> Any:
        self.add_loss(0.1 * tf.reduce_mean(x**2))
        return x


class AddsSum(keras.layers.Layer):
    def call(self, x: Any) -> Any:
        self.add_loss(0.1 * tf.reduce_sum(x**2))
        return x


class AddsMaximum(keras.layers.Layer):
    def call(self, x: Any) -> Any:
        self.add_loss(0.1 * tf.reduce_max(x))
        return x


def add_loss_mean() -> dict[str, Any]:
    return fitted(compiled(lambda: classifier(AddsMean())))


def add_loss_sum() -> dict[str, Any]:
    return fitted(compiled(lambda: classifier(AddsSum())))


def add_loss_maximum() -> dict[str, Any]:
    return fitted(compiled(lambda: classifier(AddsMaximum())))


# --- metrics


def metrics_many() -> dict[str, Any]:
    def make(n: int) -> Any:
        x, y = table(n)
        return x, np.eye(3, dtype="float32")[y]

    chosen = [keras.metrics.AUC(), keras.metrics.F1Score(average="macro"), keras.metrics.Precision(), "mae"]
    model = compiled(
        lambda: classifier(keras.layers.Dense(8), keras.layers.Dense(3, activation="softmax")),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        metrics=chosen,
    )
    return fitted(model, make, more=True)


class Largest(keras.metrics.Metric):
    """State that is not a sum."""

    def __init__(self) -> None:
        super().__init__(name="largest")
        self.best = self.add_weight(initializer="zeros", name="best")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.best.assign(tf.maximum(self.best, tf.reduce_max(y_pred)))

    def result(self) -> Any:
        return self.best


def metric_own() -> dict[str, Any]:
    return fitted(compiled(metrics=[Largest()]), more=True)


def logs_by_batch() -> dict[str, Any]:
    model, seen = compiled(), []
    watch = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append({k: float(v) for k, v in logs.items()})
    )
    return {shape: part | {"seen": seen} for shape, part in fitted(model, callbacks=[watch]).items()}


# --- optimizers


def optimizer(name: str, **options: Any) -> dict[str, Any]:
    if options.pop("schedule", False):
        options["learning_rate"] = keras.optimizers.schedules.CosineDecay(0.05, 10)
    return fitted(compiled(optimizer=getattr(keras.optimizers, name)(**options)))


def mixed_precision(dynamic: bool) -> dict[str, Any]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        inner = keras.optimizers.Adam(0.01)
        scaled = keras.optimizers.LossScaleOptimizer(inner, initial_scale=2.0**10, dynamic_growth_steps=3)
        return fitted(compiled(classifier, optimizer=scaled if dynamic else inner))
    finally:
        keras.config.set_dtype_policy(before)


# --- callbacks


def callbacks_decide() -> dict[str, Any]:
    model = compiled()
    made = [
        keras.callbacks.EarlyStopping("loss", patience=1, min_delta=0.05, restore_best_weights=True),
        keras.callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=0.2, factor=0.5),
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9),
        keras.callbacks.TerminateOnNaN(),
    ]
    return fitted(model, callbacks=made, epochs=6)


def callbacks_write() -> dict[str, Any]:
    """Every replica names the same files; what is there afterwards is what one process leaves."""
    folder = Path(tempfile.gettempdir()) / f"kf-callbacks-{agreement.seed(os.getpid())}"
    folder.mkdir(exist_ok=True)
    model = compiled()
    made = [
        keras.callbacks.ModelCheckpoint(folder / "best.keras", monitor="loss", save_best_only=True),
        keras.callbacks.ModelCheckpoint(folder / "w{epoch}.weights.h5", save_weights_only=True),
        keras.callbacks.CSVLogger(folder / "log.csv"),
        keras.callbacks.BackupAndRestore(folder / "backup"),
    ]
    result = fitted(model, callbacks=made)
    model.save(folder / "end.keras")
    loaded = keras.models.load_model(folder / "end.keras")
    there = sorted(p.name for p in folder.iterdir())
    log = (folder / "log.csv").read_text()
    agreement.seed(0)
    shutil.rmtree(folder, ignore_errors=True)
    return {
        shape: part | {"loaded": loaded.get_weights(), "there": there, "lines": log.count("\n")}
        for shape, part in result.items()
    }

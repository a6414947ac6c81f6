"""Keras compile: losses, metrics and optimizers."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tests.gang.cases_fit import compiled
from tests.gang.scenes import classifier, crossentropy, fitted, table


def loss_sum() -> dict[str, Any]:
    return fitted(compiled(loss=crossentropy(reduction="sum"), optimizer=keras.optimizers.SGD(0.01)))


def _weighted(n: int) -> Any:
    return (*table(n), np.linspace(0.1, 2, n).astype("float32"))


def loss_mean() -> dict[str, Any]:
    return fitted(compiled(loss=crossentropy(reduction="mean")), _weighted)


def loss_mean_with_sample_weight() -> dict[str, Any]:
    return fitted(compiled(loss=crossentropy(reduction="mean_with_sample_weight")), _weighted)


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

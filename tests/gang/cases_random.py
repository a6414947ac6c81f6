"""Models, losses, optimizers and batches put together by chance."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers as L  # noqa: N812

LAYERS: dict[str, Any] = {
    "dense": lambda: L.Dense(5, activation="tanh"),
    "l2": lambda: L.Dense(5, kernel_regularizer="l2"),
    "activity": lambda: L.Dense(5, activity_regularizer="l2"),
    "dropout": lambda: L.Dropout(0.4),
    "noise": lambda: L.GaussianNoise(0.1),
    "batch norm": L.BatchNormalization,
    "layer norm": L.LayerNormalization,
    "rnn": lambda: keras.Sequential([L.Reshape((-1, 1)), L.SimpleRNN(4)]),
    "residual": lambda: Residual(),
    "across rows": lambda: L.Lambda(
        lambda x: x - keras.ops.mean(x, axis=0), output_shape=lambda shape: shape
    ),
}
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "SGD": {"learning_rate": 0.05, "momentum": 0.9},
    "RMSprop": {"global_clipnorm": 0.5},
    "Adagrad": {"clipvalue": 0.1},
    "AdamW": {"epsilon": 0.1, "weight_decay": 0.01},
    "Ftrl": {},
    "Lion": {"learning_rate": 1e-3, "use_ema": True, "ema_overwrite_frequency": 2},
}
LOSSES = ("mse", "mae", "huber", "log_cosh")
REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight")


class Centred(L.Layer):
    """A layer whose rows depend on each other."""

    def call(self, x: Any) -> Any:
        return x - keras.ops.mean(x, axis=0)


class Residual(L.Layer):
    """A layer that Keras does not know."""

    def build(self, shape: Any) -> None:
        self.inner = L.Dense(shape[-1], activation="relu")
        self.inner.build(shape)

    def call(self, x: Any) -> Any:
        return x + self.inner(x)


def trained(
    layers: list[str], optimizer: str, loss: str, reduction: str, batch: int, rows: int, weighted: bool
) -> dict[str, Any]:
    """Fits, evaluates and predicts."""
    keras.utils.set_random_seed(4)
    model = keras.Sequential([keras.Input((4,)), *(LAYERS[name]() for name in layers), L.Dense(2)])
    chosen = keras.losses.get({"class_name": _LOSSES[loss], "config": {"reduction": reduction}})
    made = getattr(keras.optimizers, optimizer)(**OPTIMIZERS[optimizer])
    model.compile(made, chosen, metrics=["mae"])
    data = np.random.RandomState(rows)
    x, y = data.randn(rows, 4).astype("float32"), data.randn(rows, 2).astype("float32")
    weights = data.rand(rows).astype("float32") if weighted else None
    history = model.fit(x, y, batch_size=batch, epochs=2, sample_weight=weights, verbose=0).history
    return {
        "history": history,
        "weights": model.get_weights(),
        "slots": [np.asarray(v) for v in made.variables],
        "metrics": model.evaluate(x, y, batch_size=batch, verbose=0),
        "predict": model.predict(x, batch_size=batch, verbose=0),
    }


_LOSSES = {"mse": "MeanSquaredError", "mae": "MeanAbsoluteError", "huber": "Huber", "log_cosh": "LogCosh"}

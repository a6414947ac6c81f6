"""Training steps to store, and what one process makes of the same step on the same batches.

``save`` stores one in a process that has none of the package's hooks; ``train`` loads it on a gang.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS, BATCH = 29, 8  # the last batch is uneven, and leaves the third of three with fewer
X = np.random.default_rng(0).normal(size=(ROWS, 6)).astype("float32")
Y = (X[:, :1] * 2 - X[:, 1:2] + 0.5).astype("float32")
WORDS = np.random.default_rng(1).integers(0, 11, (ROWS, 5)).astype("int32")


def _model(*layers: Any) -> keras.Model:
    return keras.Sequential(layers)


def _dense() -> keras.Model:
    return _model(keras.Input((6,)), keras.layers.Dense(7, activation="tanh"), keras.layers.Dense(1))


def _step(model: Any, optimizer: Any, loss: Callable[[Any, Any], Any]) -> Any:
    @tf.function
    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            value = loss(y, model(x, training=True))
        gradients = tape.gradient(value, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return value

    return step


def _mean(y: Any, out: Any) -> Any:
    return tf.reduce_mean((y - out) ** 2)


def _sum(y: Any, out: Any) -> Any:
    return tf.reduce_sum((y - out) ** 2) * 0.1


def sgd() -> tuple[Any, Any]:
    model = _dense()
    return _step(model, keras.optimizers.SGD(0.05, momentum=0.9), _mean), X


def a_sum_for_a_loss() -> tuple[Any, Any]:
    model = _dense()
    return _step(model, keras.optimizers.SGD(0.005), _sum), X


def adam_clipped_globally() -> tuple[Any, Any]:
    model = _dense()
    model.compile(keras.optimizers.Adam(0.01, global_clipnorm=0.1), "mse", metrics=["mae"], jit_compile=False)
    return model, X


def embeddings() -> tuple[Any, Any]:
    words = keras.layers.Embedding(11, 4)
    model = _model(keras.Input((5,), dtype="int32"), words, keras.layers.Flatten(), keras.layers.Dense(1))
    return _step(model, keras.optimizers.Adam(0.05), _mean), WORDS


def while_loop() -> tuple[Any, Any]:
    model, optimizer = _dense(), keras.optimizers.SGD(0.05)
    optimizer.build(model.trainable_variables)

    @tf.function
    def step(x: Any, y: Any) -> Any:
        value = tf.constant(0.0)
        for _ in tf.range(3):
            with tf.GradientTape() as tape:
                value = _mean(y, model(x))
            gradients = tape.gradient(value, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return value

    return step, X


def two_optimizers() -> tuple[Any, Any]:
    body = _model(keras.Input((6,)), keras.layers.Dense(7, activation="tanh"))
    head = _model(keras.Input((7,)), keras.layers.Dense(1))
    slow, fast = keras.optimizers.SGD(0.01), keras.optimizers.Adam(0.05)

    @tf.function
    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape(persistent=True) as tape:
            value = _mean(y, head(body(x)))
        for optimizer, model in ((slow, body), (fast, head)):
            gradients = tape.gradient(value, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return value

    return step, X


def normalised_and_dropped_out() -> tuple[Any, Any]:
    layers = keras.layers
    model = _model(
        keras.Input((6,)),
        layers.Dense(7),
        layers.BatchNormalization(),
        layers.Dropout(0.4, seed=3),
        layers.Dense(1),
    )
    return _step(model, keras.optimizers.SGD(0.05), _mean), X


def traced_before() -> tuple[Any, Any]:
    """A step inside a step that has been traced, without collectives, before it is stored."""
    model = _dense()
    inner = _step(model, keras.optimizers.SGD(0.05), _mean)
    inner.get_concrete_function(tf.TensorSpec((None, 6)), tf.TensorSpec((None, 1)))

    @tf.function
    def outer(x: Any, y: Any) -> Any:
        return inner(x, y) * 1.0

    return outer, X


def bare_variables() -> tuple[Any, Any]:
    """A tf.Module without Keras: computed whole by every replica."""

    class Line(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = tf.Variable(tf.ones((6, 1)))

        def step(self, x: Any, y: Any) -> Any:
            with tf.GradientTape() as tape:
                value = _mean(y, x @ self.w)
            self.w.assign_sub(0.05 * tape.gradient(value, self.w))
            return value

    return Line().step, X


CASES = (
    *("sgd", "a_sum_for_a_loss", "adam_clipped_globally", "embeddings", "while_loop", "two_optimizers"),
    *("normalised_and_dropped_out", "traced_before", "bare_variables"),
)


def batches(x: Any) -> list[tuple[Any, Any]]:
    return [(x[i : i + BATCH], Y[i : i + BATCH]) for i in range(0, ROWS, BATCH)]


def save(name: str, url: str) -> dict[str, Any]:
    """Store the step, then train here with the live objects: what every gang is to come to."""
    import jupyter_kf as kf
    from jupyter_kf.store import ArtifactStore
    from jupyter_kf.stored import handle

    keras.utils.set_random_seed(4)
    step, x = globals()[name]()
    example = batches(x)[0]
    options = {"train": True} if isinstance(step, keras.Model) else {}
    graph = kf.save_graph(name.replace("_", "-"), step, *example, store=ArtifactStore(url), **options)
    call = step.train_step if isinstance(step, keras.Model) else None
    losses = [call(b)["loss"] if call else step(*b) for b in batches(x)]
    living = [ref() for ref in handle._origins[url, graph.name]]
    weights = {w.name: v.numpy() for w, v in zip(graph.record.weights, living, strict=True)}
    return {"losses": [float(v) for v in losses], "weights": weights}


def train(name: str, url: str) -> dict[str, Any]:
    """Load and train it with the gang; also how many collectives were begun."""
    import jupyter_kf as kf
    from jupyter_kf.parallel import collective
    from jupyter_kf.store import ArtifactStore

    graph = kf.load_graph(name.replace("_", "-"), store=ArtifactStore(url))
    graph.load().join()
    before = collective.begun()[0]
    x = WORDS if name == "embeddings" else X
    found = [graph(*b) for b in batches(x)]
    losses = [float(v["loss"] if isinstance(v, dict) else v) for v in found]
    return {"losses": losses, "weights": graph.weights(), "begun": collective.begun()[0] - before}

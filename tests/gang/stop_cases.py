"""Stops that are asked for while training: by a thread of one rank, at a step it knows."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from jupyter_kf.parallel import collective, stop
from tests.gang.first_cases import data, mlp, state


class Ask(keras.callbacks.Callback):
    """Asks for a stop on the last rank when the given number of steps has been made."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after, self.made = after, 0

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.made += 1
        if self.made > self.after and collective.rank() == collective.world_size() - 1:
            stop.request()


def fit(
    after: int | None, steps: int = 0, steps_per_execution: int = 1, eager: bool = False
) -> dict[str, Any]:
    """fit stopped in the step after ``after``; or, None, trained for ``steps`` steps and no more."""
    keras.utils.set_random_seed(1)
    x, y = data(64)
    model = mlp()
    model.compile(
        keras.optimizers.Adam(0.01),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        steps_per_execution=steps_per_execution,
        run_eagerly=eager,
    )
    if after is None:
        model.fit(x, y, batch_size=8, epochs=1, steps_per_epoch=steps, shuffle=False, verbose=0)
        return state(model)
    try:
        model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0, callbacks=[Ask(after)])
    except KeyboardInterrupt:
        return state(model)
    raise AssertionError("not interrupted")


def loop(after: int | None, steps: int = 0, kind: str = "eager") -> dict[str, Any]:
    """A custom loop: eager, by tf.function steps, or whole in one graph."""
    keras.utils.set_random_seed(1)
    x, y = data(160)
    model = mlp()
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    optimizer.build(model.trainable_variables)
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(8).take(steps if after is None else 100)

    def step(x: tf.Tensor, y: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, model(x)))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))

    def asking(i: Any) -> None:
        if after is not None and collective.rank() == 0 and int(i) == after:
            stop.request()

    try:
        _run(dataset, tf.function(step) if kind == "function" else step, asking, in_graph=kind == "graph")
    except KeyboardInterrupt:
        assert after is not None
    else:
        assert after is None, "not interrupted"
    return {"weights": model.get_weights(), "slots": [v.numpy() for v in optimizer.variables]}


def _run(dataset: tf.data.Dataset, step: Any, asking: Any, in_graph: bool) -> None:
    def in_one_graph() -> None:
        for i, (x, y) in dataset.enumerate():
            tf.py_function(asking, [i], [])
            step(x, y)

    if in_graph:
        tf.function(in_one_graph)()
        return
    for i, (x, y) in enumerate(dataset):
        asking(i)
        step(x, y)

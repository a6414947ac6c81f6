"""Training cells in the manner of Keras's guides: own steps, loops and optimizers."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers as L  # noqa: N812
from keras import ops

from tests.gang.scenes import crossentropy, end, numbers, table


def own_train_step_with_trackers() -> dict[str, Any]:
    class Own(keras.Model):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.loss_seen, self.off = (
                keras.metrics.Mean(name="loss"),
                keras.metrics.MeanAbsoluteError(name="off"),
            )

        @property
        def metrics(self) -> list[Any]:
            return [self.loss_seen, self.off]

        def train_step(self, data: Any) -> Any:
            x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
            with tf.GradientTape() as tape:
                p = self(x, training=True)
                loss = keras.losses.MeanSquaredError()(y, p, sample_weight=weight)
            slopes = tape.gradient(loss, self.trainable_weights)
            self.optimizer.apply(slopes, self.trainable_weights)
            self.loss_seen.update_state(loss)
            self.off.update_state(y, p, sample_weight=weight)
            return {m.name: m.result() for m in self.metrics}

    a = keras.Input((6,))
    model = Own(a, L.Dense(1)(L.Dense(6, activation="tanh")(a)))
    model.compile("adam")
    x, y = numbers(29)
    weight = np.linspace(0, 1, 29)[:, None].astype("float32")
    return end(
        model, history=model.fit(x, y, sample_weight=weight, epochs=2, batch_size=8, verbose=0).history
    )


def own_loop_with_validation() -> dict[str, Any]:
    model = keras.Sequential([keras.Input((6,)), L.Dense(8, activation="relu"), L.Dense(3)])
    optimizer, loss_fn = keras.optimizers.Adam(1e-2), crossentropy()
    seen, checked = keras.metrics.SparseCategoricalAccuracy(), keras.metrics.SparseCategoricalAccuracy()
    data = tf.data.Dataset.from_tensor_slices(table(29)).shuffle(30).batch(8)

    @tf.function
    def learn(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            logits = model(x, training=True)
            loss = loss_fn(y, logits) + sum(model.losses)
        slopes = tape.gradient(loss, model.trainable_weights)
        optimizer.apply_gradients(zip(slopes, model.trainable_weights, strict=True))
        seen.update_state(y, logits)
        return loss

    @tf.function
    def check(x: Any, y: Any) -> None:
        checked.update_state(y, model(x, training=False))

    log = []
    for _ in range(2):
        log += [float(learn(x, y)) for x, y in data]
        for x, y in data:
            check(x, y)
        log += [float(seen.result()), float(checked.result())]
        seen.reset_state()
    return end(model, log=log)


def schedule_and_own_optimizer() -> dict[str, Any]:
    class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step: Any) -> Any:
            step = ops.cast(step, "float32")
            return 0.05 * ops.minimum(1.0, (step + 1) / 3.0) * ops.cos(step * math.pi / 40)

    class Centred(keras.optimizers.RMSprop):
        def apply(self, grads: Any, trainable_variables: Any = None) -> Any:
            grads = [
                g - ops.mean(g, axis=tuple(range(len(g.shape) - 1)), keepdims=True) if len(g.shape) > 1 else g
                for g in grads
            ]
            return super().apply(grads, trainable_variables)

    model = keras.Sequential([keras.Input((6,)), L.Dense(8, activation="tanh"), L.Dense(3)])
    model.compile(Centred(WarmUp()), crossentropy())
    x, y = table(29)
    return end(model, history=model.fit(x, y, batch_size=8, epochs=2, verbose=0).history)


def accumulated_by_hand() -> dict[str, Any]:
    class Accumulates(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.every = keras.Sequential([keras.Input((6,)), L.Dense(3)]), 2
            self.step_seen = tf.Variable(0, trainable=False)
            self.sums = [tf.Variable(tf.zeros(w.shape), trainable=False) for w in self.net.trainable_weights]

        def call(self, x: Any) -> Any:
            return self.net(x)

        def train_step(self, data: Any) -> Any:
            x, y = data
            self.step_seen.assign_add(1)
            with tf.GradientTape() as tape:
                loss = crossentropy()(y, self(x, training=True))
            for total, g in zip(self.sums, tape.gradient(loss, self.trainable_weights), strict=True):
                total.assign_add(g / self.every)
            tf.cond(self.step_seen % self.every == 0, self.use, lambda: None)
            return {"loss": loss}

        def use(self) -> None:
            self.optimizer.apply_gradients(zip(self.sums, self.trainable_weights, strict=True))
            for total in self.sums:
                total.assign(tf.zeros_like(total))

    model = Accumulates()
    model.compile(keras.optimizers.SGD(0.1))
    model.optimizer.build(model.trainable_variables)
    x, y = table(29)
    history = model.fit(x, y, batch_size=8, epochs=2, verbose=0).history
    return end(model, history=history, steps=int(model.step_seen), sums=[s.numpy() for s in model.sums])

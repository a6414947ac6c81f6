"""Training cells in the manner of Keras's examples: contrastive and generative."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers as L  # noqa: N812
from keras import ops

from tests.gang.scenes import crossentropy, end, images, table


def siamese_triplets() -> dict[str, Any]:
    tower = keras.Sequential([keras.Input((6,)), L.Dense(8, activation="relu"), L.Dense(4)])

    class Distances(L.Layer):
        def call(self, anchor: Any, near: Any, far: Any) -> Any:
            return ops.sum(ops.square(anchor - near), -1), ops.sum(ops.square(anchor - far), -1)

    a, b, c = (keras.Input((6,)) for _ in range(3))
    network = keras.Model([a, b, c], Distances()(tower(a), tower(b), tower(c)))

    class Siamese(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.network, self.seen = network, keras.metrics.Mean(name="loss")

        def call(self, x: Any) -> Any:
            return self.network(x)

        def train_step(self, data: Any) -> Any:
            with tf.GradientTape() as tape:
                near, far = self.network(data)
                loss = tf.maximum(near - far + 0.5, 0.0)
            grads = tape.gradient(loss, self.network.trainable_weights)
            self.optimizer.apply_gradients(zip(grads, self.network.trainable_weights, strict=True))
            self.seen.update_state(loss)
            return {"loss": self.seen.result()}

        @property
        def metrics(self) -> list[Any]:
            return [self.seen]

    model = Siamese()
    model.compile(keras.optimizers.Adam(1e-3))
    x, _ = table(29)
    data = tf.data.Dataset.from_tensor_slices((x, x[::-1], np.roll(x, 3, 0))).batch(8)
    return end(network, history=model.fit(data, epochs=2, verbose=0).history)


def simclr_and_probe() -> dict[str, Any]:
    class Contrast(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.augment = keras.Sequential(
                [keras.Input((8, 8, 3)), L.RandomFlip(), L.RandomTranslation(0.2, 0.2)]
            )
            self.encoder = keras.Sequential(
                [keras.Input((8, 8, 3)), L.Conv2D(4, 3, 2), L.ReLU(), L.Flatten(), L.Dense(6)]
            )
            self.probe = keras.Sequential([keras.Input((6,)), L.Dense(3)])
            self.both = keras.metrics.Mean(name="both")

        def compile(self, one: Any, two: Any) -> None:
            super().compile()
            self.one, self.two = one, two

        def train_step(self, data: Any) -> Any:
            (loose, _), (x, y) = data
            everything = ops.concatenate([loose, x], 0)
            one, two = self.augment(everything, training=True), self.augment(everything, training=True)
            with tf.GradientTape() as tape:
                a, b = (ops.normalize(self.encoder(v, training=True), axis=1) for v in (one, two))
                near = ops.matmul(a, ops.transpose(b)) / 0.1
                names = ops.arange(ops.shape(a)[0])
                loss = sum(
                    ops.mean(keras.losses.sparse_categorical_crossentropy(names, s, from_logits=True))
                    for s in (near, ops.transpose(near))
                )
            grads = tape.gradient(loss, self.encoder.trainable_weights)
            self.one.apply_gradients(zip(grads, self.encoder.trainable_weights, strict=True))
            with tf.GradientTape() as tape:
                right = crossentropy()(y, self.probe(self.encoder(x, training=False)))
            grads = tape.gradient(right, self.probe.trainable_weights)
            self.two.apply_gradients(zip(grads, self.probe.trainable_weights, strict=True))
            self.both.update_state(loss + right)
            return {"both": self.both.result()}

    x, y = images(24)
    data = tf.data.Dataset.zip(
        (
            tf.data.Dataset.from_tensor_slices((x, y)).batch(6),
            tf.data.Dataset.from_tensor_slices((x, y)).batch(5),
        )
    )
    model = Contrast()
    model.compile(keras.optimizers.SGD(0.01), keras.optimizers.SGD(0.01))
    return end(model, history=model.fit(data, epochs=2, verbose=0).history)


def barlow_and_byol() -> dict[str, Any]:
    """A loss of batch statistics, and a target network that follows by a moving average."""
    online = keras.Sequential([keras.Input((6,)), L.Dense(8, activation="tanh"), L.Dense(4)])
    target = keras.models.clone_model(online)
    target.set_weights(online.get_weights())
    optimizer, log = keras.optimizers.SGD(0.05), []

    @tf.function
    def learn(x: Any, noise: Any) -> Any:
        with tf.GradientTape() as tape:
            a, b = online(x + noise), tf.stop_gradient(target(x - noise))
            a = (a - tf.reduce_mean(a, 0)) / (tf.math.reduce_std(a, 0) + 0.1)
            b = (b - tf.reduce_mean(b, 0)) / (tf.math.reduce_std(b, 0) + 0.1)
            loss = tf.reduce_sum((tf.matmul(a, b, transpose_a=True) / 8.0 - tf.eye(4)) ** 2)
        optimizer.apply(tape.gradient(loss, online.trainable_variables), online.trainable_variables)
        for t, o in zip(target.weights, online.weights, strict=True):
            t.assign(0.9 * t + 0.1 * o)
        return loss

    for x, _ in tf.data.Dataset.from_tensor_slices(table(29)).batch(8):
        log.append(float(learn(x, tf.random.normal(tf.shape(x)) * 0.1)))
    return end(online, target=target.get_weights(), log=log)


def gan_with_batches_of_own_making() -> dict[str, Any]:
    """The old way: train_on_batch on a judge and on a chain with the judge frozen, numpy in between."""
    judge = keras.Sequential([keras.Input((6,)), L.Dense(8), L.LeakyReLU(), L.Dense(1, activation="sigmoid")])
    judge.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
    maker = keras.Sequential([keras.Input((3,)), L.Dense(8, activation="relu"), L.Dense(6)])
    judge.trainable = False
    noise = keras.Input((3,))
    chain = keras.Model(noise, judge(maker(noise)))
    chain.compile(keras.optimizers.Adam(0.01), "binary_crossentropy")
    x, _ = table(29)
    log = []
    for _ in range(4):
        real = x[np.random.randint(0, len(x), 5)]
        made = maker.predict(np.random.normal(0, 1, (5, 3)), verbose=0)
        log.append(judge.train_on_batch(np.concatenate([real, made]), np.repeat([1.0, 0.0], 5)[:, None]))
        log.append(chain.train_on_batch(np.random.normal(0, 1, (7, 3)), np.ones((7, 1))))
    return end(maker, judge=judge.get_weights(), log=log)


def conditional_gan_in_a_loop() -> dict[str, Any]:
    maker = keras.Sequential([keras.Input((7,)), L.Dense(8), L.BatchNormalization(), L.ReLU(), L.Dense(6)])
    judge = keras.Sequential([keras.Input((9,)), L.Dense(8), L.LeakyReLU(), L.Dropout(0.3), L.Dense(1)])
    first, second = keras.optimizers.SGD(0.02), keras.optimizers.SGD(0.02)
    cross = keras.losses.BinaryCrossentropy(from_logits=True)

    @tf.function
    def learn(real: Any, kind: Any) -> Any:
        kind = tf.one_hot(kind, 3)
        noise = tf.random.normal([tf.shape(real)[0], 4])
        with tf.GradientTape() as one, tf.GradientTape() as two:
            made = maker(tf.concat([noise, kind], 1), training=True)
            yes = judge(tf.concat([real, kind], 1), training=True)
            no = judge(tf.concat([made, kind], 1), training=True)
            fooled = cross(tf.ones_like(no), no)
            judged = cross(tf.ones_like(yes), yes) + cross(tf.zeros_like(no), no)
        first.apply_gradients(
            zip(one.gradient(fooled, maker.trainable_variables), maker.trainable_variables, strict=True)
        )
        second.apply_gradients(
            zip(two.gradient(judged, judge.trainable_variables), judge.trainable_variables, strict=True)
        )
        return fooled, judged

    log = [[float(v) for v in learn(x, y)] for x, y in tf.data.Dataset.from_tensor_slices(table(29)).batch(8)]
    return end(maker, judge=judge.get_weights(), log=log)


class Quantiser(L.Layer):
    """Nearest code, straight-through gradient, a loss of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.codes = self.add_weight(shape=(4, 9), initializer="random_uniform")

    def call(self, x: Any) -> Any:
        far = ops.sum(x**2, 1, keepdims=True) + ops.sum(self.codes**2, 0) - 2 * ops.matmul(x, self.codes)
        near = ops.matmul(ops.one_hot(ops.argmin(far, 1), 9), ops.transpose(self.codes))
        self.add_loss(
            0.25 * ops.mean((ops.stop_gradient(near) - x) ** 2) + ops.mean((near - ops.stop_gradient(x)) ** 2)
        )
        return x + ops.stop_gradient(near - x)


def vector_quantised_autoencoder() -> dict[str, Any]:
    a = keras.Input((6,))
    model = keras.Model(a, L.Dense(6)(Quantiser()(L.Dense(4)(a))))
    model.compile("sgd", "mse")
    x, _ = table(29)
    return end(model, history=model.fit(x, x, batch_size=8, epochs=2, verbose=0).history)


class Diffusion(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.scale = L.Normalization()
        self.net = keras.Sequential(
            [keras.Input((7,)), L.Dense(12, activation="swish"), L.Dense(6, kernel_initializer="zeros")]
        )
        self.slow = keras.models.clone_model(self.net)

    def train_step(self, x: Any) -> Any:
        x = self.scale(x, training=True)
        noise = keras.random.normal(ops.shape(x))
        when = keras.random.uniform((ops.shape(x)[0], 1))
        with tf.GradientTape() as tape:
            found = self.net(
                ops.concatenate([ops.cos(when) * x + ops.sin(when) * noise, when], 1), training=True
            )
            loss = self.loss(noise, found)
        grads = tape.gradient(loss, self.net.trainable_weights)
        self.optimizer.apply_gradients(zip(grads, self.net.trainable_weights, strict=True))
        for w, s in zip(self.net.weights, self.slow.weights, strict=True):
            s.assign(0.99 * s + 0.01 * w)
        return {"loss": loss}


def diffusion_with_slow_copy() -> dict[str, Any]:
    x, _ = table(29)
    model = Diffusion()
    model.scale.adapt(x)
    model.compile(keras.optimizers.AdamW(1e-3, weight_decay=1e-4), loss=keras.losses.MeanAbsoluteError())
    return end(model, history=model.fit(x, batch_size=8, epochs=2, verbose=0).history)


def kept_on_self_for_the_step() -> dict[str, Any]:
    """The call leaves tensors on the model that its step makes a loss of."""

    class Keeps(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.outer = L.Dense(4), L.Dense(6)

        def call(self, x: Any) -> Any:
            self.code = self.inner(x)
            return self.outer(self.code)

        def train_step(self, x: Any) -> Any:
            with tf.GradientTape() as tape:
                rebuilt = self(x, training=True)
                loss = ops.mean((x - rebuilt) ** 2) + 0.3 * ops.var(self.code)
            self.optimizer.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
            return {"loss": loss}

    model = Keeps()
    model.compile("sgd")
    return end(model, history=model.fit(table(29)[0], batch_size=8, epochs=2, verbose=0).history)

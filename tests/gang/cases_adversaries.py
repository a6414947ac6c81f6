"""Training cells in the manner of Keras's examples: adversaries, flows, trained images."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers as L  # noqa: N812
from keras import ops

from tests.gang.scenes import crossentropy, end, images, table


def _small_conv(channels: int, *more: Any) -> keras.Sequential:
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            L.Conv2D(4, 3, padding="same", use_bias=False),
            L.GroupNormalization(-1),
            L.LeakyReLU(),
            L.Conv2D(channels, 3, padding="same"),
            *more,
        ]
    )


def gradient_penalty() -> dict[str, Any]:
    class Wasserstein(keras.Model):
        def __init__(self, critic: Any, generator: Any) -> None:
            super().__init__()
            self.critic, self.generator = critic, generator

        def compile(self, by_critic: Any, by_generator: Any) -> None:
            super().compile()
            self.by_critic, self.by_generator = by_critic, by_generator

        def penalty(self, real: Any, fake: Any) -> Any:
            part = tf.random.uniform([tf.shape(real)[0], 1, 1, 1])
            between = real + part * (fake - real)
            with tf.GradientTape() as tape:
                tape.watch(between)
                judged = self.critic(between, training=True)
            slope = tf.sqrt(tf.reduce_sum(tf.square(tape.gradient(judged, between)), [1, 2, 3]) + 1e-9)
            return tf.reduce_mean((slope - 1.0) ** 2)

        def train_step(self, real: Any) -> Any:
            count = tf.shape(real)[0]
            for _ in range(2):
                with tf.GradientTape() as tape:
                    fake = self.generator(tf.random.normal([count, 5]), training=True)
                    apart = tf.reduce_mean(self.critic(fake)) - tf.reduce_mean(self.critic(real))
                    cost = apart + 10.0 * self.penalty(real, fake)
                slopes = tape.gradient(cost, self.critic.trainable_variables)
                self.by_critic.apply(slopes, self.critic.trainable_variables)
            with tf.GradientTape() as tape:
                made = -tf.reduce_mean(self.critic(self.generator(tf.random.normal([count, 5]))))
            slopes = tape.gradient(made, self.generator.trainable_variables)
            self.by_generator.apply_gradients(zip(slopes, self.generator.trainable_variables, strict=True))
            return {"critic": cost, "generator": made}

    generator = keras.Sequential([keras.Input((5,)), L.Dense(192, activation="tanh"), L.Reshape((8, 8, 3))])
    model = Wasserstein(_small_conv(2, L.Flatten(), L.Dropout(0.3), L.Dense(1)), generator)
    model.compile(keras.optimizers.Adam(2e-3, 0.5, 0.9), keras.optimizers.Adam(2e-3, 0.5, 0.9))
    history = model.fit(images(29)[0], batch_size=8, epochs=2, verbose=0).history
    return end(model, history=history)


def cycles_between_domains() -> dict[str, Any]:
    class Cycle(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.there, self.back = _small_conv(3), _small_conv(3)
            self.judge_a, self.judge_b = _small_conv(1), _small_conv(1)

        def compile(self, optimizers: Any, judged: Any) -> None:
            super().compile()
            self.optimizers, self.judged = optimizers, judged
            self.apart = keras.losses.MeanAbsoluteError()

        def train_step(self, data: Any) -> Any:
            a, b = data
            with tf.GradientTape(persistent=True) as tape:
                fake_b, fake_a = self.there(a, training=True), self.back(b, training=True)
                again_a, again_b = self.back(fake_b, training=True), self.there(fake_a, training=True)
                cycle = 10.0 * (self.apart(a, again_a) + self.apart(b, again_b))
                same = 5.0 * (self.apart(a, self.back(a)) + self.apart(b, self.there(b)))
                of_a, of_b = self.judge_a(fake_a), self.judge_b(fake_b)
                there = self.judged(tf.ones_like(of_b), of_b) + cycle + same
                back = self.judged(tf.ones_like(of_a), of_a) + cycle + same
                real_a, real_b = self.judge_a(a), self.judge_b(b)
                one = self.judged(tf.ones_like(real_a), real_a) + self.judged(tf.zeros_like(of_a), of_a)
                two = self.judged(tf.ones_like(real_b), real_b) + self.judged(tf.zeros_like(of_b), of_b)
            parts = (self.there, there), (self.back, back), (self.judge_a, one), (self.judge_b, two)
            for optimizer, (part, cost) in zip(self.optimizers, parts, strict=True):
                slopes = tape.gradient(cost, part.trainable_variables)
                optimizer.apply_gradients(zip(slopes, part.trainable_variables, strict=True))
            return {"there": there, "back": back, "one": one, "two": two}

    model = Cycle()
    model.compile(
        [keras.optimizers.Adam(1e-3, beta_1=0.5) for _ in range(4)], keras.losses.MeanSquaredError()
    )
    one = tf.data.Dataset.from_tensor_slices(images(29)[0]).shuffle(29).batch(8)
    two = tf.data.Dataset.from_tensor_slices(1 - images(29)[0]).map(tf.image.random_flip_left_right).batch(8)
    history = model.fit(tf.data.Dataset.zip((one, two)), epochs=1, verbose=0).history
    return end(model, history=history)


def coupled_flow() -> dict[str, Any]:
    def coupling() -> Any:
        given = keras.Input((6,))
        scale, shift = L.Dense(8, "relu", kernel_regularizer="l2")(given), L.Dense(8, "relu")(given)
        return keras.Model(given, [L.Dense(6, "tanh")(scale), L.Dense(6)(shift)])

    class Flow(keras.Model):
        def __init__(self, depth: int) -> None:
            super().__init__()
            self.masks = np.array([[0, 1, 0, 1, 0, 1], [1, 0, 1, 0, 1, 0]] * (depth // 2), "float32")
            self.parts = [coupling() for _ in range(depth)]
            self.tracker = keras.metrics.Mean(name="loss")

        @property
        def metrics(self) -> list[Any]:
            return [self.tracker]

        def call(self, x: Any, training: Any = True) -> Any:
            volume, direction = 0.0, -1 if training else 1
            for i in range(len(self.parts))[::direction]:
                mask = self.masks[i]
                scale, shift = self.parts[i](x * mask)
                scale, shift = scale * (1 - mask), shift * (1 - mask)
                gate = (direction - 1) / 2
                inner = (x - shift) * ops.exp(-scale) if gate else x * ops.exp(scale) + shift
                x = (1 - mask) * inner + x * mask
                volume += gate * ops.sum(scale, 1)
            return x, volume

        def cost(self, x: Any) -> Any:
            y, volume = self(x)
            likely = -0.5 * ops.sum(ops.square(y), -1) - 3 * np.log(2 * np.pi)
            return -ops.mean(likely + volume)

        def train_step(self, x: Any) -> Any:
            with tf.GradientTape() as tape:
                cost = self.cost(x)
            slopes = tape.gradient(cost, self.trainable_variables)
            self.optimizer.apply_gradients(zip(slopes, self.trainable_variables, strict=True))
            self.tracker.update_state(cost)
            return {"loss": self.tracker.result()}

        def test_step(self, x: Any) -> Any:
            self.tracker.update_state(self.cost(x))
            return {"loss": self.tracker.result()}

    model = Flow(4)
    model.compile(keras.optimizers.Adam(1e-3))
    x, _ = table(29)
    history = model.fit(x, batch_size=8, epochs=2, verbose=0, validation_split=0.2).history
    drawn, _ = model(np.random.normal(size=(4, 6)).astype("float32"), training=False)
    return end(model, history=history, drawn=np.asarray(drawn))


def pixel_by_pixel() -> dict[str, Any]:
    class Masked(L.Layer):
        def __init__(self, kind: str, **options: Any) -> None:
            super().__init__()
            self.kind, self.conv = kind, L.Conv2D(padding="same", **options)

        def build(self, shape: Any) -> None:
            self.conv.build(shape)
            mask = np.zeros(self.conv.kernel.shape, "float32")
            mask[: mask.shape[0] // 2, ...] = 1.0
            mask[mask.shape[0] // 2, : mask.shape[1] // 2, ...] = 1.0
            mask[mask.shape[0] // 2, mask.shape[1] // 2] = float(self.kind == "B")
            self.mask = mask

        def call(self, x: Any) -> Any:
            self.conv.kernel.assign(self.conv.kernel * self.mask)
            return self.conv(x)

    given = keras.Input((8, 8, 1))
    x = Masked("A", filters=4, kernel_size=3, activation="relu")(given)
    x = L.add([x, Masked("B", filters=4, kernel_size=3, activation="relu")(x)])
    model = keras.Model(given, L.Conv2D(1, 1, activation="sigmoid")(x))
    model.compile(keras.optimizers.Adam(3e-3), "binary_crossentropy")
    seen = (images(29)[0][..., :1] > 0.5).astype("float32")
    history = model.fit(seen, seen, batch_size=8, epochs=2, validation_split=0.1, verbose=0).history
    drawn = np.zeros((2, 8, 8, 1), "float32")
    for row, column in [(r, c) for r in range(2) for c in range(3)]:
        likely = model.predict(drawn, verbose=0)[:, row, column]
        drawn[:, row, column] = np.ceil(likely - np.random.uniform(size=likely.shape))
    return end(model, history=history, drawn=drawn)


def styled_image() -> dict[str, Any]:
    looks = _small_conv(4)
    looks.trainable = False
    features = keras.Model(looks.inputs, {layer.name: layer.output for layer in looks.layers[:3]})
    base, style = tf.constant(images(2)[0][:1]), tf.constant(images(2)[0][1:])
    picture = tf.Variable(base)

    def gram(x: Any) -> Any:
        flat = tf.reshape(tf.transpose(x, (2, 0, 1)), (tf.shape(x)[2], -1))
        return tf.matmul(flat, tf.transpose(flat))

    def cost(seen: Any) -> Any:
        total = tf.zeros(())
        for value in features(tf.concat([base, style, seen], 0)).values():
            total += tf.reduce_mean(tf.square(gram(value[1]) - gram(value[2]))) / 1e2
            total += tf.reduce_sum(tf.square(value[2] - value[0]))
        return total + 1e-2 * tf.reduce_sum(tf.image.total_variation(seen))

    @tf.function
    def slopes_of(seen: Any) -> Any:
        with tf.GradientTape() as tape:
            total = cost(seen)
        return total, tape.gradient(total, seen)

    optimizer = keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.02, 2, 0.96))
    totals = []
    for _ in range(5):
        total, slopes = slopes_of(picture)
        optimizer.apply_gradients([(slopes, picture)])
        totals.append(float(total))
    return end(looks, picture=picture.numpy(), totals=totals)


def weak_and_strong_views() -> dict[str, Any]:
    def small() -> Any:
        return keras.Sequential(
            [
                keras.Input((8, 8, 3)),
                L.Conv2D(4, 3, activation="relu"),
                L.BatchNormalization(),
                L.Flatten(),
                L.Dense(3),
            ]
        )

    class Consistent(keras.Model):
        def __init__(self, student: Any, teacher: Any) -> None:
            super().__init__()
            self.student, self.teacher = student, teacher
            self.hits = keras.metrics.SparseCategoricalAccuracy(name="hits")

        def compile(self, optimizer: Any, apart: Any, warmth: float) -> None:
            super().compile(optimizer=optimizer)
            self.apart, self.warmth = apart, warmth

        @property
        def metrics(self) -> list[Any]:
            return [self.hits]

        def train_step(self, data: Any) -> Any:
            noisy, (clean, wanted) = data
            taught = self.teacher(noisy, training=False)
            with tf.GradientTape() as tape:
                loose, sure = self.student(noisy, training=True), self.student(clean, training=True)
                apart = self.apart(ops.softmax(taught / self.warmth), ops.softmax(loose / self.warmth))
                cost = crossentropy()(wanted, sure) + apart
            slopes = tape.gradient(cost, self.student.trainable_variables)
            self.optimizer.apply_gradients(zip(slopes, self.student.trainable_variables, strict=True))
            self.hits.update_state(wanted, sure)
            return {"cost": cost, "hits": self.hits.result()}

        def test_step(self, data: Any) -> Any:
            x, y = data
            self.hits.update_state(y, self.student(x, training=False))
            return {"hits": self.hits.result()}

        def call(self, x: Any) -> Any:
            return self.student(x)

    x, y = images(29)
    teacher, student = small(), small()
    teacher.compile("adam", crossentropy(), metrics=["accuracy"])
    turn = keras.callbacks.ReduceLROnPlateau(patience=1)
    first = teacher.fit(x, y, batch_size=8, validation_split=0.2, callbacks=[turn], verbose=0).history
    clean = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(16, seed=42).batch(8)
    noisy = tf.data.Dataset.from_tensor_slices(x).shuffle(16, seed=42)
    noisy = noisy.map(lambda image: tf.image.random_brightness(image, 0.3, seed=1)).batch(8)
    model = Consistent(student, teacher)
    model.compile("adam", keras.losses.KLDivergence(), 10.0)
    pairs = tf.data.Dataset.zip((noisy, clean))
    second = model.fit(pairs, epochs=2, validation_data=clean, verbose=0).history
    return end(student, log=[first, second])

"""Real models, small: the shapes that people train in notebooks."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers as L  # noqa: N812
from keras import ops

from tests.gang.cases_fit import compiled
from tests.gang.scenes import by_shape, crossentropy, fitted, images, sequences, state, table


def resnet() -> dict[str, Any]:
    def made() -> keras.Model:
        image = keras.Input((8, 8, 3))
        x = L.RandomFlip("horizontal", seed=2)(image)
        x = L.Conv2D(6, 3, padding="same", use_bias=False)(L.Rescaling(2.0, -1.0)(x))
        for _ in range(2):
            skip = x
            x = L.ReLU()(L.BatchNormalization()(x))
            x = L.Conv2D(6, 3, padding="same", use_bias=False, kernel_regularizer="l2")(x)
            x = L.Add()([skip, L.BatchNormalization()(x)])
        return keras.Model(image, L.Dense(3)(L.Dropout(0.2)(L.GlobalAveragePooling2D()(x))))

    return fitted(compiled(made, optimizer=keras.optimizers.SGD(0.02, momentum=0.9)), images)


class Positions(L.Layer):
    def __init__(self, words: int, length: int, width: int) -> None:
        super().__init__()
        self.words, self.places = L.Embedding(words, width, mask_zero=True), L.Embedding(length, width)
        self.length = length

    def call(self, x: Any) -> Any:
        return self.words(x) + self.places(ops.arange(self.length))

    def compute_mask(self, x: Any, mask: Any = None) -> Any:
        return self.words.compute_mask(x)


class Block(L.Layer):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.supports_masking = True
        self.attend = L.MultiHeadAttention(2, width // 2)
        self.dense, self.norm, self.drop = (
            L.Dense(width, activation="gelu"),
            L.LayerNormalization(),
            L.Dropout(0.1),
        )

    def call(self, x: Any, training: Any = None, mask: Any = None) -> Any:
        mask = None if mask is None else ops.cast(mask[:, None, :], "int32")
        x = self.norm(x + self.drop(self.attend(x, x, attention_mask=mask), training=training))
        return x + self.dense(x)


def transformer() -> dict[str, Any]:
    def made() -> keras.Model:
        words = keras.Input((7,), dtype="int32")
        x = Block(8)(Positions(11, 7, 8)(words))
        return keras.Model(words, L.Dense(3)(L.GlobalAveragePooling1D()(x)))

    return fitted(compiled(made, optimizer=keras.optimizers.SGD(0.05, momentum=0.9)), sequences)


class Gan(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.judge = keras.Sequential(
            [keras.Input((6,)), L.Dense(8), L.LeakyReLU(), L.Dropout(0.2), L.Dense(1)]
        )
        self.maker = keras.Sequential(
            [keras.Input((4,)), L.Dense(8), L.BatchNormalization(), L.ReLU(), L.Dense(6)]
        )
        self.seed = keras.random.SeedGenerator(5)
        self.judge_loss, self.maker_loss = keras.metrics.Mean(name="judge"), keras.metrics.Mean(name="maker")

    def compile(self, judge: Any, maker: Any) -> None:
        super().compile()
        self.judge_optimizer, self.maker_optimizer = judge, maker
        self.loss_fn = keras.losses.BinaryCrossentropy(from_logits=True)

    @property
    def metrics(self) -> list[Any]:
        return [self.judge_loss, self.maker_loss]

    def train_step(self, real: Any) -> dict[str, Any]:
        count = ops.shape(real)[0]
        made = self.maker(keras.random.normal((count, 4), seed=self.seed), training=True)
        both = ops.concatenate([made, real], 0)
        labels = ops.concatenate([ops.ones((count, 1)), ops.zeros((count, 1))], 0)
        labels += 0.05 * keras.random.uniform(ops.shape(labels), seed=self.seed)
        with tf.GradientTape() as tape:
            judged = self.loss_fn(labels, self.judge(both, training=True))
        grads = tape.gradient(judged, self.judge.trainable_weights)
        self.judge_optimizer.apply_gradients(zip(grads, self.judge.trainable_weights, strict=True))
        noise = keras.random.normal((count, 4), seed=self.seed)
        with tf.GradientTape() as tape:
            fooled = self.loss_fn(
                ops.zeros((count, 1)), self.judge(self.maker(noise, training=True), training=True)
            )
        grads = tape.gradient(fooled, self.maker.trainable_weights)
        self.maker_optimizer.apply_gradients(zip(grads, self.maker.trainable_weights, strict=True))
        self.judge_loss.update_state(judged)
        self.maker_loss.update_state(fooled)
        return {m.name: m.result() for m in self.metrics}


def gan() -> dict[str, Any]:
    keras.utils.set_random_seed(3)
    model = Gan()
    model.compile(keras.optimizers.Adam(0.01), keras.optimizers.SGD(0.05))

    def train(n: int) -> dict[str, Any]:
        history = model.fit(table(n)[0], batch_size=12, epochs=2, verbose=0).history
        slots = [np.asarray(v) for o in (model.judge_optimizer, model.maker_optimizer) for v in o.variables]
        return state(model) | {"slots": slots, "history": history}

    return by_shape(train)


class Sampling(L.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.seed_generator = keras.random.SeedGenerator(11)

    def call(self, inputs: Any) -> Any:
        mean, log_var = inputs
        noise = keras.random.normal(ops.shape(mean), seed=self.seed_generator)
        return mean + ops.exp(0.5 * log_var) * noise


class Vae(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.enc, self.mean, self.log_var = L.Dense(8, activation="relu"), L.Dense(2), L.Dense(2)
        self.sample, self.dec = Sampling(), L.Dense(6)

    def call(self, x: Any) -> Any:
        h = self.enc(x)
        mean, log_var = self.mean(h), self.log_var(h)
        self.add_loss(-0.05 * ops.mean(1 + log_var - ops.square(mean) - ops.exp(log_var)))
        return self.dec(self.sample([mean, log_var]))


def vae() -> dict[str, Any]:
    return fitted(compiled(Vae, loss="mse", metrics=["mae"]), lambda n: (table(n)[0], table(n)[0]))


class VaeOwnStep(keras.Model):
    """The textbook one: encoder and decoder called in a train_step of its own, with sums over pixels."""

    def __init__(self) -> None:
        super().__init__()
        a, z = keras.Input((6,)), keras.Input((2,))
        h = L.Dense(8, activation="relu")(a)
        mean, log_var = L.Dense(2)(h), L.Dense(2)(h)
        self.encoder = keras.Model(a, [mean, log_var, Sampling()([mean, log_var])])
        self.decoder = keras.Model(z, L.Dense(6)(L.Dense(8, activation="relu")(z)))
        self.total = keras.metrics.Mean(name="total")

    @property
    def metrics(self) -> list[Any]:
        return [self.total]

    def train_step(self, x: Any) -> dict[str, Any]:
        with tf.GradientTape() as tape:
            mean, log_var, z = self.encoder(x)
            rebuilt = ops.mean(ops.sum((x - self.decoder(z)) ** 2, axis=1))
            divergence = ops.sum(-0.5 * (1 + log_var - ops.square(mean) - ops.exp(log_var)), axis=1)
            loss = rebuilt + ops.mean(divergence)
        grads = tape.gradient(loss, self.trainable_weights)
        self.optimizer.apply_gradients(zip(grads, self.trainable_weights, strict=True))
        self.total.update_state(loss)
        return {"total": self.total.result()}


def vae_own_step() -> dict[str, Any]:
    keras.utils.set_random_seed(3)
    model = VaeOwnStep()
    model.compile(optimizer=keras.optimizers.Adam(0.01))

    def train(n: int) -> dict[str, Any]:
        return state(model) | {"history": model.fit(table(n)[0], batch_size=12, epochs=2, verbose=0).history}

    return by_shape(train)


def unet() -> dict[str, Any]:
    def made() -> keras.Model:
        image = keras.Input((8, 8, 3))
        down = L.Conv2D(4, 3, padding="same", activation="relu")(image)
        low = L.BatchNormalization()(L.Conv2D(8, 3, padding="same", use_bias=False)(L.MaxPooling2D()(down)))
        up = L.Conv2DTranspose(4, 2, strides=2)(L.ReLU()(low))
        return keras.Model(image, L.Conv2D(2, 1)(L.Concatenate()([up, down])))

    def make(n: int) -> Any:
        x, _ = images(n)
        return x, (x.sum(-1) > 1.5).astype("int32")

    return fitted(compiled(made, optimizer=keras.optimizers.SGD(0.02, momentum=0.9)), make)


class TwoTowers(keras.Model):
    """A recommender with in-batch negatives: each row's loss depends on all rows."""

    def __init__(self) -> None:
        super().__init__()
        self.users = keras.Sequential([L.Embedding(20, 6), L.Dense(6)])
        self.items = keras.Sequential([L.Embedding(30, 6), L.Dense(6)])

    def call(self, pairs: Any) -> Any:
        return self.users(pairs[:, 0]), self.items(pairs[:, 1])

    def compute_loss(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None, training: bool = True
    ) -> Any:
        user, item = y_pred
        scores = ops.matmul(user, ops.transpose(item))
        labels = ops.arange(ops.shape(scores)[0])
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)(labels, scores)


def two_towers() -> dict[str, Any]:
    keras.utils.set_random_seed(3)
    model = TwoTowers()
    model.compile(optimizer=keras.optimizers.Adagrad(0.1))
    pairs = np.random.RandomState(1).randint(0, 20, (40, 2)).astype("int32")

    def train(n: int) -> dict[str, Any]:
        return state(model) | {"history": model.fit(pairs[:n], batch_size=12, epochs=2, verbose=0).history}

    return by_shape(train)


class Distiller(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.teacher = keras.Sequential([keras.Input((6,)), L.Dense(16, activation="relu"), L.Dense(3)])
        self.student = keras.Sequential([keras.Input((6,)), L.Dense(4, activation="relu"), L.Dense(3)])
        self.teacher.trainable = False

    def call(self, x: Any) -> Any:
        return self.student(x)

    def compute_loss(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None, training: bool = True
    ) -> Any:
        soft = ops.softmax(self.teacher(x, training=False) / 3.0)
        return crossentropy()(y, y_pred) + keras.losses.KLDivergence()(soft, ops.softmax(y_pred / 3.0)) * 9.0


def distillation() -> dict[str, Any]:
    return fitted(compiled(Distiller, loss=None))


class Wgan(keras.Model):
    """A critic with a penalty on its slope: second derivatives through a cut call."""

    def __init__(self) -> None:
        super().__init__()
        self.critic = keras.Sequential([keras.Input((6,)), L.Dense(8, activation="tanh"), L.Dense(1)])
        self.maker = keras.Sequential([keras.Input((4,)), L.Dense(6)])
        self.seed = keras.random.SeedGenerator(5)

    def train_step(self, real: Any) -> dict[str, Any]:
        count = ops.shape(real)[0]
        made = self.maker(keras.random.normal((count, 4), seed=self.seed))
        mix = keras.random.uniform((count, 1), seed=self.seed)
        with tf.GradientTape() as tape:
            between = mix * real + (1 - mix) * made
            with tf.GradientTape() as inner:
                inner.watch(between)
                score = self.critic(between, training=True)
            slope = inner.gradient(score, between)
            penalty = ops.mean((ops.sqrt(ops.sum(slope**2, 1) + 1e-8) - 1.0) ** 2)
            loss = ops.mean(self.critic(made)) - ops.mean(self.critic(real)) + 10.0 * penalty
        grads = tape.gradient(loss, self.critic.trainable_weights)
        self.optimizer.apply_gradients(zip(grads, self.critic.trainable_weights, strict=True))
        return {"loss": loss}


def wgan() -> dict[str, Any]:
    keras.utils.set_random_seed(3)
    model = Wgan()
    model.compile(optimizer=keras.optimizers.Adam(0.01))

    def train(n: int) -> dict[str, Any]:
        return state(model) | {"history": model.fit(table(n)[0], batch_size=12, epochs=2, verbose=0).history}

    return by_shape(train)


class OwnSteps(keras.Model):
    """train_step and test_step as in the guides, with metrics of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.net = keras.Sequential([keras.Input((6,)), L.Dense(8, activation="relu"), L.Dense(3)])
        self.loss_seen, self.right = (
            keras.metrics.Mean(name="loss"),
            keras.metrics.SparseCategoricalAccuracy(),
        )

    @property
    def metrics(self) -> list[Any]:
        return [self.loss_seen, self.right]

    def call(self, x: Any) -> Any:
        return self.net(x)

    def train_step(self, data: Any) -> dict[str, Any]:
        x, y = data
        with tf.GradientTape() as tape:
            out = self(x, training=True)
            loss = crossentropy()(y, out)
        grads = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(grads, self.trainable_variables)
        return self._seen(loss, y, out)

    def test_step(self, data: Any) -> dict[str, Any]:
        x, y = data
        out = self(x, training=False)
        return self._seen(crossentropy()(y, out), y, out)

    def _seen(self, loss: Any, y: Any, out: Any) -> dict[str, Any]:
        self.loss_seen.update_state(loss)
        self.right.update_state(y, out)
        return {m.name: m.result() for m in self.metrics}


def own_steps() -> dict[str, Any]:
    return fitted(compiled(OwnSteps, loss=None, metrics=None))

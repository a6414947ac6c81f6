"""Real models, small, that generate: two optimizers, gradient penalties, losses from inside the model."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers as L  # noqa: N812
from keras import ops

from tests.gang.cases_fit import compiled
from tests.gang.scenes import by_shape, fitted, state, table


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

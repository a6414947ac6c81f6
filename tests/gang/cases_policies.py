"""Training cells in the manner of Keras's examples: learning by play, from few shots, layer by layer."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers as L  # noqa: N812
from keras import ops

from tests.gang.scenes import end, images, sequences, table


def deep_deterministic_policy() -> dict[str, Any]:  # noqa: C901 - a cell
    def actor_of() -> Any:
        given = keras.Input((3,))
        last = keras.initializers.RandomUniform(-0.003, 0.003)
        return keras.Model(given, L.Dense(1, "tanh", kernel_initializer=last)(L.Dense(8, "relu")(given)))

    def critic_of() -> Any:
        state, action = keras.Input((3,)), keras.Input((1,))
        both = L.Concatenate()([L.Dense(8, "relu")(state), L.Dense(4, "relu")(action)])
        return keras.Model([state, action], L.Dense(1)(L.Dense(8, "relu")(both)))

    class Noise:
        def __init__(self, deviation: float) -> None:
            self.deviation, self.before = deviation, np.zeros(1)

        def __call__(self) -> Any:
            self.before = self.before - 0.15 * self.before * 0.01 + self.deviation * np.random.normal(size=1)
            return self.before

    class Buffer:
        def __init__(self, size: int, batch: int) -> None:
            self.size, self.batch, self.count = size, batch, 0
            self.states, self.actions = np.zeros((size, 3)), np.zeros((size, 1))
            self.rewards, self.following = np.zeros((size, 1)), np.zeros((size, 3))

        def record(self, state: Any, action: Any, reward: float, following: Any) -> None:
            i = self.count % self.size
            self.states[i], self.actions[i], self.rewards[i], self.following[i] = (
                state,
                action,
                reward,
                following,
            )
            self.count += 1

        @tf.function
        def update(self, states: Any, actions: Any, rewards: Any, following: Any) -> None:
            with tf.GradientTape() as tape:
                wanted = rewards + 0.9 * late_critic(
                    [following, late_actor(following, training=True)], training=True
                )
                cost = ops.mean(ops.square(wanted - critic([states, actions], training=True)))
            slopes = tape.gradient(cost, critic.trainable_variables)
            by_critic.apply_gradients(zip(slopes, critic.trainable_variables, strict=True))
            with tf.GradientTape() as tape:
                cost = -ops.mean(critic([states, actor(states, training=True)], training=True))
            slopes = tape.gradient(cost, actor.trainable_variables)
            by_actor.apply_gradients(zip(slopes, actor.trainable_variables, strict=True))

        def learn(self) -> None:
            chosen = np.random.choice(min(self.count, self.size), self.batch)
            parts = self.states[chosen], self.actions[chosen], self.rewards[chosen], self.following[chosen]
            self.update(*(tf.cast(ops.convert_to_tensor(part), tf.float32) for part in parts))

    actor, critic, late_actor, late_critic = actor_of(), critic_of(), actor_of(), critic_of()
    late_actor.set_weights(actor.get_weights())
    late_critic.set_weights(critic.get_weights())
    by_critic, by_actor = keras.optimizers.Adam(2e-3), keras.optimizers.Adam(1e-3)
    buffer, noise, rewards = Buffer(50, 7), Noise(0.2), []
    state = np.random.uniform(-1, 1, 3)
    for _ in range(12):
        action = np.clip(ops.squeeze(actor(tf.constant(state[None], tf.float32))).numpy() + noise(), -2, 2)
        following = np.clip(state + 0.1 * action, -1, 1)
        rewards.append(-float(np.square(following).sum()))
        buffer.record(state, action, rewards[-1], following)
        buffer.learn()
        for late, model in ((late_actor, actor), (late_critic, critic)):
            pairs = zip(model.get_weights(), late.get_weights(), strict=True)
            late.set_weights([0.005 * new + 0.995 * old for new, old in pairs])
        state = following
    return end(actor, critic=critic.get_weights(), late=late_actor.get_weights(), rewards=rewards)


def proximal_policy() -> dict[str, Any]:  # noqa: C901 - a cell
    def mlp(x: Any, sizes: Any) -> Any:
        for size in sizes[:-1]:
            x = L.Dense(size, activation="tanh")(x)
        return L.Dense(sizes[-1])(x)

    given = keras.Input((4,), dtype="float32")
    actor = keras.Model(given, mlp(given, (8, 2)))
    critic = keras.Model(given, ops.squeeze(mlp(given, (8, 1)), 1))
    by_policy, by_value = keras.optimizers.Adam(3e-3), keras.optimizers.Adam(1e-2)
    source = keras.random.SeedGenerator(1337)

    def likely(logits: Any, action: Any) -> Any:
        return ops.sum(ops.one_hot(action, 2) * keras.ops.log_softmax(logits), 1)

    @tf.function
    def act(state: Any) -> Any:
        logits = actor(state)
        return logits, ops.squeeze(keras.random.categorical(logits, 1, seed=source), 1)

    @tf.function
    def improve(states: Any, actions: Any, before: Any, advantage: Any) -> Any:
        with tf.GradientTape() as tape:
            ratio = ops.exp(likely(actor(states), actions) - before)
            least = ops.where(advantage > 0, 1.2 * advantage, 0.8 * advantage)
            cost = -ops.mean(ops.minimum(ratio * advantage, least))
        slopes = tape.gradient(cost, actor.trainable_variables)
        by_policy.apply_gradients(zip(slopes, actor.trainable_variables, strict=True))
        return ops.sum(ops.mean(before - likely(actor(states), actions)))

    @tf.function
    def judge(states: Any, returns: Any) -> None:
        with tf.GradientTape() as tape:
            cost = ops.mean((returns - critic(states)) ** 2)
        slopes = tape.gradient(cost, critic.trainable_variables)
        by_value.apply_gradients(zip(slopes, critic.trainable_variables, strict=True))

    apart = []
    for _ in range(2):
        seen, state = [], np.random.uniform(-0.1, 0.1, (1, 4)).astype("float32")
        for _ in range(9):
            logits, action = act(state)
            value, logp = critic(state), likely(logits, action)
            seen.append(
                (state[0], action[0].numpy(), float(logp[0]), float(value[0]), -float(abs(state).sum()))
            )
            state = state + 0.1 * (2 * action.numpy()[:, None] - 1) * np.ones((1, 4), "float32")
        states, actions, logps, values, rewards = map(np.asarray, zip(*seen, strict=True))
        returns = np.cumsum(rewards[::-1])[::-1].astype("float32")
        advantage = (returns - values).astype("float32")
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-6)
        for _ in range(4):
            apart.append(float(improve(states, actions, logps.astype("float32"), advantage)))
            if apart[-1] > 0.015:
                break
        for _ in range(3):
            judge(states, returns)
    return end(actor, critic=critic.get_weights(), apart=apart)


def few_shots_by_reptile() -> dict[str, Any]:
    def block(x: Any) -> Any:
        return L.ReLU()(L.BatchNormalization()(L.Conv2D(4, 3, 2, padding="same")(x)))

    given = keras.Input((8, 8, 3))
    model = keras.Model(given, L.Dense(3, "softmax")(L.Flatten()(block(block(given)))))
    model.compile()
    optimizer = keras.optimizers.SGD(3e-3)
    x, y = images(29)

    def shots(count: int) -> tf.data.Dataset:
        chosen = np.random.permutation(29)[:count]
        return tf.data.Dataset.from_tensor_slices((x[chosen], y[chosen])).shuffle(100).batch(5).repeat(2)

    hits = []
    for meta in range(3):
        rate = (1 - meta / 3) * 0.25
        old = model.get_weights()
        for a, b in shots(12):
            with tf.GradientTape() as tape:
                cost = keras.losses.sparse_categorical_crossentropy(b, model(a))
            slopes = tape.gradient(cost, model.trainable_weights)
            optimizer.apply_gradients(zip(slopes, model.trainable_weights, strict=True))
        new = model.get_weights()
        model.set_weights([o + (n - o) * rate for o, n in zip(old, new, strict=True)])
        hits.append(int((tf.argmax(model.predict(x, verbose=0), 1).numpy() == y).sum()))
    return end(model, hits=hits)


def forward_twice() -> dict[str, Any]:
    class Local(L.Layer):
        def __init__(self, units: int, optimizer: Any) -> None:
            super().__init__()
            self.dense, self.optimizer = L.Dense(units), optimizer
            self.seen = keras.metrics.Mean()

        def call(self, x: Any) -> Any:
            return ops.relu(self.dense(x / (ops.norm(x, 2, 1, keepdims=True) + 1e-4)))

        def learn(self, good: Any, bad: Any) -> Any:
            for _ in range(3):
                with tf.GradientTape() as tape:
                    high = tf.reduce_mean(tf.pow(self(good), 2), 1)
                    low = tf.reduce_mean(tf.pow(self(bad), 2), 1)
                    cost = tf.reduce_mean(tf.math.softplus(tf.concat([-high + 1.5, low - 1.5], 0)))
                slopes = tape.gradient(cost, self.dense.trainable_weights)
                self.optimizer.apply_gradients(zip(slopes, self.dense.trainable_weights, strict=True))
                self.seen.update_state(cost)
            return tf.stop_gradient(self(good)), tf.stop_gradient(self(bad)), self.seen.result()

    class Forward(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.parts = [Local(8, keras.optimizers.Adam(0.03)) for _ in range(2)]
            self.tracker = keras.metrics.Mean(name="loss")

        def marked(self, x: Any, y: Any) -> Any:
            return tf.concat([tf.one_hot(y, 3) * tf.reduce_max(x), x[:, 3:]], 1)

        def train_step(self, data: Any) -> Any:
            x, y = data
            good, bad = self.marked(x, y), self.marked(x, tf.random.shuffle(y))
            for part in self.parts:
                good, bad, cost = part.learn(good, bad)
            self.tracker.update_state(cost)
            return {"loss": self.tracker.result()}

    model = Forward()
    for part in model.parts:
        part.build((None, 6))
    model.parts[0].dense.build((None, 6))
    model.parts[1].dense.build((None, 8))
    model.compile(jit_compile=False)
    x, y = table(29)
    return end(model, history=model.fit(x, y, batch_size=8, epochs=2, verbose=0).history)


def neighbours_in_a_queue() -> dict[str, Any]:
    class Neighbours(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = keras.Sequential([keras.Input((6,)), L.Dense(8, "relu"), L.Dense(4)])
            self.augment = L.GaussianNoise(0.3)
            first = ops.normalize(keras.random.normal((20, 4), seed=1), 1)
            self.queue = tf.Variable(first, trainable=False)

        def nearest(self, projected: Any) -> Any:
            near = ops.matmul(projected, ops.transpose(self.queue))
            found = ops.take(self.queue, ops.argmax(near, 1), 0)
            return projected + tf.stop_gradient(found - projected)

        def train_step(self, x: Any) -> Any:
            with tf.GradientTape() as tape:
                one, two = (ops.normalize(self.encoder(self.augment(x, training=True)), 1) for _ in range(2))
                near = ops.matmul(self.nearest(one), ops.transpose(two)) / 0.1
                names = ops.arange(ops.shape(one)[0])
                both = ops.concatenate([names, names]), ops.concatenate([near, ops.transpose(near)])
                cost = ops.mean(keras.losses.sparse_categorical_crossentropy(*both, from_logits=True))
            slopes = tape.gradient(cost, self.encoder.trainable_weights)
            self.optimizer.apply_gradients(zip(slopes, self.encoder.trainable_weights, strict=True))
            self.queue.assign(ops.concatenate([one, self.queue[: -ops.shape(one)[0]]], 0))
            return {"cost": cost}

    model = Neighbours()
    model.compile(keras.optimizers.Adam())
    history = model.fit(table(29)[0], batch_size=8, epochs=2, verbose=0).history
    return end(model, history=history, queue=model.queue.numpy())


def words_guessed_behind_masks() -> dict[str, Any]:
    class Guess(keras.Model):
        def train_step(self, data: Any) -> Any:
            features, labels, weights = data
            with tf.GradientTape() as tape:
                guessed = self(features, training=True)
                cost = entropy(labels, guessed, sample_weight=weights)
            slopes = tape.gradient(cost, self.trainable_variables)
            self.optimizer.apply_gradients(zip(slopes, self.trainable_variables, strict=True))
            tracker.update_state(cost, sample_weight=weights)
            return {"loss": tracker.result()}

        @property
        def metrics(self) -> list[Any]:
            return [tracker]

    class Show(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            best.append(self.model.predict(masked[:1], verbose=0)[0].argmax(-1))

    entropy = keras.losses.SparseCategoricalCrossentropy(reduction=None)
    tracker, best = keras.metrics.Mean(name="loss"), []
    words, _ = sequences(29)
    chosen = (np.random.rand(*words.shape) < 0.3) & (words > 1)
    labels = np.where(chosen, words, -1)
    weights = np.where(labels == -1, 0, 1)
    masked = np.where(chosen & (np.random.rand(*words.shape) < 0.9), 10, words)
    given = keras.Input((7,), dtype="int64")
    x = L.Embedding(11, 8)(given) + np.random.RandomState(0).rand(7, 8).astype("float32")
    x = L.LayerNormalization(epsilon=1e-6)(x + L.MultiHeadAttention(2, 4, dropout=0.1)(x, x, x))
    model = Guess(given, L.Dense(11, "softmax")(x))
    model.compile(keras.optimizers.Adam())
    data = tf.data.Dataset.from_tensor_slices((masked, np.maximum(labels, 0), weights)).shuffle(29).batch(8)
    history = model.fit(data, epochs=2, callbacks=[Show()], verbose=0).history
    return end(model, history=history, best=best)

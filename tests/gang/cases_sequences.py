"""Training cells in the manner of Keras's examples: sequences, sets, graphs, control."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers as L  # noqa: N812
from keras import ops

from tests.gang.scenes import crossentropy, end, images, numbers, sequences, table


class Experts(L.Layer):
    """A mixture with an even-load loss, which is no mean over rows."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.experts = L.Dense(3, activation="softmax"), [L.Dense(6) for _ in range(3)]

    def call(self, x: Any) -> Any:
        parts = self.gate(x)
        load = ops.mean(ops.one_hot(ops.argmax(parts, 1), 3), 0)
        self.add_loss(0.1 * 3 * ops.sum(load * ops.mean(parts, 0)))
        return sum(parts[:, i : i + 1] * e(x) for i, e in enumerate(self.experts))


def mixture_of_experts() -> dict[str, Any]:
    model = keras.Sequential([keras.Input((6,)), Experts(), L.Dense(3)])
    model.compile("sgd", crossentropy())
    x, y = table(29)
    return end(model, history=model.fit(x, y, batch_size=8, epochs=2, verbose=0).history)


def graph_network_whole_graph() -> dict[str, Any]:
    x, y = table(20)
    edges = (np.random.RandomState(0).rand(20, 20) < 0.2).astype("float32")

    class Spread(L.Layer):
        def call(self, x: Any) -> Any:
            return ops.matmul(edges, x) + x

    a = keras.Input((6,), batch_size=20)
    model = keras.Model(a, L.Dense(3)(Spread()(L.Dense(5, activation="relu")(a))))
    model.compile("adam", crossentropy())
    return end(model, history=model.fit(x, y, batch_size=20, epochs=3, shuffle=False, verbose=0).history)


def seq2seq_addition() -> dict[str, Any]:
    model = keras.Sequential(
        [
            keras.Input((7, 4)),
            L.LSTM(6),
            L.RepeatVector(3),
            L.LSTM(6, return_sequences=True),
            L.Dense(11, activation="softmax"),
        ]
    )
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    x, _ = sequences(29)
    made = np.eye(11, dtype="float32")[x]
    log = []
    for _ in range(2):
        log.append(model.fit(made[..., :4], made[:, :3], batch_size=8, verbose=0).history)
        log.append(ops.argmax(model.predict(made[:2, :, :4], verbose=0), -1).numpy())
    return end(model, log=log)


def small_gpt_with_generation() -> dict[str, Any]:
    class Place(L.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.word, self.place = L.Embedding(11, 8), L.Embedding(6, 8)

        def call(self, x: Any) -> Any:
            return self.word(x) + self.place(ops.arange(0, ops.shape(x)[-1], 1))

    words = keras.Input((6,), dtype="int32")
    x = Place()(words)
    x = L.LayerNormalization()(x + L.MultiHeadAttention(2, 4)(x, x, use_causal_mask=True))
    model = keras.Model(words, [L.Dense(11)(x), x])
    model.compile(keras.optimizers.SGD(0.05), loss=[crossentropy(), None])
    made: list[Any] = []

    class Writes(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            row = [1, 2]
            while len(row) < 6:
                scores, _ = self.model.predict(np.array([row + [0] * (6 - len(row))]), verbose=0)
                row.append(int(np.argmax(scores[0][len(row) - 1])))
            made.append(row)

    x, _ = sequences(29)
    history = model.fit(x[:, :-1], x[:, 1:], batch_size=8, epochs=2, verbose=0, callbacks=[Writes()]).history
    return end(model, history=history, made=made)


def actor_critic() -> dict[str, Any]:
    """One state at a time, choices by numpy, losses gathered over an episode."""
    a = keras.Input((4,))
    hidden = L.Dense(8, activation="relu")(a)
    model = keras.Model(a, [L.Dense(2, activation="softmax")(hidden), L.Dense(1)(hidden)])
    optimizer, huber, log = keras.optimizers.Adam(0.01), keras.losses.Huber(), []
    for _ in range(2):
        state, logs, values, rewards = np.ones(4, "float32"), [], [], []
        with tf.GradientTape() as tape:
            for _ in range(5):
                chances, value = model(tf.convert_to_tensor(state)[None])
                action = np.random.choice(2, p=np.squeeze(chances) / np.sum(chances))
                logs.append(ops.log(chances[0, action]))
                values.append(value[0, 0])
                state = np.sin(state * (action + 1) + 0.3).astype("float32")
                rewards.append(float(state.sum()))
            returns = np.cumsum(rewards[::-1])[::-1]
            loss = sum(
                -p * (r - v) + huber(tf.expand_dims(v, 0), tf.expand_dims(r, 0))
                for p, v, r in zip(logs, values, returns.astype("float32"), strict=True)
            )
        grads = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(grads, model.trainable_variables, strict=True))
        log.append([float(loss), *rewards])
    return end(model, log=log)


def deep_q_learning() -> dict[str, Any]:
    model = keras.Sequential([keras.Input((6,)), L.Dense(8, activation="relu"), L.Dense(3)])
    target = keras.models.clone_model(model)
    optimizer, huber, log = keras.optimizers.Adam(0.01, clipnorm=1.0), keras.losses.Huber(), []
    x, y = table(29)
    for i in range(4):
        rows = np.random.choice(range(len(x)), 8)
        future = target.predict(x[rows], verbose=0)
        wanted = numbers(29)[1][rows, 0] + 0.9 * tf.reduce_max(future, axis=1)
        with tf.GradientTape() as tape:
            taken = tf.reduce_sum(model(x[rows]) * tf.one_hot(y[rows], 3), axis=1)
            loss = huber(wanted, taken)
        grads = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(grads, model.trainable_variables, strict=True))
        if i % 2:
            target.set_weights(model.get_weights())
        log.append(float(loss))
    return end(model, log=log)


class Patches(L.Layer):
    """Cuts pictures and hides random places, the same choice for all rows of a batch."""

    def call(self, x: Any) -> Any:
        x = ops.image.extract_patches(x, 4)
        x = ops.reshape(x, (ops.shape(x)[0], 4, 48))
        return ops.take(x, ops.argsort(keras.random.uniform((4,)))[:3], axis=1)


def masked_patches() -> dict[str, Any]:
    image = keras.Input((8, 8, 3))
    x = L.Dense(6, activation="gelu")(Patches()(image))
    model = keras.Model(image, L.Dense(3)(L.GlobalAveragePooling1D()(x)))
    model.compile("sgd", crossentropy())
    x, y = images(29)
    return end(model, history=model.fit(x, y, batch_size=8, epochs=2, verbose=0).history)


def orthogonal_point_cloud() -> dict[str, Any]:
    class Orthogonal(keras.regularizers.Regularizer):
        def __call__(self, x: Any) -> Any:
            x = ops.reshape(x, (-1, 3, 3))
            return ops.sum(0.01 * ops.square(ops.matmul(x, ops.transpose(x, (0, 2, 1))) - ops.eye(3)))

    cloud = keras.Input((5, 3))
    turn = L.Dense(9, activity_regularizer=Orthogonal())(L.GlobalMaxPooling1D()(L.Conv1D(6, 1)(cloud)))
    x = L.Dot(axes=(2, 1))([cloud, L.Reshape((3, 3))(turn)])
    model = keras.Model(cloud, L.Dense(3)(L.GlobalMaxPooling1D()(L.BatchNormalization()(L.Conv1D(6, 1)(x)))))
    model.compile("sgd", crossentropy())
    x = np.random.RandomState(0).rand(29, 5, 3).astype("float32")
    return end(model, history=model.fit(x, table(29)[1], batch_size=8, epochs=2, verbose=0).history)


def inner_tf_function_with_dropout() -> dict[str, Any]:
    class Wrapped(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.drop, self.norm, self.two = (
                L.Dense(8),
                L.Dropout(0.5),
                L.BatchNormalization(),
                L.Dense(3),
            )

        @tf.function(reduce_retracing=True)
        def features(self, x: Any, training: bool) -> Any:
            return self.norm(self.drop(self.one(x), training=training), training=training)

        def call(self, x: Any, training: bool = False) -> Any:
            return self.two(self.features(x, training))

    model = Wrapped()
    model(np.zeros((1, 6), "float32"))
    model.compile("sgd", crossentropy())
    x, y = table(29)
    return end(model, history=model.fit(x, y, batch_size=8, epochs=2, verbose=0).history)

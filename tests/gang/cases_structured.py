"""Training cells in the manner of Keras's examples: tables, bags, graphs in time, marks in images."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras import layers as L  # noqa: N812
from keras import ops

from tests.gang.scenes import end, table


def decision_forest() -> dict[str, Any]:
    class Tree(keras.Model):
        def __init__(self, depth: int, width: int, share: float, classes: int) -> None:
            super().__init__()
            self.depth, self.leaves, self.classes = depth, 2**depth, classes
            chosen = np.random.choice(np.arange(width), int(width * share), replace=False)
            self.mask = np.eye(width)[chosen]
            self.pi = self.add_weight(shape=(self.leaves, classes), initializer="random_normal")
            self.decide = L.Dense(self.leaves, activation="sigmoid")

        def call(self, x: Any) -> Any:
            decisions = ops.expand_dims(self.decide(ops.matmul(x, ops.transpose(self.mask))), 2)
            decisions = L.concatenate([decisions, 1 - decisions], axis=2)
            reach = ops.ones([ops.shape(x)[0], 1, 1])
            begin, after = 1, 2
            for level in range(self.depth):
                reach = ops.tile(ops.reshape(reach, [-1, 2**level, 1]), (1, 1, 2))
                reach = reach * decisions[:, begin:after, :]
                begin, after = after, after + 2 ** (level + 1)
            return ops.matmul(ops.reshape(reach, [-1, self.leaves]), ops.softmax(self.pi))

    class Forest(keras.Model):
        def __init__(self, count: int) -> None:
            super().__init__()
            self.trees = [Tree(2, 6, 0.7, 3) for _ in range(count)]

        def call(self, x: Any) -> Any:
            total = ops.zeros([ops.shape(x)[0], 3])
            for tree in self.trees:
                total += tree(x)
            return total / len(self.trees)

    given = keras.Input((6,))
    model = keras.Model(given, Forest(3)(L.BatchNormalization()(given)))
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(), metrics=["accuracy"])
    x, y = table(29)
    return end(model, history=model.fit(x, y, batch_size=8, epochs=2, verbose=0).history)


def gated_selection_of_columns() -> dict[str, Any]:
    class Gated(L.Layer):
        def __init__(self, units: int) -> None:
            super().__init__()
            self.one, self.two, self.drop = L.Dense(units, "elu"), L.Dense(units), L.Dropout(0.1)
            self.value, self.gate, self.norm = (
                L.Dense(units),
                L.Dense(units, "sigmoid"),
                L.LayerNormalization(),
            )
            self.units, self.project = units, L.Dense(units)

        def call(self, x: Any) -> Any:
            inner = self.drop(self.two(self.one(x)))
            same = x if x.shape[-1] == self.units else self.project(x)
            return self.norm(same + self.value(inner) * self.gate(inner))

    class Selection(L.Layer):
        def __init__(self, count: int, units: int) -> None:
            super().__init__()
            self.each = [Gated(units) for _ in range(count)]
            self.weigh, self.softmax = Gated(units), L.Dense(count, activation="softmax")

        def call(self, columns: Any) -> Any:
            shares = ops.expand_dims(self.softmax(self.weigh(L.concatenate(columns))), -1)
            parts = [gated(column) for gated, column in zip(self.each, columns, strict=True)]
            return ops.sum(shares * ops.stack(parts, 1), 1)

    x, y = table(40)
    frame = pd.DataFrame(x, columns=list("abcdef"))
    frame["town"], frame["rich"] = pd.Categorical.from_codes(y, ["oslo", "rome", "bern"]), (y > 0).astype(int)
    train = frame.sample(frac=0.8, random_state=1)
    test = frame.drop(train.index)

    def data(part: pd.DataFrame, shuffle: bool) -> tf.data.Dataset:
        part = part.copy()
        wanted = part.pop("rich")
        columns = {k: v.astype(str).values if k == "town" else v.values for k, v in part.items()}
        made = tf.data.Dataset.from_tensor_slices((columns, wanted.values))
        return (made.shuffle(100) if shuffle else made).batch(8).prefetch(tf.data.AUTOTUNE)

    given = {
        k: keras.Input((1,), name=k, dtype="string" if k == "town" else "float32")
        for k in frame
        if k != "rich"
    }
    columns = []
    for name, tensor in given.items():
        if name == "town":
            number = L.StringLookup(vocabulary=["oslo", "rome", "bern"], num_oov_indices=0)(tensor)
            columns.append(L.Flatten()(L.Embedding(3, 4)(number)))
        else:
            columns.append(L.Dense(4)(tensor))
    model = keras.Model(given, L.Dense(1, activation="sigmoid")(Selection(len(columns), 4)(columns)))
    model.compile("adam", "binary_crossentropy", metrics=["accuracy", keras.metrics.AUC(name="auc")])
    stop = keras.callbacks.EarlyStopping(monitor="val_loss", patience=1, restore_best_weights=True)
    fitted = model.fit(
        data(train, True), epochs=2, validation_data=data(test, False), callbacks=[stop], verbose=0
    )
    return end(model, history=fitted.history, test=model.evaluate(data(test, False), verbose=0))


def attended_bags() -> dict[str, Any]:
    class Attention(L.Layer):
        def __init__(self, units: int) -> None:
            super().__init__()
            self.units = units

        def build(self, shapes: Any) -> None:
            width = shapes[0][-1]
            self.v = self.add_weight(shape=(width, self.units), regularizer=keras.regularizers.L2(0.01))
            self.u = self.add_weight(shape=(width, self.units), regularizer=keras.regularizers.L2(0.01))
            self.w = self.add_weight(shape=(self.units, 1))

        def call(self, bag: Any) -> Any:
            scores = [ops.matmul(ops.tanh(x @ self.v) * ops.sigmoid(x @ self.u), self.w) for x in bag]
            return ops.unstack(ops.softmax(ops.stack(scores), 0), len(bag))

    bags = [table(35)[0][i : i + 29] for i in range(3)]
    wanted = (sum(bag[:, 0] for bag in bags) > 0).astype("int32")
    inputs = [keras.Input((6,)) for _ in bags]
    shared = L.Dense(8, activation="relu")
    inner = [shared(x) for x in inputs]
    shares = Attention(4)(inner)
    pooled = L.concatenate([L.multiply([a, x]) for a, x in zip(shares, inner, strict=True)])
    model = keras.Model(inputs, L.Dense(2, activation="softmax")(pooled))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    weights = {0: 29 / (2 * (wanted == 0).sum()), 1: 29 / (2 * (wanted == 1).sum())}
    fitted = model.fit(bags, wanted, batch_size=8, epochs=2, class_weight=weights, verbose=0)
    looked = keras.Model(inputs, shares).predict(bags, verbose=0)
    return end(model, history=fitted.history, looked=looked)


def users_and_films() -> dict[str, Any]:
    class Recommender(keras.Model):
        def __init__(self, users: int, films: int) -> None:
            super().__init__()
            about = {
                "embeddings_initializer": "he_normal",
                "embeddings_regularizer": keras.regularizers.l2(1e-6),
            }
            self.user, self.film = L.Embedding(users, 5, **about), L.Embedding(films, 5, **about)
            self.of_user, self.of_film = L.Embedding(users, 1), L.Embedding(films, 1)

        def call(self, pair: Any) -> Any:
            near = ops.sum(self.user(pair[:, 0]) * self.film(pair[:, 1]), 1, keepdims=True)
            return ops.sigmoid(near + self.of_user(pair[:, 0]) + self.of_film(pair[:, 1]))

    made = np.random.RandomState(2)
    frame = pd.DataFrame(
        {"user": made.randint(0, 9, 61), "film": made.randint(0, 12, 61), "stars": made.rand(61)}
    )
    frame = frame.sample(frac=1, random_state=42)
    x, y = frame[["user", "film"]].values, frame["stars"].values
    model = Recommender(9, 12)
    model.compile(keras.optimizers.Adam(0.001), keras.losses.BinaryCrossentropy())
    fitted = model.fit(x[:50], y[:50], batch_size=8, epochs=2, validation_data=(x[50:], y[50:]), verbose=0)
    return end(
        model, history=fitted.history, best=model.predict(x[:9], verbose=0).ravel().argsort()[-3:][::-1]
    )

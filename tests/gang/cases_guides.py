"""Training cells in the manner of Keras's guides: models, layers, fit and its callbacks."""

from __future__ import annotations

import tempfile
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers as L  # noqa: N812
from keras import ops

from tests.gang.scenes import crossentropy, end, images, numbers, sequences, table


def two_inputs_two_outputs() -> dict[str, Any]:
    words, extra = keras.Input((7,), dtype="int32", name="words"), keras.Input((6,), name="extra")
    x = L.concatenate([L.LSTM(4)(L.Embedding(11, 4)(words)), extra])
    model = keras.Model([words, extra], [L.Dense(1, name="urgency")(x), L.Dense(3, name="kind")(x)])
    model.compile(
        keras.optimizers.RMSprop(1e-3),
        loss={"urgency": "mse", "kind": crossentropy()},
        loss_weights={"urgency": 1.0, "kind": 0.2},
    )
    given = {"words": sequences(29)[0], "extra": table(29)[0]}
    wanted = {"urgency": numbers(29)[1], "kind": table(29)[1]}
    return end(model, history=model.fit(given, wanted, epochs=2, batch_size=8, verbose=0).history)


def lazily_built_sequential() -> dict[str, Any]:
    model = keras.Sequential([L.Dense(8, activation="relu"), L.Dropout(0.3), L.Dense(3)])
    model.compile("adam", crossentropy(), metrics=["accuracy"])
    x, y = table(29)
    history = model.fit(x, y, batch_size=8, epochs=2, validation_split=0.2, verbose=0).history
    return end(model, history=history)


class Linear(L.Layer):
    def __init__(self, units: int) -> None:
        super().__init__()
        self.units = units

    def build(self, shape: Any) -> None:
        self.w = self.add_weight(shape=(shape[-1], self.units), initializer="random_normal")
        self.b = self.add_weight(shape=(self.units,), initializer="zeros")

    def call(self, x: Any) -> Any:
        return ops.matmul(x, self.w) + self.b


class Endpoint(L.Layer):
    """Computes loss and accuracy of its own inside the model."""

    def __init__(self) -> None:
        super().__init__()
        self.loss_fn, self.accuracy = crossentropy(), keras.metrics.SparseCategoricalAccuracy(name="acc")

    def call(self, targets: Any, logits: Any) -> Any:
        self.add_loss(self.loss_fn(targets, logits))
        self.accuracy.update_state(targets, logits)
        return ops.softmax(logits)


def endpoint_layer() -> dict[str, Any]:
    x, y = keras.Input((6,)), keras.Input((), dtype="int32")
    model = keras.Model([x, y], Endpoint()(y, Linear(3)(x)))
    model.compile("sgd")
    return end(model, history=model.fit(list(table(29)), epochs=2, batch_size=8, verbose=0).history)


def own_loss_and_metric() -> dict[str, Any]:
    class Hits(keras.metrics.Metric):
        def __init__(self) -> None:
            super().__init__(name="hits")
            self.count = self.add_weight(initializer="zeros", name="count")

        def update_state(self, y: Any, p: Any, sample_weight: Any = None) -> None:
            right = ops.cast(ops.equal(ops.argmax(p, 1), ops.cast(ops.reshape(y, (-1,)), "int64")), "float32")
            self.count.assign_add(ops.sum(right if sample_weight is None else right * sample_weight))

        def result(self) -> Any:
            return self.count

    def loss(y: Any, p: Any) -> Any:
        right = ops.one_hot(ops.cast(ops.reshape(y, (-1,)), "int32"), 3)
        return ops.mean(ops.square(right - p), -1) + 0.1 * ops.var(p)

    model = keras.Sequential([keras.Input((6,)), Linear(8), L.ReLU(), Linear(3)])
    model.compile("adam", loss, metrics=[Hits()])
    x, y = table(29)
    fitted = model.fit(x, y, batch_size=8, epochs=2, class_weight={0: 1.0, 1: 2.0, 2: 0.5}, verbose=0)
    return end(model, history=fitted.history)


def callbacks_that_evaluate_and_predict() -> dict[str, Any]:
    seen: list[Any] = []
    x, y = table(29)

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            seen.append(self.model.evaluate(x, y, batch_size=8, verbose=0))
            seen.append(self.model.predict(x[:5], verbose=0))
            seen.append(np.asarray(self.model(x[:3])))
            self.model.optimizer.learning_rate = float(self.model.optimizer.learning_rate) * 0.5

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            seen.append(dict(logs))
            if epoch_loss(logs) < 0.01:
                self.model.stop_training = True

    def epoch_loss(logs: Any) -> float:
        return float(logs["loss"])

    model = keras.Sequential([keras.Input((6,)), L.Dense(8, activation="relu"), L.Dense(3)])
    model.compile(keras.optimizers.Adam(0.01), crossentropy(), metrics=["accuracy"])
    model.fit(x, y, batch_size=8, epochs=3, verbose=0, callbacks=[Watch()])
    return end(model, seen=seen)


def transfer_and_finetune() -> dict[str, Any]:
    base = keras.Sequential([keras.Input((8, 8, 3)), L.Conv2D(4, 3), L.BatchNormalization(), L.ReLU()])
    base.trainable = False
    image = keras.Input((8, 8, 3))
    x = base(L.Rescaling(2.0, -1.0)(L.RandomFlip("horizontal")(image)), training=False)
    model = keras.Model(image, L.Dense(1)(L.Dropout(0.2)(L.GlobalAveragePooling2D()(x))))
    x, y = images(21)
    y = (y > 0).astype("float32")
    loss, log = keras.losses.BinaryCrossentropy(from_logits=True), []
    for trainable, rate in ((False, 0.01), (True, 1e-3)):
        base.trainable = trainable
        model.compile(
            keras.optimizers.SGD(rate, momentum=0.9), loss, metrics=[keras.metrics.BinaryAccuracy()]
        )
        log.append(model.fit(x, y, batch_size=8, epochs=2, verbose=0).history)
    return end(model, log=log)


def saved_and_loaded_in_between() -> dict[str, Any]:
    x, y = table(29)
    model = keras.Sequential([keras.Input((6,)), L.Dense(8, activation="relu"), L.Dense(3)])
    model.compile("adam", crossentropy())
    first = model.fit(x, y, batch_size=8, verbose=0).history
    with tempfile.TemporaryDirectory() as folder:
        weights = model.get_weights()
        twin = keras.models.clone_model(model)
        twin.set_weights(weights)
        twin.compile("sgd", crossentropy())
        second = twin.fit(x, y, batch_size=8, verbose=0).history
        tf.train.Checkpoint(model=twin).write(f"{folder}/c{np.random.randint(9)}")
    return end(model, twin=twin.get_weights(), log=[first, second])


def random_pipeline_mixup() -> dict[str, Any]:
    x, y = images(29)

    def mixed(one: Any, two: Any) -> Any:
        (a, p), (b, q) = one, two
        part = tf.random.uniform([tf.shape(a)[0]])
        wide = tf.reshape(part, [-1, 1, 1, 1])
        return a * wide + b * (1 - wide), p * part[:, None] + q * (1 - part[:, None])

    base = tf.data.Dataset.from_tensor_slices((x, np.eye(3, dtype="float32")[y]))
    data = tf.data.Dataset.zip((base.shuffle(29).batch(8), base.shuffle(29).batch(8)))
    data = data.map(mixed).map(lambda a, p: (tf.image.random_flip_left_right(a), p)).prefetch(1)
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), L.Conv2D(4, 3, activation="relu"), L.Flatten(), L.Dense(3)]
    )
    model.compile("adam", keras.losses.CategoricalCrossentropy(from_logits=True))
    return end(model, history=model.fit(data, epochs=2, verbose=0).history)


def normalised_table_with_strings() -> dict[str, Any]:
    number, colour = keras.Input((6,), name="number"), keras.Input((1,), dtype="string", name="colour")
    scale, index = L.Normalization(), L.StringLookup(output_mode="one_hot")
    x, y = table(29)
    c = np.array(["red", "green", "blue"])[y][:, None]
    scale.adapt(x)
    index.adapt(c)
    model = keras.Model([number, colour], L.Dense(3)(L.concatenate([scale(number), index(colour)])))
    model.compile("adam", crossentropy(), metrics=["accuracy"])
    data = tf.data.Dataset.from_tensor_slices(({"number": x, "colour": c}, y)).shuffle(29, seed=1).batch(8)
    return end(model, history=model.fit(data, epochs=2, verbose=0).history)


def monte_carlo_dropout() -> dict[str, Any]:
    model = keras.Sequential([keras.Input((6,)), L.Dense(16, activation="relu"), L.Dropout(0.5), L.Dense(1)])
    model.compile("adam", "mse")
    x, y = numbers(29)
    model.fit(x, y, batch_size=8, verbose=0)
    return end(model, draws=[np.asarray(model(x[:5], training=True)) for _ in range(3)])

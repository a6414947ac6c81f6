"""Training cells in the manner of TensorFlow's own guides and tutorials: modules, files, words, series."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras import layers as L  # noqa: N812

from tests.gang.scenes import crossentropy, end, images, sequences, table


def modules_and_own_adam() -> dict[str, Any]:  # noqa: C901 - a cell
    class Dense(tf.Module):
        def __init__(self, units: int, activation: Any = tf.identity) -> None:
            self.units, self.activation, self.made = units, activation, False

        @tf.function
        def __call__(self, x: Any) -> Any:
            if not self.made:
                self.w = tf.Variable(tf.random.normal((x.shape[-1], self.units), stddev=0.3))
                self.b = tf.Variable(tf.zeros(self.units))
                self.made = True
            return self.activation(x @ self.w + self.b)

    class Net(tf.Module):
        def __init__(self, layers: list[Any]) -> None:
            self.layers = layers

        @tf.function
        def __call__(self, x: Any) -> Any:
            for layer in self.layers:
                x = layer(x)
            return x

    class Adam:
        def __init__(self, rate: float) -> None:
            self.rate, self.time, self.made = rate, 1.0, False
            self.mean: list[Any] = []
            self.spread: list[Any] = []

        def apply(self, slopes: Any, variables: Any) -> None:
            if not self.made:
                for v in variables:
                    self.mean.append(tf.Variable(tf.zeros(v.shape)))
                    self.spread.append(tf.Variable(tf.zeros(v.shape)))
                self.made = True
            for i, (g, v) in enumerate(zip(slopes, variables, strict=True)):
                self.mean[i].assign(0.9 * self.mean[i] + 0.1 * g)
                self.spread[i].assign(0.999 * self.spread[i] + 0.001 * tf.square(g))
                mean, spread = self.mean[i] / (1 - 0.9**self.time), self.spread[i] / (1 - 0.999**self.time)
                v.assign_sub(self.rate * mean / (tf.sqrt(spread) + 1e-7))
            self.time += 1.0

    net, optimizer, costs = Net([Dense(8, tf.nn.relu), Dense(3)]), Adam(0.01), []
    data = tf.data.Dataset.from_tensor_slices(table(29)).shuffle(29).batch(8)
    for _ in range(2):
        for x, y in data:
            with tf.GradientTape() as tape:
                cost = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, net(x)))
            optimizer.apply(tape.gradient(cost, net.variables), net.variables)
            costs.append(float(cost))
    return {"weights": [v.numpy() for v in net.variables], "costs": costs}


def records_in_many_files() -> dict[str, Any]:
    def packed(image: Any, kind: int) -> bytes:
        lists = {
            "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[tf.io.encode_png(image).numpy()])),
            "kind": tf.train.Feature(int64_list=tf.train.Int64List(value=[kind])),
        }
        return bytes(tf.train.Example(features=tf.train.Features(feature=lists)).SerializeToString())

    def read(record: Any) -> Any:
        about = {"image": tf.io.FixedLenFeature([], tf.string), "kind": tf.io.FixedLenFeature([], tf.int64)}
        found = tf.io.parse_single_example(record, about)
        image = tf.image.convert_image_dtype(tf.io.decode_png(found["image"], 3), tf.float32)
        return tf.ensure_shape(image, (8, 8, 3)), found["kind"]

    x, y = images(29)
    folder = tempfile.mkdtemp(prefix="kf-records-")
    for part in range(3):
        with tf.io.TFRecordWriter(f"{folder}/part-{part}.tfrecord") as writer:
            for image, kind in zip(x[part::3], y[part::3], strict=True):
                writer.write(packed((image * 255).astype("uint8"), int(kind)))
    files = tf.data.Dataset.list_files(f"{folder}/*.tfrecord", shuffle=False)
    data = files.interleave(tf.data.TFRecordDataset, cycle_length=3, num_parallel_calls=tf.data.AUTOTUNE)
    data = (
        data.map(read, num_parallel_calls=tf.data.AUTOTUNE)
        .cache()
        .shuffle(29)
        .batch(8)
        .prefetch(tf.data.AUTOTUNE)
    )
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), L.Conv2D(4, 3, activation="relu"), L.Flatten(), L.Dense(3)]
    )
    model.compile("adam", crossentropy(), metrics=["accuracy"])
    kept = keras.callbacks.ModelCheckpoint(f"{folder}/best.keras", save_best_only=True, monitor="loss")
    history = model.fit(data, epochs=2, callbacks=[kept], verbose=0).history
    again = keras.models.load_model(f"{folder}/best.keras").predict(x[:4], verbose=0)
    return end(model, history=history, again=again, files=sorted(p.name for p in Path(folder).iterdir()))


def folder_of_images() -> dict[str, Any]:
    x, y = images(29)
    folder = tempfile.mkdtemp(prefix="kf-images-")
    for i, (image, kind) in enumerate(zip(x, y, strict=True)):
        place = Path(folder) / f"kind{kind}"
        place.mkdir(exist_ok=True)
        keras.utils.save_img(place / f"{i:02}.png", image)
    about = {"validation_split": 0.2, "seed": 123, "image_size": (8, 8), "batch_size": 8, "verbose": False}
    train, check = keras.utils.image_dataset_from_directory(folder, subset="both", **about)
    augment = keras.Sequential([L.RandomFlip("horizontal"), L.RandomRotation(0.1)])
    data = train.map(lambda image, kind: (augment(image, training=True), kind)).prefetch(tf.data.AUTOTUNE)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            L.Rescaling(1 / 255),
            L.SeparableConv2D(4, 3),
            L.GlobalAveragePooling2D(),
            L.Dense(3),
        ]
    )
    model.compile(
        keras.optimizers.Adam(3e-4), crossentropy(), metrics=[keras.metrics.SparseCategoricalAccuracy()]
    )
    history = model.fit(data, epochs=2, validation_data=check.cache(), verbose=0).history
    return end(model, history=history, names=list(train.class_names))


def windows_of_a_series() -> dict[str, Any]:  # noqa: C901 - a cell
    class Windows:
        def __init__(self, before: int, after: int, frame: pd.DataFrame) -> None:
            self.before, self.after, self.frame, self.cut = before, after, frame, int(len(frame) * 0.7)

        def split(self, features: Any) -> Any:
            inputs, labels = features[:, : self.before], features[:, self.before :, :1]
            inputs.set_shape([None, self.before, None])
            labels.set_shape([None, self.after, None])
            return inputs, labels

        def made(self, part: pd.DataFrame) -> Any:
            values = np.array(part, dtype=np.float32)
            about = {"sequence_length": self.before + self.after, "shuffle": True, "batch_size": 8}
            return keras.utils.timeseries_dataset_from_array(values, None, **about).map(self.split)

        @property
        def train(self) -> Any:
            return self.made(self.frame[: self.cut])

        @property
        def check(self) -> Any:
            return self.made(self.frame[self.cut :])

        @property
        def example(self) -> Any:
            if getattr(self, "_example", None) is None:
                self._example = next(iter(self.train))
            return self._example

    class Feedback(keras.Model):
        def __init__(self, units: int, steps: int) -> None:
            super().__init__()
            self.steps, self.cell = steps, L.LSTMCell(units)
            self.rnn, self.dense = L.RNN(self.cell, return_state=True), L.Dense(2)

        def call(self, x: Any, training: Any = None) -> Any:
            inner, *state = self.rnn(x)
            made = [self.dense(inner)]
            for _ in range(1, self.steps):
                inner, state = self.cell(made[-1], states=state, training=training)
                made.append(self.dense(inner))
            return tf.transpose(tf.stack(made), [1, 0, 2])[..., :1]

    time = pd.date_range("2020-01-01", periods=60, freq="h")
    frame = pd.DataFrame({"t": np.sin(np.arange(60) / 3), "p": np.cos(np.arange(60) / 5)}, index=time)
    frame = (frame - frame.mean()) / frame.std()
    windows, model = Windows(6, 3, frame), Feedback(4, 3)
    first = np.asarray(model(windows.example[0]))
    stop = keras.callbacks.EarlyStopping(monitor="val_loss", patience=2, mode="min")
    model.compile(
        keras.optimizers.Adam(), keras.losses.MeanSquaredError(), metrics=[keras.metrics.MeanAbsoluteError()]
    )
    fitted = model.fit(windows.train, epochs=2, validation_data=windows.check, callbacks=[stop], verbose=0)
    return end(model, history=fitted.history, first=first, check=model.evaluate(windows.check, verbose=0))


def words_by_their_neighbours() -> dict[str, Any]:
    words, _ = sequences(12, 9)
    targets, contexts, labels = [], [], []
    for row in words:
        near = [(i, j) for i in range(9) for j in (i - 1, i + 1) if 0 <= j < 9]
        pairs = [(int(row[i]), int(row[j])) for i, j in near if row[i] and row[j]]
        for target, context in pairs:
            true = tf.expand_dims(tf.constant([context], dtype="int64"), 1)
            drawn, _, _ = tf.random.log_uniform_candidate_sampler(true, 1, 3, True, 11, seed=42)
            targets.append(target)
            contexts.append(tf.concat([tf.squeeze(true, 1), drawn], 0))
            labels.append(tf.constant([1, 0, 0, 0], dtype="int64"))

    class Words(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.target, self.context = L.Embedding(11, 4, name="target"), L.Embedding(11, 4)

        def call(self, pair: Any) -> Any:
            target, context = pair
            if len(target.shape) == 2:
                target = tf.squeeze(target, axis=1)
            return tf.einsum("be,bce->bc", self.target(target), self.context(context))

    data = (
        tf.data.Dataset.from_tensor_slices(((targets, contexts), labels))
        .shuffle(100)
        .batch(8, drop_remainder=True)
    )
    model = Words()
    model.compile("adam", keras.losses.CategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    history = model.fit(data.cache(), epochs=2, verbose=0).history
    return end(model, history=history, vectors=model.get_layer("target").get_weights()[0])


def translation_with_attention() -> dict[str, Any]:
    source, target = (
        np.array(t) for t in zip(*[("a b c", "x y"), ("b c", "y"), ("c a a", "z x x")] * 6, strict=True)
    )

    def clean(text: Any) -> Any:
        return tf.strings.join(["[S]", tf.strings.lower(text), "[E]"], separator=" ")

    readers = [L.TextVectorization(standardize=clean, max_tokens=20, ragged=True) for _ in range(2)]
    for reader, lines in zip(readers, (source, target), strict=True):
        reader.adapt(lines)

    def prepared(a: Any, b: Any) -> Any:
        a, b = (reader(text) for reader, text in zip(readers, (a, b), strict=True))
        return (a.to_tensor(), b[:, :-1].to_tensor()), b[:, 1:].to_tensor()

    data = (
        tf.data.Dataset.from_tensor_slices((source, target))
        .shuffle(18)
        .batch(6)
        .map(prepared, tf.data.AUTOTUNE)
    )

    class Translator(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.read = (
                L.Embedding(20, 6, mask_zero=True),
                L.Bidirectional(L.GRU(6, return_sequences=True)),
            )
            self.others, self.write = L.Embedding(20, 6, mask_zero=True), L.GRU(12, return_sequences=True)
            self.attend, self.add, self.last = L.MultiHeadAttention(1, 12), L.Add(), L.Dense(20)

        def call(self, pair: Any) -> Any:
            context, x = pair
            context, x = self.read(self.words(context)), self.write(self.others(x))
            attended, self.weights_seen = self.attend(query=x, value=context, return_attention_scores=True)
            return self.last(self.add([x, attended]))

    def loss(y: Any, p: Any) -> Any:
        entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=None)(y, p)
        mask = tf.cast(y != 0, entropy.dtype)
        return tf.reduce_sum(entropy * mask) / tf.reduce_sum(mask)

    def hits(y: Any, p: Any) -> Any:
        right = tf.cast(tf.cast(tf.argmax(p, -1), y.dtype) == y, tf.float32)
        mask = tf.cast(y != 0, tf.float32)
        return tf.reduce_sum(right * mask) / tf.reduce_sum(mask)

    model = Translator()
    model.compile("adam", loss, metrics=[hits, loss])
    fitted = model.fit(
        data.repeat(), epochs=2, steps_per_epoch=4, validation_data=data, validation_steps=2, verbose=0
    )
    return end(model, history=fitted.history)

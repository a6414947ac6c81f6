"""Pipelines in which chance has a part, on every replica."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tests.gang.scenes import classifier, crossentropy, end, table


def _noise(x: Any) -> Any:
    return x + tf.random.normal(tf.shape(x))


def side_by_side(batches: list[Any] | None = None) -> dict[str, Any]:
    """Augmented by functions called side by side; with ``batches`` trained on those."""
    keras.utils.set_random_seed(3)
    x, y = table(29)
    data = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(29)
    data = data.map(lambda a, b: (_noise(a), b), num_parallel_calls=8).batch(8).prefetch(2)
    model, optimizer, loss = classifier(), keras.optimizers.Adam(), crossentropy()
    seen: list[Any] = []
    for a, b in data.repeat(2) if batches is None else [map(tf.constant, batch) for batch in batches]:
        with tf.GradientTape() as tape:
            cost = loss(b, model(a))
        optimizer.apply_gradients(zip(tape.gradient(cost, model.weights), model.weights, strict=True))
        seen.append([a.numpy(), b.numpy()])
    return end(model, seen=seen)


def of_all_types() -> list[Any]:
    """Elements of every type, of a length by chance."""

    def made(i: Any) -> dict[str, Any]:
        n = tf.random.uniform([], 1, 5, tf.int32)
        x = tf.random.normal([n, 2])
        return {
            "half": tf.cast(x, tf.float16),
            "double": tf.cast(x, tf.float64),
            "byte": tf.cast(x * 50, tf.int8),
            "big": tf.cast(x * 1e9, tf.int64),
            "wide": tf.cast(i, tf.uint64),
            "yes": x > 0,
            "complex": tf.complex(x, x),
            "text": tf.strings.as_string(x),
            "ragged": tf.RaggedTensor.from_row_lengths(x[:, 0], [n]),
            "sparse": tf.sparse.from_dense(x),
        }

    numbers = tf.data.Dataset.range(9).map(made, num_parallel_calls=4)
    data = numbers.filter(lambda element: tf.random.uniform([]) < 0.7)
    return [{k: _listed(v) for k, v in e.items()} for e in data]


def _listed(x: Any) -> Any:
    if isinstance(x, tf.RaggedTensor):
        return x.to_list()
    x = tf.sparse.to_dense(x) if isinstance(x, tf.SparseTensor) else x
    return (tf.math.imag(x) if x.dtype.is_complex else x).numpy().tolist()


def in_keras(steps: int) -> dict[str, Any]:
    """``fit``, ``evaluate`` and ``predict`` on rows that Python made, of its own chance."""
    keras.utils.set_random_seed(3)
    own = np.random.default_rng()

    def rows() -> Any:
        for _ in range(own.integers(3, 8)):
            yield own.normal(size=(6, 8, 8, 3)).astype("float32"), own.integers(0, 3, 6)

    spec = tf.TensorSpec((6, 8, 8, 3), tf.float32), tf.TensorSpec((6,), tf.int64)
    data = tf.data.Dataset.from_generator(rows, output_signature=spec).map(
        lambda a, b: (tf.image.random_flip_left_right(a), b), num_parallel_calls=tf.data.AUTOTUNE
    )
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3), keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    model.compile("adam", crossentropy(), metrics=["accuracy"], steps_per_execution=steps)
    history = model.fit(data, epochs=2, validation_data=data, verbose=0).history
    return end(model, history=history, predicted=model.predict(data, verbose=0))

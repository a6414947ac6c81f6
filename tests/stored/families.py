"""Graphs of the families of operations and layers of TensorFlow and Keras, each with arguments for it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

L = keras.layers
_random = np.random.default_rng(0)


def rows(*shape: int) -> Any:
    """Four rows of numbers."""
    return _random.normal(size=(4, *shape)).astype("float32")


def ids(*shape: int) -> Any:
    """Four rows of whole numbers below 9."""
    return _random.integers(0, 9, (4, *shape)).astype("int32")


LAYERS: dict[str, tuple[Any, Any]] = {
    "dense": (lambda: L.Dense(3, activation="gelu"), rows(6)),
    "einsum-dense": (lambda: L.EinsumDense("abc,cd->abd", (None, 3)), rows(5, 4)),
    "embedding": (lambda: L.Embedding(9, 3, mask_zero=True), ids(5)),
    "conv1d": (lambda: L.Conv1D(3, 3, padding="causal"), rows(7, 2)),
    "conv2d": (lambda: L.Conv2D(3, 3, strides=2), rows(8, 8, 2)),
    "conv3d": (lambda: L.Conv3D(2, 2), rows(4, 4, 4, 1)),
    "depthwise": (lambda: L.DepthwiseConv2D(3), rows(8, 8, 2)),
    "separable": (lambda: L.SeparableConv2D(3, 3), rows(8, 8, 2)),
    "transposed": (lambda: L.Conv2DTranspose(3, 3, strides=2), rows(4, 4, 2)),
    "max-pool": (lambda: L.MaxPooling2D(), rows(8, 8, 2)),
    "mean-pool": (lambda: L.AveragePooling1D(2), rows(8, 2)),
    "global-pool": (lambda: L.GlobalMaxPooling2D(), rows(5, 5, 3)),
    "lstm": (lambda: L.LSTM(3), rows(5, 2)),
    "gru-sequences": (lambda: L.GRU(3, return_sequences=True, reset_after=False), rows(5, 2)),
    "simple-rnn": (lambda: L.SimpleRNN(3), rows(5, 2)),
    "bidirectional": (lambda: L.Bidirectional(L.LSTM(2)), rows(5, 2)),
    "time-distributed": (lambda: L.TimeDistributed(L.Dense(2)), rows(5, 3)),
    "conv-lstm": (lambda: L.ConvLSTM1D(2, 2), rows(3, 5, 1)),
    "batch-norm": (lambda: L.BatchNormalization(), rows(6)),
    "layer-norm": (lambda: L.LayerNormalization(), rows(6)),
    "group-norm": (lambda: L.GroupNormalization(2), rows(5, 4)),
    "unit-norm": (lambda: L.UnitNormalization(), rows(6)),
    "spectral-norm": (lambda: L.SpectralNormalization(L.Dense(3)), rows(6)),
    "dropout": (lambda: L.Dropout(0.5), rows(6)),
    "self-attention": (lambda: _SelfAttention(), rows(5, 4)),
    "prelu": (lambda: L.PReLU(), rows(6)),
    "softmax": (lambda: L.Softmax(), rows(6)),
    "reshape": (lambda: L.Reshape((2, 3)), rows(6)),
    "permute": (lambda: L.Permute((2, 1)), rows(2, 3)),
    "up-sampling": (lambda: L.UpSampling2D(interpolation="bilinear"), rows(4, 4, 1)),
    "zero-padding": (lambda: L.ZeroPadding2D(), rows(4, 4, 1)),
    "rescaling": (lambda: L.Rescaling(0.5, 1.0), rows(6)),
    "resizing": (lambda: L.Resizing(3, 3), rows(6, 6, 1)),
    "discretization": (lambda: L.Discretization([0.0, 1.0]), rows(6)),
    "category": (lambda: L.CategoryEncoding(9, output_mode="multi_hot"), ids(5)),
    "hashing": (lambda: L.Hashing(5), ids(5)),
    "string-lookup": (lambda: L.StringLookup(vocabulary=["a", "b"]), np.array([["a"], ["c"], ["b"], ["b"]])),
    "text": (lambda: L.TextVectorization(vocabulary=["to", "be"]), np.array(["to be", "or", "not to", "be"])),
    "lambda": (lambda: L.Lambda(lambda x: tf.math.cumsum(x, axis=1)), rows(6)),
}


class _SelfAttention(keras.layers.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.inner = L.MultiHeadAttention(2, 3)

    def build(self, shape: Any) -> None:
        self.inner.build(shape, shape)

    def call(self, x: Any) -> Any:
        return self.inner(x, x, use_causal_mask=True)


def cond(x: Any) -> Any:
    return tf.reduce_sum(x) if tf.reduce_mean(x) > 0.0 else tf.reduce_max(x)


def loop(x: Any) -> Any:
    total, i = tf.zeros_like(x), 0
    while tf.reduce_max(total) < 5.0 and i < 20:
        total, i = total + tf.abs(x), i + 1
    return {"total": total, "rounds": i}


def arrays(x: Any) -> Any:
    out = tf.TensorArray(tf.float32, 3)
    for i in tf.range(3):
        out = out.write(i, tf.reduce_sum(x) * tf.cast(i, tf.float32))
    return out.stack(), x


def ragged(x: Any) -> Any:
    return tf.RaggedTensor.from_tensor(x, lengths=[1, 2, 0, 3]).to_tensor(-1.0)


def sparse(x: Any) -> Any:
    return tf.sparse.reduce_sum(tf.sparse.from_dense(tf.nn.relu(x)), axis=1)


def strings(x: Any) -> Any:
    return tf.strings.to_number(tf.strings.regex_replace(tf.strings.as_string(x), "1", "2"))


TABLE = tf.lookup.StaticHashTable(
    tf.lookup.KeyValueTensorInitializer(tf.range(9), tf.range(9) * 10), default_value=-1
)
FUNCTIONS: dict[str, tuple[Any, Any]] = {
    "cond": (cond, rows(3)),
    "while": (loop, rows(3)),
    "tensor-array": (arrays, rows(3)),
    "ragged": (ragged, rows(4)),
    "sparse": (sparse, rows(4)),
    "strings": (strings, ids(3)),
    "table": (lambda x: TABLE.lookup(x), ids(3)),
    "linalg": (lambda x: tf.linalg.svd(x, compute_uv=False), rows(3, 3)),
    "fft": (lambda x: tf.abs(tf.signal.rfft(x)), rows(8)),
    "einsum": (lambda x: tf.einsum("bij,bkj->bik", x, x), rows(3, 2)),
    "segments": (lambda x: tf.math.unsorted_segment_sum(x, tf.constant([0, 1, 0, 2]), 3), rows(3)),
    "gather": (lambda x: tf.gather_nd(x, tf.argsort(x, axis=0)[:, :1] * 0), rows(3)),
    "top-k": (lambda x: tf.math.top_k(x, 2), rows(5)),
    "image": (lambda x: tf.image.adjust_contrast(x, 2.0), rows(4, 4, 3)),
    "stateless": (lambda x: x + tf.random.stateless_normal(tf.shape(x), (1, 2)), rows(3)),
    "bfloat16": (lambda x: tf.cast(x, tf.bfloat16) * 2, rows(3)),
    "complex": (lambda x: tf.complex(x, -x), rows(3)),
    "scan": (lambda x: tf.scan(lambda a, b: a * 0.5 + b, x), rows(3)),
    "vectorized": (lambda x: tf.vectorized_map(lambda r: tf.reduce_sum(r) * r, x), rows(3)),
}

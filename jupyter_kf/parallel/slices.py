"""Sparse gradients (IndexedSlices, of embeddings) of a cut call, put together as one process has them.

Optimizers treat slices one by one (Keras squares each slice of a row that was looked up twice, not their
sum), so the slices must be the same, not only the gradient they stand for. Slices that come from rows are
those of all replicas one after the other. Slices that do not (positions, a lookup in a part that was not cut)
have the same indices on every replica; they are averaged like any gradient.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from . import collective, rows


def joined(gradient: Any) -> Any:
    """A gradient whose values may be averaged one by one: the same on all replicas in shape and indices."""
    if not isinstance(gradient, tf.IndexedSlices):
        return tf.convert_to_tensor(gradient)
    share = rows.last()
    if share is None or not _by_rows(gradient, share):
        return gradient
    sizes = collective.gather(tf.shape(gradient.indices)[0])
    longest = tf.reduce_max(sizes)
    indices, values = _all(gradient.indices, longest), _all(gradient.values, longest)
    kept = tf.sequence_mask(sizes, longest)
    alike = _alike(sizes, indices, values)
    first = tf.cast(tf.range(collective.world_size()) == 0, tf.int32)[:, tf.newaxis]
    kept &= tf.logical_or(~alike, first == 1)
    scale = tf.cast(tf.where(alike, 1, collective.world_size()), values.dtype)
    return tf.IndexedSlices(
        tf.boolean_mask(values, kept) / scale, tf.boolean_mask(indices, kept), gradient.dense_shape
    )


def _alike(sizes: tf.Tensor, indices: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """Whether every replica has the same slices, computed whole. A bool."""
    same_indices = tf.reduce_all(sizes == sizes[0]) & tf.reduce_all(indices == indices[:1])
    spread = tf.reduce_max(tf.abs(values - values[:1]))
    return same_indices & (spread <= 1e-5 * tf.reduce_max(tf.abs(values)))


def _by_rows(gradient: tf.IndexedSlices, share: rows.Share) -> bool:
    """Whether there are as many slices as rows, or a multiple; in graphs, whether that is not static."""
    count = gradient.indices.shape[0]
    if count is None or not isinstance(share.count, int):
        return count is None
    return bool(count % share.count == 0)


def _all(x: tf.Tensor, longest: tf.Tensor) -> tf.Tensor:
    """Every replica's ``x``, padded to ``longest`` rows. (rows, ...) -> (size, longest, ...)."""
    padding = tf.concat([[[0, longest - tf.shape(x)[0]]], tf.zeros([tf.rank(x) - 1, 2], tf.int32)], 0)
    return collective.gather(tf.ensure_shape(tf.pad(x, padding), [None, *x.shape[1:]]))

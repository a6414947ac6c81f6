"""What Keras layers need inside the cut region: moments of the whole batch, and its random numbers.

Batch normalisation exchanges count, mean and squared deviations and puts them together (Chan, Golub, LeVeque
1979), so that one exchange is enough and nothing cancels. Random tensors are drawn for the whole batch from
the same seed and cut, so that dropout is the same as in one process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf
from tensorflow.python.framework.tensor_util import constant_value_as_shape

from . import gradients, rows

if TYPE_CHECKING:
    from collections.abc import Callable


def moments_hook(original: Callable[..., Any]) -> Callable[..., Any]:
    """``BatchNormalization._moments`` over the whole batch."""

    def moments(self: Any, inputs: tf.Tensor, mask: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor]:
        share = rows.current()
        if share is None:
            return original(self, inputs, mask)  # type: ignore[no-any-return]
        if share.trial:
            return tf.identity(self.moving_mean), tf.identity(self.moving_variance)
        return _moments(inputs, mask, list(self._reduction_axes), share)

    return moments


def _moments(
    x: tf.Tensor, mask: tf.Tensor | None, axes: list[int], share: rows.Share
) -> tuple[tf.Tensor, tf.Tensor]:
    """Mean and variance over ``axes`` (the batch is one of them) of the whole batch."""
    counts_for_it = tf.cast(tf.minimum(share.own, 1), x.dtype)
    if mask is None:
        weight = tf.cast(tf.reduce_prod([tf.shape(x)[a] for a in axes]), x.dtype)
        mean, variance = tf.nn.moments(x, axes)
        deviation = variance * weight
        slack = 0.0
    else:
        kept = tf.cast(tf.broadcast_to(tf.cast(mask, tf.bool)[..., tf.newaxis], tf.shape(x)), x.dtype)
        weight = tf.reduce_sum(kept, axes)[0]
        mean = tf.math.divide_no_nan(tf.reduce_sum(x * kept, axes), weight)
        deviation = tf.reduce_sum(kept * tf.square(x - mean), axes)
        slack = keras.backend.epsilon()
    mine = tf.concat([[weight], mean, deviation], 0)
    stats = rows.exchange(mine * tf.concat([[counts_for_it], tf.ones_like(mine[1:])], 0))
    weights = stats[:, :1]
    means, deviations = tf.split(stats[:, 1:], 2, axis=1)
    present = tf.minimum(weights, 1.0)
    all_weight = tf.reduce_sum(weights, 0)
    true_mean = tf.math.divide_no_nan(tf.reduce_sum(weights * means, 0), all_weight)
    spread = tf.reduce_sum(deviations * present + weights * tf.square(means - true_mean), 0)
    if not slack:
        return true_mean, tf.math.divide_no_nan(spread, all_weight)
    mean = true_mean * all_weight / (all_weight + slack)
    return mean, (spread + all_weight * tf.square(true_mean - mean)) / (all_weight + slack)


def draw_hook(original: Callable[..., Any]) -> Callable[..., Any]:
    """A stateless random function whose first argument is the shape, drawing for the whole batch."""

    def drawn(shape: Any, *args: Any, **kwargs: Any) -> tf.Tensor:
        share = rows.current()
        wide = _widened(shape, share) if share is not None else None
        if wide is None:
            return original(shape, *args, **kwargs)
        whole_shape, start, count, static = wide
        part = original(whole_shape, *args, **kwargs)[start : start + count]
        return part if static.rank is None else tf.ensure_shape(part, static)

    return drawn


def build_hook(original: Callable[..., Any]) -> Callable[..., Any]:
    """What makes variables, as it does where nothing is cut: they are the model's, whatever their shape."""

    def building(self: Any, *args: Any, **kwargs: Any) -> Any:
        with rows.cut(None):
            return original(self, *args, **kwargs)

    return building


def _widened(shape: Any, share: rows.Share) -> tuple[Any, Any, Any, Any] | None:
    """The shape for the whole batch and this replica's part of its first axis; None: not by rows.

    The first axis is a multiple of the rows, as after merging the batch with another axis.
    """
    static = constant_value_as_shape(shape) if tf.is_tensor(shape) else _static(shape)
    if static.rank == 0:
        return None
    if static.rank is not None and static[0] is not None and isinstance(share.count, int):
        if static[0] % share.count:
            return None
        times = static[0] // share.count
        rest = tf.cast(shape, tf.int32)[1:]
        whole = tf.concat([[share.rows * times], rest], 0)
        return whole, share.start * times, static[0], static
    if static.rank is not None and static[0] is not None:
        return None
    shape = tf.cast(tf.convert_to_tensor(shape), tf.int32)
    fits = shape[0] % share.count == 0
    times = shape[0] // share.count
    first = tf.where(fits, share.rows * times, shape[0])
    start = tf.where(fits, share.start * times, 0)
    return tf.concat([[first], shape[1:]], 0), start, shape[0], static


def _static(shape: Any) -> tf.TensorShape:
    if isinstance(shape, int):
        shape = [shape]
    return tf.TensorShape([tf.get_static_value(d) if tf.is_tensor(d) else d for d in shape])


def recompute_hook(original: Callable[..., Any]) -> Callable[..., Any]:
    """``tf.recompute_grad``: what is computed again in the backward pass works on the same rows as before."""

    def recompute(f: Callable[..., Any]) -> Any:
        held: list[rows.Share | None] = [None]

        def again(*args: Any, **kwargs: Any) -> Any:
            if not gradients.differentiating():
                held[0] = rows.current()
            with rows.cut(held[0]):
                return f(*args, **kwargs)

        return original(again)

    return recompute

"""Finds out, on made-up rows, whether a call treats the rows of a batch one by one.

Four rows are computed together, then the first alone and the other three together, from the same state. A
result is in rows when the pieces put together equal the whole; a scalar may be the pieces' mean weighted by
rows, their sum, or the same each time. What fits none of these, and state that comes to depend on the rows,
mean that the call must not be cut. Batch normalisation, whose moments are exchanged, takes its moving ones
here. State and random numbers are put back afterwards.
"""

from __future__ import annotations

import contextlib
import random
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context

from . import rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_ROWS = 4
_CUTS = ((0, 1), (1, 3))
_UNKNOWN_DIMENSION = 8
_TRIAL_SEED = 20_000_003
Found = tuple[tuple[str, ...], tuple[str, ...]]


def run(
    call: Callable[..., Any],
    owner: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    where: tuple[int, ...],
) -> Found | str:
    """What each leaf of the result and each added loss is, or the reason why the call cannot be cut."""
    with tf.init_scope(), _kept_random():
        leaves = tf.nest.flatten((args, kwargs))
        inputs = [_made_up(leaves[i], seed) for seed, i in enumerate(where)]
        if any(
            isinstance(x, tf.Tensor) and not hasattr(x, "numpy")
            for i, x in enumerate(leaves)
            if i not in where
        ):
            return "it takes a tensor that does not have the batch as its first axis"

        def on(begin: int, count: int, share: rows.Share | None) -> tuple[list[Any], list[Any], list[Any]]:
            for i, x in zip(where, inputs, strict=True):
                leaves[i] = x[begin : begin + count]
            a, k = tf.nest.pack_sequence_as((args, kwargs), leaves)
            with rows.cut(share), _kept_state(owner) as state:
                out = [_value(x) for x in tf.nest.flatten(call(*a, **k))]
                return out, [_value(x) for x in _losses(owner)], [v.numpy() for v in state()]

        try:
            _build(call, owner, args, kwargs, where, inputs)
            whole = on(0, _ROWS, rows.Share(_ROWS, _ROWS, 0, _ROWS, _ROWS, 0, 1, trial=True))
            pieces = [
                on(b, c, rows.Share(_ROWS, c, b, c, c, r, 2, trial=True)) for r, (b, c) in enumerate(_CUTS)
            ]
        except Exception as error:  # noqa: BLE001 - the user's code on data it was not made for
            return f"it could not be tried on made-up rows ({type(error).__name__})"
    return _judge(whole, pieces)


def _judge(whole: Sequence[list[Any]], pieces: Sequence[Sequence[list[Any]]]) -> Found | str:
    outputs = tuple(_kind(w, [p[0][i] for p in pieces]) for i, w in enumerate(whole[0]))
    losses = tuple(_kind(w, [p[1][i] for p in pieces]) for i, w in enumerate(whole[1]))
    if "" in outputs:
        return "its results for some rows of a batch depend on the other rows"
    if "" in losses or "rows" in losses:
        return "it adds a loss that is neither a mean nor a sum over rows"
    if any(not _close(w, p[2][i]) for p in pieces for i, w in enumerate(whole[2])):
        return "it keeps state that depends on the rows of a batch"
    return outputs, losses


def _kind(whole: Any, pieces: list[Any]) -> str:
    """rows, same, mean, sum, or the empty string for none of these."""
    if not isinstance(whole, np.ndarray):
        return ""
    counts = [c for _, c in _CUTS]
    if whole.ndim and [p.shape[:1] for p in pieces] == [(c,) for c in counts] and len(whole) == _ROWS:
        same_rest = all(p.shape[1:] == whole.shape[1:] for p in pieces)
        return "rows" if same_rest and _close(whole, np.concatenate(pieces)) else ""
    if any(p.shape != whole.shape for p in pieces):
        return ""
    if all(_close(whole, p) for p in pieces):
        return "same" if np.any(whole) else ""
    if not np.issubdtype(whole.dtype, np.floating):
        return ""
    if _close(whole, sum(p * c for p, c in zip(pieces, counts, strict=True)) / _ROWS):
        return "mean"
    return "sum" if _close(whole, sum(pieces)) else ""


def _close(a: Any, b: Any) -> bool:
    if a.shape != b.shape:
        return False
    if not np.issubdtype(a.dtype, np.floating):
        return bool(np.array_equal(a, b))
    loose = 2e-2 if a.dtype.itemsize < 4 else 1e-4
    a, b = a.astype(np.float64), b.astype(np.float64)
    scale = np.max(np.abs(a[np.isfinite(a)]), initial=0.0)
    return bool(np.allclose(a, b, rtol=loose, atol=loose * 0.1 * scale, equal_nan=True))


def _value(x: Any) -> Any:
    if not isinstance(x, tf.Tensor) or x.dtype == tf.string:
        return x
    return np.asarray(x if x.dtype != tf.bfloat16 else tf.cast(x, tf.float16))


def _made_up(like: Any, seed: int) -> tf.Tensor:
    """Four different rows of the type and shape of ``like``; integers are 0, 1 or 2."""
    shape = [_ROWS, *(_UNKNOWN_DIMENSION if d is None else d for d in like.shape[1:])]
    dtype, made = tf.as_dtype(like.dtype), np.random.RandomState(seed)
    if dtype == tf.string:
        return tf.constant(made.choice(["one", "two three", "four"], shape))
    if dtype == tf.bool:
        return tf.constant(made.rand(*shape) < 0.5)
    if dtype.is_integer:
        return tf.cast(made.randint(0, 3, shape), dtype)
    return tf.cast(made.rand(*shape), dtype)


def _build(
    call: Callable[..., Any],
    owner: Any,
    args: Any,
    kwargs: Any,
    where: tuple[int, ...],
    inputs: list[tf.Tensor],
) -> None:
    """Makes the variables of a model before it is tried, without computing anything."""
    if not isinstance(owner, keras.Layer) or owner.built:
        return
    leaves = tf.nest.flatten((args, kwargs))
    for i, x in zip(where, inputs, strict=True):
        shape = (None, *(leaves[i].shape[1:]))
        leaves[i] = keras.KerasTensor(shape, dtype=x.dtype.name)
    a, k = tf.nest.pack_sequence_as((args, kwargs), leaves)
    call(*a, **k)


def _losses(owner: Any) -> list[Any]:
    layers = owner._flatten_layers() if isinstance(owner, keras.Layer) else []
    return [loss for layer in layers for loss in layer._losses]


@contextlib.contextmanager
def _kept_state(owner: Any) -> Iterator[Callable[[], list[Any]]]:
    """Puts the variables of ``owner`` back; yields what lists them."""

    def variables() -> list[Any]:
        if isinstance(owner, keras.Layer):
            return [v.value for v in [*owner.variables, *getattr(owner, "metrics_variables", [])]]
        return []

    before = [(v, tf.identity(v)) for v in variables()]
    try:
        yield variables
    finally:
        for variable, value in before:
            variable.assign(value)


@contextlib.contextmanager
def _kept_random() -> Iterator[None]:
    """Leaves TensorFlow's own stream of operation seeds where it was, by using another one."""
    runtime = context.context()
    stream = getattr(runtime, "_rng", None)
    if stream is not None:
        runtime._rng = random.Random(_TRIAL_SEED)
    try:
        yield
    finally:
        if stream is not None:
            runtime._rng = stream

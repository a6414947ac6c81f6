"""Finds out, on made-up rows, whether a call treats the rows of a batch one by one.

Eight rows are computed together, then the first three and the other five together, from the same state and
with weights moved a little, so that nothing hides behind a weight that starts as zero. A result is in rows
when the pieces put together equal the whole; a scalar may be the pieces' mean weighted by rows, their sum, or
the same each time. Derivatives must be the pieces', and linear, since own gradients may be anything. What
fits none of these, state that comes to depend on the rows, tensors left in attributes, and operations that
print or call Python, mean that the call must not be cut. Batch normalisation, whose moments are exchanged,
takes its moving ones here. State and random numbers are put back afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from . import kept, rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_ROWS = 8
_CUTS = ((0, 3), (3, 5))
_UNKNOWN_DIMENSION = 8
_MOVED = 0.1
Found = tuple[tuple[str, ...], tuple[str, ...]]


@dataclass
class _Ran:
    """What a call on some of the made-up rows gave."""

    outputs: list[Any]
    losses: list[Any]
    state: dict[int, Any]
    by_input: list[Any]
    by_weight: list[Any]
    linear: bool
    read: list[Any]


def run(
    call: Callable[..., Any],
    owner: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    where: tuple[int, ...],
) -> Found | str:
    """What each leaf of the result and each added loss is, or the reason why the call cannot be cut."""
    with tf.init_scope(), kept.outside():
        leaves = tf.nest.flatten((args, kwargs))
        inputs = [_made_up(leaves[i], seed, signed=True) for seed, i in enumerate(where)]
        positive = [_made_up(leaves[i], seed) for seed, i in enumerate(where)]
        if any(
            isinstance(x, tf.Tensor) and not hasattr(x, "numpy")
            for i, x in enumerate(leaves)
            if i not in where
        ):
            return "it takes a tensor that does not have the batch as its first axis"

        def on(begin: int, count: int, signed: bool) -> Any:
            for i, x in zip(where, inputs if signed else positive, strict=True):
                leaves[i] = x[begin : begin + count]
            a, k = tf.nest.pack_sequence_as((args, kwargs), leaves)
            return [leaves[i] for i in where], lambda: call(*a, **k)

        try:
            _build(call, owner, args, kwargs, where, inputs)
            tried = _Tried(owner, on)
            for moved, signed in ((_MOVED, True), (_MOVED, False), (0.0, False)):
                found = tried.judged(moved, signed)
                if found is not None:
                    break
            return found or "it gives no finite numbers"
        except kept.MustBeWhole as reason:
            return str(reason)
        except Exception as error:  # noqa: BLE001 - the user's code on data it was not made for
            return f"it could not be tried on made-up rows ({type(error).__name__})"


class _Tried:
    """The call on made-up rows, all or some; ``on(begin, count, signed)`` gives inputs and the call."""

    def __init__(self, owner: Any, on: Callable[[int, int, bool], Any]) -> None:
        self._owner, self._on = owner, on
        self._values = kept.variables()
        self._weights: list[Any] = []
        self._weights = self._part(_whole(), 0, signed=False).read

    def judged(self, moved: float, signed: bool) -> Found | str | None:
        """The finding with weights moved by up to ``moved``; None when that leads to no finite numbers."""
        whole = self._part(_whole(), moved, signed)
        if moved and not all(np.isfinite(x).all() for x in whole.outputs if _floating(x)):
            return None
        pieces = [
            self._part(rows.Share(_ROWS, c, b, c, c, r, 2, trial=True), moved, signed)
            for r, (b, c) in enumerate(_CUTS)
        ]
        return _judge(whole, pieces)

    def _part(self, share: rows.Share, moved: float, signed: bool) -> _Ran:
        with rows.cut(share), kept.state(self._values, self._owner) as attributes:
            for seed, v in enumerate(self._weights if moved else []):
                shift = np.random.RandomState(seed).uniform(-moved, moved, kept.read(v).shape)
                v.assign_add(tf.cast(shift, v.dtype))
            before = [(v, kept.read(v)) for v, _ in self._values]
            inputs, call = self._on(share.start, share.count, signed)
            with tf.GradientTape(persistent=True) as tape:
                tape.watch([x for x in inputs if x.dtype.is_floating])
                out = tf.nest.flatten(call())
                aims = [_aim(x, i, share) for i, x in enumerate(out)]
                aim = tf.add_n([a for a in aims if a is not None] or [tf.constant(0.0)])
                larger = aim * 3.0
            if attributes.hold_tensors():
                raise kept.MustBeWhole("it keeps tensors of its batch in attributes")
            sources = [x for x in inputs if x.dtype.is_floating] + self._weights
            slopes, larger_slopes = (_slopes(tape, target, sources) for target in (aim, larger))
            count = len(sources) - len(self._weights)
            half = any(_floating(_value(x)) and x.dtype.size < 4 for x in out if isinstance(x, tf.Tensor))
            linear = _all_close([a * 3.0 for a in slopes], larger_slopes, half)
            return _Ran(
                [_value(x) for x in out],
                [_value(x) for x in _losses(self._owner)],
                {i: v.numpy() for i, v in kept.changed(before).items()},
                slopes[:count],
                slopes[count:],
                linear,
                [v for v in tape.watched_variables() if v.dtype.is_floating],
            )


def _whole() -> rows.Share:
    return rows.Share(_ROWS, _ROWS, 0, _ROWS, _ROWS, 0, 1, trial=True)


def _aim(x: Any, seed: int, share: rows.Share) -> Any:
    """A scalar to differentiate: the output's rows, each with weights of its own; None: not in rows."""
    if isinstance(x, tf.Tensor) and x.dtype.is_complex:
        x = tf.math.real(x) + 2 * tf.math.imag(x)
    if not isinstance(x, tf.Tensor) or not x.dtype.is_floating or x.shape[:1] != (share.count,):
        return None
    weights = np.random.RandomState(seed).uniform(0.5, 1.5, (_ROWS, *x.shape[1:]))
    weights = weights[share.start : share.start + share.count]
    return tf.reduce_sum(tf.cast(x, tf.float32) * tf.cast(weights, tf.float32))


def _slopes(tape: Any, target: Any, sources: list[Any]) -> list[Any]:
    try:
        found = tape.gradient(target, sources, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    except (LookupError, TypeError, ValueError):  # no gradient: then none is taken in training
        return [np.zeros(0, "float32")] * len(sources)
    return [np.asarray(tf.cast(tf.convert_to_tensor(g), tf.float32)) for g in found]


def _judge(whole: _Ran, pieces: Sequence[_Ran]) -> Found | str:
    outputs = tuple(_kind(w, [p.outputs[i] for p in pieces]) for i, w in enumerate(whole.outputs))
    losses = tuple(_kind(w, [p.losses[i] for p in pieces]) for i, w in enumerate(whole.losses))
    if "" in outputs:
        return "its results for some rows of a batch depend on the other rows"
    if "" in losses or "rows" in losses:
        return "it adds a loss that is neither a mean nor a sum over rows"
    written = set(whole.state).union(*(p.state for p in pieces))
    if any(
        i not in r.state or not _close(whole.state.get(i, r.state[i]), r.state[i])
        for i in written
        for r in (whole, *pieces)
    ):
        return "it keeps state that depends on the rows of a batch"
    if not _slopes_fit(whole, pieces):
        return "its gradients for some rows of a batch depend on the other rows"
    return outputs, losses


def _slopes_fit(whole: _Ran, pieces: Sequence[_Ran]) -> bool:
    if not all(r.linear for r in (whole, *pieces)):
        return False
    by_input = [np.concatenate(parts) for parts in zip(*(p.by_input for p in pieces), strict=True)]
    by_weight = [sum(parts) for parts in zip(*(p.by_weight for p in pieces), strict=True)]
    half = any(_floating(x) and x.dtype.itemsize < 4 for x in whole.outputs)
    return _all_close([*whole.by_input, *whole.by_weight], [*by_input, *by_weight], half)


def _all_close(a: list[Any], b: list[Any], half: bool) -> bool:
    """Whether gradients are equal but for rounding, which is measured by the largest of all."""
    if any(x.shape != y.shape for x, y in zip(a, b, strict=True)):
        return False
    loose = 5e-2 if half else 1e-3
    scale = max((np.max(np.abs(x), initial=0.0) for x in b), default=0.0)
    return all(
        np.allclose(x, y, rtol=loose, atol=loose * 0.1 * scale, equal_nan=True)
        for x, y in zip(a, b, strict=True)
    )


def _floating(x: Any) -> bool:
    return isinstance(x, np.ndarray) and bool(np.issubdtype(x.dtype, np.floating))


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
    if np.iscomplexobj(a):
        return _close(a.real, b.real) and _close(a.imag, b.imag)
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


def _made_up(like: Any, seed: int, signed: bool = False) -> tf.Tensor:
    """Different rows of the type and shape of ``like``, every second against the one before when ``signed``.

    So rows go different ways where a sign or a largest value decides. Integers are 0, 1 or 2.
    """
    shape = [_ROWS, *(_UNKNOWN_DIMENSION if d is None else d for d in like.shape[1:])]
    dtype, made = tf.as_dtype(like.dtype), np.random.RandomState(seed)
    if dtype == tf.string:
        return tf.constant(made.choice(["one", "two three", "four"], shape))
    if dtype == tf.bool:
        return tf.constant(made.rand(*shape) < 0.5)
    if dtype.is_integer:
        return tf.cast(made.randint(0, 3, shape), dtype)
    values = made.rand(*shape)
    if signed:
        values[1::2] = -0.7 * values[::2]
    return tf.cast(values, dtype)


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

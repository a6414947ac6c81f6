"""How a call is cut by rows and how its results are put together; None where it must not be cut.

Models made only of Keras's own layers that treat rows one by one are trusted; of any other model or function
a trial (``trial``) finds out, on a few made-up rows, whether its results for some rows depend on the others.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf
from keras.src.backend import get_keras_mask, set_keras_mask
from keras.src.backend.common.keras_tensor import any_symbolic_tensors
from keras.src.models.functional import Functional

from . import report, rows, trial

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS, SAME, MEAN, SUM = "rows", "same", "mean", "sum"
_TRUSTED = tuple(
    f"keras.src.layers.{name}."
    for name in (
        "activations",
        "attention",
        "convolutional",
        "merging",
        "normalization",
        "pooling",
        "regularization",
        "reshaping",
        "rnn",
        "core.dense",
        "core.einsum_dense",
        "core.embedding",
        "core.identity",
        "core.input_layer",
        "core.masking",
        "core.reversible_embedding",
    )
)
_FUNCTIONS = ("activation", "recurrent_activation")
_plans: weakref.WeakKeyDictionary[Any, dict[Any, Plan | None]] = weakref.WeakKeyDictionary()


@dataclass(frozen=True)
class Batch:
    """The arguments that have the batch as their first axis: places among the leaves, and number of rows."""

    where: tuple[int, ...]
    rows: Any
    key: tuple[Any, ...]


@dataclass(frozen=True)
class Plan:
    """What each leaf of the result and each added loss is; ``outputs`` None: all are rows."""

    outputs: tuple[str, ...] | None = None
    losses: tuple[str, ...] = ()

    def join(self, result: Any, owner: Any, share: rows.Share) -> Any:
        """The whole result from this replica's; the added losses of ``owner`` are joined in place."""
        leaves = tf.nest.flatten(result)
        kinds = self.outputs or (ROWS,) * len(leaves)
        masks = [get_keras_mask(leaf) for leaf in leaves]
        flat = leaves + [m for m in masks if m is not None]
        joined = _join_leaves(flat, [*kinds, *[ROWS] * (len(flat) - len(leaves))], share)
        leaves, masks_joined = joined[: len(leaves)], iter(joined[len(leaves) :])
        for leaf, mask in zip(leaves, masks, strict=True):
            if mask is not None:
                set_keras_mask(leaf, next(masks_joined))
        if len(leaves) > 1:
            for leaf in leaves:
                leaf._kf_joined = True
        for holder, place, kind in zip(*_added(owner), self.losses, strict=True):
            holder[place] = _join_scalar(holder[place], kind, share)
        return tf.nest.pack_sequence_as(result, leaves)


def symbolic(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether Keras is building a model, not running it."""
    return bool(any_symbolic_tensors(args, kwargs))


def with_mask_of(whole: Any, piece: tf.Tensor, share: rows.Share) -> tf.Tensor:
    """``piece`` with the rows of the Keras mask of ``whole``."""
    mask = get_keras_mask(whole)
    if mask is not None:
        set_keras_mask(piece, rows.take(mask, share))
    return piece


def batch_of(leaves: list[Any]) -> Batch | None:
    """Finds the batch among the leaves of a call's arguments; None when there is no one first axis."""
    if any(isinstance(leaf, (tf.RaggedTensor, tf.SparseTensor)) for leaf in leaves):
        return None
    where = tuple(i for i, x in enumerate(leaves) if isinstance(x, (tf.Tensor, np.ndarray)) and len(x.shape))
    if not where or any(isinstance(leaves[i], tf.Tensor) and leaves[i].shape.rank is None for i in where):
        return None
    firsts = {leaves[i].shape[0] for i in where}
    if len(firsts) > 1:
        return None
    first = firsts.pop()
    key = tuple(
        (tf.as_dtype(x.dtype), tuple(x.shape[1:])) if i in where else repr(x)[:80]
        for i, x in enumerate(leaves)
    )
    return Batch(where, tf.shape(leaves[where[0]])[0] if first is None else first, key)


def say_no_batch(owner: Any, leaves: list[Any]) -> None:
    """Says that a call whose arguments have no one first axis is computed whole, if they are data at all."""
    if any(isinstance(x, (tf.Tensor, np.ndarray, tf.RaggedTensor, tf.SparseTensor)) for x in leaves):
        _say_whole(owner, "its arguments are ragged or sparse, or have no common number of rows")


def _say_whole(owner: Any, why: str) -> None:
    name = getattr(owner, "name", None) or getattr(owner, "__name__", "function")
    report.note(f"{name}: {why}, so each replica computes the whole batch: right, but not faster.")


def find(
    call: Callable[..., Any], owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any], batch: Batch
) -> Plan | None:
    """The plan for a call; made once for each kind of arguments."""
    known = _plans.setdefault(owner, {})
    if batch.key not in known:
        known[batch.key] = Plan() if trusted(owner) else _by_trial(call, owner, args, kwargs, batch)
    return known[batch.key]


def nested_outputs(owner: Any) -> bool:
    """Whether an output of a functional model is computed from another of its outputs."""
    outputs = list(owner.outputs) if isinstance(owner, Functional) else []
    ids = {id(t) for t in outputs}
    seen: set[int] = set()
    todo = [parent for t in outputs for parent in _parents(t)] if len(outputs) > 1 else []
    while todo:
        tensor = todo.pop()
        if id(tensor) in ids:
            return True
        if id(tensor) not in seen:
            seen.add(id(tensor))
            todo.extend(_parents(tensor))
    return False


def _parents(tensor: Any) -> list[Any]:
    history = tensor._keras_history
    nodes = history.operation._inbound_nodes if history.operation is not None else []
    return list(nodes[history.node_index].input_tensors) if nodes else []


def _by_trial(
    call: Callable[..., Any], owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any], batch: Batch
) -> Plan | None:
    found = trial.run(call, owner, args, kwargs, batch.where)
    if isinstance(found, str):
        _say_whole(owner, found)
        return None
    return Plan(*found)


def trusted(owner: Any) -> bool:
    """Whether ``owner`` is a model of Keras's own layers, all of which treat rows one by one."""
    if not isinstance(owner, keras.Model):
        return False
    layers = owner._flatten_layers() if owner.built or isinstance(owner, keras.Sequential) else [owner]
    return all(_trusted_layer(layer) for layer in layers)


def _trusted_layer(layer: Any) -> bool:
    kind = type(layer)
    if getattr(layer, "activity_regularizer", None) is not None or getattr(layer, "stateful", False):
        return False
    if isinstance(layer, keras.Model):
        known = (keras.Sequential.call, Functional.call)
        operations = getattr(layer, "operations", layer.layers)
        return kind.call in known and all(isinstance(o, keras.Layer) for o in operations)
    noise = getattr(layer, "noise_shape", None)
    if (noise and noise[0] is not None) or _names_rows(layer):
        return False
    functions = (getattr(layer, name, None) for name in _FUNCTIONS)
    return f"{kind.__module__}.".startswith(_TRUSTED) and all(
        f is None or getattr(f, "__module__", "").startswith("keras.") for f in functions
    )


def _names_rows(layer: Any) -> bool:
    """Whether a layer works along the first axis, or may: negative axes are not resolved here."""
    named = [getattr(layer, name, None) for name in ("axis", "axes")]
    return any(isinstance(a, int) and (a == 0 or a < -1) for a in tf.nest.flatten(named))


def _added(owner: Any) -> tuple[list[list[Any]], list[int]]:
    """Where the losses added in the call are kept: the lists of Keras's layers, and the places in them."""
    holders, places = [], []
    for layer in owner._flatten_layers() if isinstance(owner, keras.Layer) else []:
        for place in range(len(layer._losses)):
            holders.append(layer._losses)
            places.append(place)
    return holders, places


def _join_scalar(value: tf.Tensor, kind: str, share: rows.Share) -> tf.Tensor:
    if kind == SAME:
        return value
    weight = tf.cast(share.own, value.dtype)
    if kind == MEAN:
        return rows.total(value * weight / tf.cast(share.rows, value.dtype))
    return rows.total(value * tf.minimum(weight, 1))


def _join_leaves(leaves: list[Any], kinds: list[str], share: rows.Share) -> list[Any]:
    """Joins what is in rows by one gather for each dtype, the rest one by one."""
    out = [x if k == ROWS else _join_scalar(x, k, share) for x, k in zip(leaves, kinds, strict=True)]
    groups: dict[tf.DType, list[int]] = {}
    for i, kind in enumerate(kinds):
        if kind == ROWS:
            groups.setdefault(leaves[i].dtype, []).append(i)
    for where in groups.values():
        for i, joined in zip(where, _give_all([leaves[i] for i in where], share), strict=True):
            out[i] = joined
    return out


def _give_all(leaves: list[tf.Tensor], share: rows.Share) -> list[tf.Tensor]:
    if len(leaves) == 1:
        return [rows.give(leaves[0], share)]
    flat = [tf.reshape(x, [share.count, -1]) for x in leaves]
    whole = rows.give(tf.concat(flat, 1), share)
    pieces = tf.split(whole, [tf.shape(f)[1] for f in flat], axis=1, num=len(flat))
    return [
        tf.ensure_shape(tf.reshape(p, tf.concat([[share.rows], tf.shape(x)[1:]], 0)), [None, *x.shape[1:]])
        for p, x in zip(pieces, leaves, strict=True)
    ]

"""Says which calls are cut by rows, and cuts them.

Cut are the outermost calls of Keras models in a Keras step or under a gradient tape, and of functions the
user marks with ``distribute``. What a call needs to be cut safely is in ``plan``; a call without a plan is
computed whole by every replica.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf
from tensorflow.python import pywrap_tfe

from . import collective, gradients, plan, raised, rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class _Here(threading.local):
    step = False
    depth = 0


_here = _Here()


@contextlib.contextmanager
def step() -> Iterator[None]:
    """Marks a Keras step: model calls are cut in it, with or without a tape."""
    before, _here.step = _here.step, True
    try:
        yield
    finally:
        _here.step = before


@contextlib.contextmanager
def whole() -> Iterator[None]:
    """Cuts nothing inside the block: each replica computes it whole, which is right though not faster."""
    _here.depth += 1
    try:
        yield
    finally:
        _here.depth -= 1


def _wanted() -> bool:
    if _here.depth or collective.alone() or gradients.differentiating():
        return False
    return _here.step or not pywrap_tfe.TFE_Py_TapeSetIsEmpty()


def hook(original: Any) -> Any:
    """``keras.Layer.__call__`` with the outermost calls of models cut by rows."""

    def called(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(self, keras.Model):
            return original(self, *args, **kwargs)
        if not _wanted() or plan.symbolic(args, kwargs):
            with whole():
                return original(self, *args, **kwargs)

        def call(*a: Any, **k: Any) -> Any:
            return original(self, *a, **k)

        return _shared(call, self, args, kwargs)

    return called


def _shared(call: Callable[..., Any], owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``call`` on this replica's rows, its results made whole again."""
    with whole():
        leaves = tf.nest.flatten((args, kwargs))
        batch = plan.batch_of(leaves)
        if batch is None:
            plan.say_no_batch(owner, leaves)
        if batch and ((isinstance(batch.rows, int) and batch.rows < 2) or _differentiated_outputs(owner)):
            batch = None
        how = plan.find(call, owner, args, kwargs, batch) if batch else None
        if batch is None or how is None:
            return call(*args, **kwargs)
        share = rows.Share.of(_one_count(batch, leaves))
        for i in batch.where:
            leaves[i] = plan.with_mask_of(leaves[i], rows.take(tf.convert_to_tensor(leaves[i]), share), share)
        args, kwargs = tf.nest.pack_sequence_as((args, kwargs), leaves)
        with raised.alike(Exception):
            with rows.cut(share):
                result = call(*args, **kwargs)
            return how.join(result, owner, share)


def _one_count(batch: plan.Batch, leaves: list[Any]) -> Any:
    """The number of rows; a graph that does not know it checks that all arguments have as many."""
    if isinstance(batch.rows, int) or len(batch.where) < 2:
        return batch.rows
    checks = [
        tf.debugging.assert_equal(
            tf.shape(leaves[i])[0],
            batch.rows,
            "The arguments of a model's call have different numbers of rows, so the call cannot be cut by "
            "rows. Compute it whole: with kf.whole(): ...",
        )
        for i in batch.where[1:]
    ]
    with tf.control_dependencies([c for c in checks if c is not None]):
        return tf.identity(batch.rows)


def _differentiated_outputs(owner: Any) -> bool:
    """Outside Keras's own steps a tape may be meant for derivatives between a model's outputs (Grad-CAM)."""
    return not _here.step and plan.nested_outputs(owner)


def distribute(what: Any) -> Any:
    """Shares work among the replicas of a job; outside a job its argument comes back.

    A dataset comes back as it is: every replica sees the same global batches and the calls of Keras models
    on them are cut by rows, so what the loop computes from them is what one process would have computed. A
    function (of tensors whose first axis is the batch, treating rows one by one) comes back as one whose
    calls are cut likewise.
    """
    if collective.alone() or not callable(what) or isinstance(what, tf.data.Dataset):
        return what

    def shared(*args: Any, **kwargs: Any) -> Any:
        if _here.depth or collective.alone() or gradients.differentiating():
            return what(*args, **kwargs)
        return _shared(what, what, args, kwargs)

    return shared


def mean(x: Any) -> Any:
    """The mean of ``x`` over the replicas; outside a job ``x`` itself. Structures of tensors and numbers."""
    if collective.alone():
        return x

    def averaged(v: Any) -> Any:
        total = collective.add(tf.convert_to_tensor(v))
        return total / collective.world_size_for(total)

    return tf.nest.map_structure(averaged, x)

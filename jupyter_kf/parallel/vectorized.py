"""Collectives inside ``tf.vectorized_map`` and jacobians, which run a body for all places at once.

A second derivative of a cut call has collectives in its backward pass. TensorFlow's vectoriser turns the body
of a loop into operations on all of the loop's values; it is told here that a collective of all values
together is one of each. Otherwise it would give up. Model calls inside are computed whole, and their
gradients bring no wish to stop: what is left are collectives alone.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import tensorflow as tf
from tensorflow.python.ops.parallel_for import pfor

from . import collective, gradients, rows, sharing

if TYPE_CHECKING:
    from collections.abc import Callable


def hook(original: Callable[..., Any]) -> Callable[..., Any]:
    """``tf.vectorized_map`` with what is mapped computed whole."""
    _teach()

    @functools.wraps(original)
    def mapped(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        @functools.wraps(fn)
        def body(*elements: Any) -> Any:
            with sharing.whole(), gradients.bare():
                return fn(*elements)

        return original(body, *args, **kwargs)

    return mapped


def _teach() -> None:
    """Gives TensorFlow's vectoriser the operations of ``collective``, once."""
    converters = {
        "CollectiveReduceV2": _reduced,
        "CollectiveGatherV2": _gathered,
        "AssignAddVariableOp": _counted,
    }
    for name, converter in converters.items():
        if name not in pfor._pfor_converter_registry:
            pfor.RegisterPFor(name)(converter)


def _reduced(body: Any) -> Any:
    value, stacked, _ = body.input(0)
    divides = body.get_attr("final_op") == b"Div"
    return pfor.wrap(rows.average(value) if divides else rows.total(value), stacked)


def _gathered(body: Any) -> Any:
    value, stacked, _ = body.input(0)
    blocks = rows.exchange(value)
    if stacked:  # by rank, then by place in the loop: (size, n, ...) -> (n, size, ...)
        blocks = tf.transpose(blocks, [1, 0, *range(2, blocks.shape.rank)])
        return pfor.wrap(tf.reshape(blocks, tf.concat([tf.shape(blocks)[:1], [-1]], 0)), True)
    return pfor.wrap(tf.reshape(blocks, [-1]), False)


def _counted(body: Any) -> Any:
    """The collective that stands for those of the loop counts itself."""
    if collective.COUNTING not in body.op.name:
        raise pfor.ConversionNotImplementedError("it adds to a variable of the program")
    return tf.no_op()

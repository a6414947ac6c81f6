"""Averages gradients over the replicas: the hook on ``tf.GradientTape``.

All gradients with respect to variables but large ones go through one collective for each dtype; the wish to
stop and the loss ride along in it. Gradients with respect to other tensors are whole already.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

import tensorflow as tf
from keras.src.backend.common.name_scope import name_scope

from ..errors import SpecError
from . import collective, raised, report, rows, slices, stop

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


_LARGE = 1 << 18  # elements


class _Depth(threading.local):
    value = 0
    bare = 0
    guard: Sequence[tf.Operation] = ()


_inside = _Depth()


def differentiating() -> bool:
    """Whether the code running now is the backward pass of a hooked tape."""
    return _inside.value > 0


@contextlib.contextmanager
def bare() -> Iterator[None]:
    """Gradients taken inside are averaged and nothing more: no wish to stop comes with them."""
    _inside.bare += 1
    try:
        yield
    finally:
        _inside.bare -= 1


def hook(original: Any) -> Any:
    """``GradientTape.gradient``, ``.jacobian`` or ``.batch_jacobian``, averaged over the replicas."""

    def differentiated(self: Any, target: Any, sources: Any, *args: Any, **kwargs: Any) -> Any:
        return _outermost(lambda: original(self, target, sources, *args, **kwargs), target, sources)

    return differentiated


def graph_hook(original: Any) -> Any:
    """``tf.gradients``, averaged over the replicas."""

    def gradients(ys: Any, xs: Any, *args: Any, **kwargs: Any) -> Any:
        listed = list(xs) if isinstance(xs, (list, tuple)) else [xs]
        return _outermost(lambda: original(ys, xs, *args, **kwargs), ys, listed)

    return gradients


def _outermost(compute: Any, target: Any, sources: Any) -> Any:
    """What ``compute`` returns, averaged unless it is part of another derivative or of a cut call."""
    outermost = not _inside.value and rows.current() is None
    with raised.alike(Exception) if outermost else contextlib.nullcontext():
        _inside.value += 1
        try:
            result = compute()
        finally:
            _inside.value -= 1
        return _averaged(target, sources, result) if outermost else result


def is_variable(x: Any) -> bool:
    """Whether ``x`` is a variable of TensorFlow or of Keras."""
    return isinstance(x, tf.Variable) or isinstance(getattr(x, "value", None), tf.Variable)


def _averaged(target: Any, sources: Any, result: Any) -> Any:
    """``result`` with the gradients of variables averaged; everything else stays as it is."""
    single = not isinstance(sources, (list, tuple, dict))
    wanted = tf.nest.flatten(sources)
    parts = [result] if single else list(tf.nest.flatten(result))
    if len(wanted) != len(parts):
        return result
    if any(g is None and getattr(s, "_kf_joined", False) for s, g in zip(wanted, parts, strict=True)):
        raise SpecError(
            "This takes the derivative of one output of a model with respect to another output of the same "
            "call. On several replicas the call is cut by rows, and its outputs do not depend on each other. "
            "Compute the call whole: with kf.whole(): outputs = model(inputs)"
        )
    where = [
        i for i, (s, g) in enumerate(zip(wanted, parts, strict=True)) if is_variable(s) and g is not None
    ]
    if not where:
        return result
    if not collective.alone() and rows.last() is None:
        report.note(
            "A gradient was computed whole on each replica, since it came from no call of a Keras model that "
            "could be cut by rows: right, but not faster. kf.distribute(function) marks a function to be cut."
        )
    loss = _loss_of(target)
    for i, averaged in zip(where, average([parts[i] for i in where], loss), strict=True):
        parts[i] = averaged
    return parts[0] if single else tf.nest.pack_sequence_as(sources, parts)


def _loss_of(target: Any) -> tf.Tensor:
    values = [tf.reduce_mean(tf.cast(tf.math.real(t), tf.float32)) for t in tf.nest.flatten(target)]
    return tf.stop_gradient(tf.add_n(values))


def average(parts: list[Any], loss: tf.Tensor) -> list[Any]:
    """The mean of each gradient over the replicas.

    One collective a dtype takes all but the large ones, which go by themselves: putting them together and
    taking them apart would cost two copies. Sparse ones need more.
    """
    if _inside.bare:
        return [rows.average(tf.convert_to_tensor(g)) for g in parts]
    joined = [slices.joined(g) for g in parts]
    dense = [g.values if isinstance(g, tf.IndexedSlices) else g for g in joined]
    _inside.guard = stop.guard()
    with tf.control_dependencies(_inside.guard):
        extra = tf.stop_gradient(tf.stack([stop.wish(), loss]))
    large = [i for i, g in enumerate(dense) if (g.shape.num_elements() or 0) >= _LARGE]
    with tf.control_dependencies([extra] if tf.inside_function() else []):
        out = {i: rows.average(dense[i]) for i in large}
        for dtype in sorted({g.dtype for g in dense} | {tf.float32}, key=lambda d: d.name):
            where = [i for i, g in enumerate(dense) if g.dtype == dtype and i not in large]
            riders = [extra] if dtype == tf.float32 else []
            pieces = _packed([*(dense[i] for i in where), *riders]) if where or riders else []
            if riders:
                size = collective.world_size_for(loss)
                wishes, losses = tf.unstack(tf.stop_gradient(pieces.pop()) * size, num=2)
                stop.arrived(wishes, losses, loss, size)
            out.update(zip(where, pieces, strict=True))
    return [
        tf.IndexedSlices(out[i], g.indices, g.dense_shape) if isinstance(g, tf.IndexedSlices) else out[i]
        for i, g in enumerate(joined)
    ]


def _packed(parts: list[tf.Tensor]) -> list[tf.Tensor]:
    """The means of tensors of one dtype, by one collective."""
    flat = [tf.reshape(x, [-1]) for x in parts]
    averaged = rows.average(tf.concat(flat, 0))
    pieces = tf.split(averaged, [tf.size(f) for f in flat], num=len(flat))
    return [
        tf.ensure_shape(tf.reshape(piece, tf.shape(x)), x.shape)
        for x, piece in zip(parts, pieces, strict=True)
    ]


def apply_hook(original: Any) -> Any:
    """``Optimizer.apply``: nothing of a step is done, not even counted, where a stop has arrived before it.

    A step that fails is counted, as in one process, where nothing makes the counter wait for the gradients.
    Its variables are made of nothing, as without the hook: a ``tf.function`` lifts their initial values
    out of its first trace, which it then need not run.
    """

    def applied(self: Any, grads: Any, trainable_variables: Any = None) -> Any:
        if len(grads) and not self.built and trainable_variables is not None:
            trainable_variables = list(trainable_variables)
            # what a stored graph holds is made before it
            outside = tf.init_scope() if collective.recording() else contextlib.nullcontext()
            with outside, name_scope(self.name, caller=self):
                self.build(trainable_variables)
            self.built = True
        with tf.control_dependencies(_before(grads)):
            return original(self, grads, trainable_variables)

    return applied


def _before(grads: Any) -> list[Any]:
    """What is to be there before a step is counted: that no stop has arrived, or else its gradients."""
    if not tf.inside_function():
        return []
    graph = tf.compat.v1.get_default_graph()
    return [op for op in _inside.guard if op.graph is graph] or [g for g in grads if tf.is_tensor(g)]

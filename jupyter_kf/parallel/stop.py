"""Stops all replicas at the same step: a flag rides in the gradients' collective.

``request`` may be called from any thread of any replica. The replicas learn of it together, in the collective
of one step; that step is still applied, then KeyboardInterrupt is raised in the user's code on every replica:
on return from the outermost tf.function or Keras step, or before the next gradient where there is none.
The same state carries the finding that replicas no longer compute the same thing.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from ..errors import JobError

INTERRUPT = "interrupt"
_MARK = "jupyter_kf: stopped before this step"
_DRIFT = 1e-3
_wish: Any = None
_state: Any = None
_reason = INTERRUPT


class ReplicasDiffer(JobError):
    """The replicas no longer compute the same thing, so the result would not be one process's."""


def install() -> None:
    """Makes the variables that the graphs read; call it before any graph is traced."""
    global _wish, _state
    with tf.init_scope(), tf.device("/device:CPU:0"):
        _wish = tf.Variable(0.0, trainable=False, dtype=tf.float32, name="stop_wish")
        _state = tf.Variable([0.0, 0.0], trainable=False, dtype=tf.float32, name="stop_state")


def use(wish: tf.Variable, state: tf.Variable) -> None:
    """Takes these variables instead, of a graph that is recorded or was loaded."""
    global _wish, _state
    _wish, _state = wish, state


def uninstall() -> None:
    """Forgets a stop that was asked for or has arrived."""
    global _wish, _state
    _wish = _state = None


def request(reason: str = INTERRUPT) -> None:
    """Asks all replicas to stop after the step they are in. Safe from any thread."""
    global _reason
    _reason = reason
    if _wish is not None:
        _wish.assign(1.0)


def clear() -> None:
    """Forgets a stop that nobody has acted on, before new work begins; every replica does so."""
    if _state is not None:
        _state.assign([0.0, 0.0])
        _wish.assign(0.0)


def wish() -> tf.Tensor:
    """What this replica puts into the collective: 1 to stop, else 0."""
    return _wish.read_value()


def arrived(wishes: tf.Tensor, losses: tf.Tensor, loss: tf.Tensor, size: Any) -> tf.Operation:
    """Takes in what the collective brought: the sum of all wishes and of all losses (scalars)."""
    mean = losses / size
    differs = tf.abs(mean - loss) > _DRIFT * (tf.abs(loss) + tf.abs(mean)) + 1e-6
    found = tf.stack([tf.cast(wishes > 0, tf.float32), tf.cast(differs, tf.float32)])
    return _state.assign(tf.maximum(_state, found))


def guard() -> list[tf.Operation]:
    """Refuses to go on when a stop has arrived; in a graph by an operation to depend on."""
    if tf.executing_eagerly():
        check()
        return []
    return [tf.raw_ops.Assert(condition=tf.reduce_max(_state) <= 0.0, data=[_MARK])]


def mark_in(error: BaseException) -> bool:
    """Whether ``error`` is the one that ``guard`` raised in a graph."""
    return _MARK in str(error)


def check() -> None:
    """Raises KeyboardInterrupt, or ReplicasDiffer, when that has arrived on all replicas."""
    if _state is None:
        return
    stop, differs = _state.numpy()
    if not (stop or differs):
        return
    clear()
    if differs:
        raise ReplicasDiffer(
            "The replicas got different losses from what should be the same step, so their data or random "
            "numbers differ. Seed what is random (keras.utils.set_random_seed), and do not let the program "
            "depend on the time, the process id or the host."
        )
    raise KeyboardInterrupt(_reason)

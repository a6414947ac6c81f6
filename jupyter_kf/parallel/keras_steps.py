"""Keras's trainer in a job: its steps are where model calls are cut.

Nothing of the trainer's own loop is changed: it runs on whole batches, on every replica alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tensorflow as tf
from keras.src.backend.common.name_scope import name_scope
from keras.src.backend.tensorflow.trainer import TensorFlowTrainer

from . import collective, report, resume, sharing, stop

if TYPE_CHECKING:
    from collections.abc import Callable


class Steps:
    """What Keras's trainer takes for its distribution strategy: runs a step with model calls cut by rows."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def run(self, step: Callable[..., Any], args: tuple[Any, ...] = ()) -> Any:
        with sharing.step():
            result = step(*args)
        if tf.executing_eagerly():
            stop.check()
            return result
        resume.check_graph(tf.compat.v1.get_default_graph())
        if collective.rank() == 0:
            report.graph(getattr(step, "__name__", "step"), tf.compat.v1.get_default_graph())
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def strategy_hook(original: property) -> property:
    """``TensorFlowTrainer.distribute_strategy``, unless the user set one."""

    def strategy(self: Any) -> Any:
        inner = original.fget(self)  # type: ignore[misc]
        return inner if self._distribute_strategy is not None else Steps(inner)

    return property(strategy)


def early_slots_hook(original: Callable[..., Any]) -> Callable[..., Any]:
    """``make_train_function`` with the optimizer's variables made before the step is traced.

    A function that makes variables is traced twice, and the first step waits for that. Keras's own step
    updates all trainable variables; which of them another's updates is not known, so it is left alone.
    """

    def make(self: Any, force: bool = False) -> Any:
        optimizer = self.optimizer
        ours = type(self).train_step is TensorFlowTrainer.train_step and self.built
        if ours and optimizer is not None and not optimizer.built:
            with name_scope(optimizer.name, caller=optimizer):
                optimizer.build(self.trainable_variables)
        return original(self, force)

    return make


def no_xla_hook(original: property) -> property:
    """``Trainer.jit_compile``: False, since collectives do not run in XLA on processors."""

    def jit(self: Any) -> bool:
        if original.fget(self):  # type: ignore[misc]
            say_no_xla()
        return False

    return property(jit, original.fset)


def say_no_xla() -> None:
    """Tells the user that jit_compile is ignored."""
    report.note(
        "jit_compile=True is switched off: XLA has no collectives on this device. The result is the same."
    )

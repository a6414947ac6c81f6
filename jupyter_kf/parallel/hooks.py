"""Puts the hooks into TensorFlow and Keras, and takes them out again.

This is the only place that replaces parts of theirs. Each replaced part is named here once; a test fails
when an upgrade moves one of them.
"""

from __future__ import annotations

import ast
import contextlib
import os
import random
import threading
import types
import weakref
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf
from keras.src.backend.tensorflow import nn as keras_nn
from keras.src.backend.tensorflow.trainer import TensorFlowTrainer
from keras.src.callbacks.callback_list import CallbackList
from keras.src.optimizers.base_optimizer import BaseOptimizer
from keras.src.trainers.trainer import Trainer
from tensorflow.python.eager.polymorphic_function import polymorphic_function
from tensorflow.python.framework import random_seed
from tensorflow.python.ops import stateful_random_ops, stateless_random_ops

from ..errors import SpecError
from . import (
    callbacks,
    collective,
    disk,
    elements,
    gradients,
    keras_steps,
    layers,
    raised,
    resume,
    rows,
    seeds,
    sharing,
    stop,
    vectorized,
    watch,
    writes,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_replaced: list[tuple[Any, str, Any]] = []
_apart: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
_DRAWS = ("uniform", "normal", "truncated_normal")


def install() -> None:
    """Makes this process a replica: tapes, Keras and random numbers. Call it after ``collective.start``.

    Also seeds TensorFlow alike on all replicas when nothing has seeded it. A second call does nothing.
    """
    if _replaced:
        return
    if keras.backend.backend() != "tensorflow":
        raise SpecError(
            f"Keras runs on {keras.backend.backend()} here, and jobs need its TensorFlow backend. "
            "Set KERAS_BACKEND=tensorflow before Keras is imported."
        )
    stop.install()
    watch.start()
    _install_arithmetic()
    _replace(TensorFlowTrainer, "distribute_strategy", keras_steps.strategy_hook)
    _replace(TensorFlowTrainer, "make_train_function", keras_steps.early_slots_hook)
    _replace(Trainer, "jit_compile", keras_steps.no_xla_hook)
    _replace(Trainer, "_resolve_auto_jit_compile", lambda original: lambda self: False)
    _replace(TensorFlowTrainer, "fit", resume.fit_hook)
    _replace(TensorFlowTrainer, "_make_function", resume.function_hook)
    _replace(Trainer, "_get_metrics_result_or_logs", resume.metrics_hook)
    _replace(CallbackList, "__init__", callbacks.hook)
    _replace(CallbackList, "on_train_begin", resume.begin_hook)
    _replace(CallbackList, "on_train_batch_end", callbacks.batch_hook)
    _replace(CallbackList, "on_train_batch_end", resume.batch_hook)
    _replace(CallbackList, "on_epoch_end", callbacks.epoch_hook)
    _replace(tf.data.Dataset, "__iter__", elements.hook)
    for owner, name, hook in writes.hooks():
        _replace(owner, name, hook)
    _replace(polymorphic_function.Function, "__call__", _stopping)
    _replace(random_seed, "get_seed", seeds.hook)
    _replace(stateful_random_ops, "non_deterministic_ints", seeds.ints_hook)
    _replace(os, "urandom", seeds.chance_hook)
    _replace(random, "_urandom", seeds.chance_hook)
    _replace(random.Random, "seed", seeds.reseed_hook)
    seeds.agree()


def _install_arithmetic() -> None:
    """Replaces what a step computes with; the rest of ``install`` is about the program around it."""
    for name in ("gradient", "jacobian", "batch_jacobian"):
        _replace(tf.GradientTape, name, gradients.hook)
    _replace(keras.Layer, "__call__", sharing.hook)
    _replace(keras.Layer, "_maybe_build", layers.build_hook)
    _replace(keras.Variable, "_initialize_with_initializer", layers.build_hook)
    _replace(tf, "gradients", gradients.graph_hook)
    _replace(tf, "vectorized_map", vectorized.hook)
    _replace(tf, "recompute_grad", layers.recompute_hook)
    _replace(BaseOptimizer, "apply", gradients.apply_hook)
    _replace(keras.layers.BatchNormalization, "_moments", layers.moments_hook)
    for name in _DRAWS:
        _replace(
            stateless_random_ops,
            f"stateless_random_{name}".replace("random_truncated", "truncated"),
            layers.draw_hook,
        )
        _replace(tf.random, f"stateless_{name}", layers.draw_hook)
    _replace(polymorphic_function.Function, "__init__", _no_xla)


@contextlib.contextmanager
def recording() -> Iterator[None]:
    """While a graph is traced that is to train on any number of replicas; `SpecError` inside a job.

    Functions that were traced before have no collectives in them, so they are traced again.
    """
    if _replaced:
        raise SpecError("A graph is stored from the notebook, not from inside a job.")
    fresh: dict[int, tuple[Any, Any]] = {}

    def again(original: Callable[..., Any]) -> Callable[..., Any]:
        def called(self: Any, *args: Any, **kwargs: Any) -> Any:
            if getattr(self, "_kf_copy", False) or tf.executing_eagerly():
                return original(self, *args, **kwargs)
            if rows.current() is not None:
                return original(rows.own_trace(self, lambda: _copy(self)), *args, **kwargs)
            if id(self) not in fresh:
                fresh[id(self)] = self, _copy(self)
            return original(fresh[id(self)][1], *args, **kwargs)

        return called

    try:
        _install_arithmetic()
        _replace(polymorphic_function.Function, "__call__", again)
        yield
    finally:
        while _replaced:
            setattr(*_replaced.pop())


@contextlib.contextmanager
def running(shell: Any = None) -> Iterator[None]:
    """While the user's program runs, in IPython's ``shell`` where it is a cell: it has one disk."""
    if _replaced:
        for owner, name, hook in writes.of_shell(shell) if shell else ():
            _replace(owner, name, hook)
    with disk.shared():
        yield


def uninstall() -> None:
    """Puts everything back, for tests. Graphs traced in between keep what they hold."""
    while _replaced:
        setattr(*_replaced.pop())
    stop.uninstall()
    watch.end()


def _replace(owner: Any, name: str, hook: Callable[[Any], Any]) -> None:
    original = vars(owner).get(name) or getattr(owner, name)
    replacement = hook(original)
    if isinstance(owner, types.ModuleType) and isinstance(replacement, types.FunctionType):
        replacement.__module__ = owner.__name__  # where pickle finds it
    setattr(owner, name, replacement)
    _replaced.append((owner, name, original))


class _Depth(threading.local):
    value = 0


_calls = _Depth()


def _stopping(original: Callable[..., Any]) -> Callable[..., Any]:
    """``Function.__call__``: a stop that arrived in the graph is raised by the outermost call."""

    def called(self: Any, *args: Any, **kwargs: Any) -> Any:
        if rows.current() is not None and not getattr(self, "_kf_copy", False):
            return rows.own_trace(self, lambda: _copy(self))(*args, **kwargs)
        if collective.apart() and not getattr(self, "_kf_copy", False):
            return _traced_apart(self)(*args, **kwargs)
        if _calls.value or not tf.executing_eagerly():
            return original(self, *args, **kwargs)
        _calls.value += 1
        try:
            with raised.alike(tf.errors.OpError, lambda: _works_together(self)):
                result = original(self, *args, **kwargs)
        except tf.errors.OpError as error:
            if not stop.mark_in(error):
                raise
            stop.check()
            raise
        finally:
            _calls.value -= 1
        stop.check()
        return result

    return called


def _works_together(function: Any) -> bool:
    """Whether there are collectives in it."""
    for traced in function._list_all_concrete_functions():
        definition = traced.graph.as_graph_def()
        for nodes in (definition.node, *(f.node_def for f in definition.library.function)):
            if any(node.op.startswith("Collective") for node in nodes):
                return True
    return False


def _traced_apart(function: Any) -> Any:
    """``function`` traced anew, without the collectives that have ended."""
    if function not in _apart:
        _apart[function] = _copy(function)
    return _apart[function]


def _copy(function: Any) -> Any:
    copy = function._clone(None)
    copy._kf_copy = True
    return copy


def _no_xla(original: Callable[..., None]) -> Callable[..., None]:
    """``tf.function(jit_compile=True)``: without XLA."""

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        if self._jit_compile and not _of_keras(self):
            self._jit_compile = None
            keras_steps.say_no_xla()

    return init


def _of_keras(function: Any) -> bool:
    """Whether it is what Keras compiles a single operation with (grouped convolutions need it)."""
    return bool(function.python_function.__module__ == keras_nn.__name__)


def uses_own_strategy(source: str) -> bool:
    """Whether the source makes a ``tf.distribute`` strategy of its own; then ``install`` is not called."""
    names = {node.attr for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)}
    names |= {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
    return any(name.endswith("Strategy") and name != "Strategy" for name in names)

"""What a trial changes and must put back, variables, random numbers, attributes, and what it notices.

Any variable of the process may be written by the user's code, so all living ones are looked at. They are not
copied: a tensor that was read keeps its buffer, and a variable that is written then gets another one.
"""

from __future__ import annotations

import contextlib
import gc
import io
import random
import warnings
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python import pywrap_tfe
from tensorflow.python.eager import context
from tensorflow.python.framework import op_callbacks

if TYPE_CHECKING:
    from collections.abc import Iterator

_SEED = 20_000_003
_SMALL = 1024
_OUTSIDE = {"PrintV2", "Print", "PyFunc", "PyFuncStateless", "EagerPyFunc", "WriteSummary"}
_RUNNING = {"Cumsum", "Cumprod", "CumulativeLogsumexp"}
_KERAS_OWN = {"_losses", "_loss_ids", "_metrics"}


class MustBeWhole(Exception):
    """The call does what must see the whole batch, whatever its results for made-up rows are."""


def variables() -> list[tuple[Any, Any]]:
    """All living variables with their values."""
    found = []
    for thing in gc.get_objects():
        if issubclass(type(thing), tf.Variable):
            with contextlib.suppress(Exception):  # of a graph, not initialised, deleted
                found.append((thing, read(thing)))
    return found


def read(variable: Any) -> Any:
    """The value of a variable, which stays what it is when the variable is written."""
    with tf.device("/device:CPU:0"):
        value = variable.read_value()
        # Random generators write their small state where it is.
        return tf.constant(value.numpy()) if value.shape.num_elements() <= _SMALL else value


def _written(before: Any, now: Any) -> bool:
    if before.shape.num_elements() > _SMALL:
        # Of ``numpy()`` each is a copy, at an address that is free again when the next one is made.
        old, new = np.asarray(before), np.asarray(now)
        return bool(old.ctypes.data != new.ctypes.data)
    return not np.array_equal(before.numpy(), now.numpy())


def changed(values: list[tuple[Any, Any]]) -> dict[int, Any]:
    """The new values of the variables that were written since ``values``, by place."""
    now = ((i, old, read(v)) for i, (v, old) in enumerate(values))
    return {i: new for i, old, new in now if _written(old, new)}


@contextlib.contextmanager
def state(values: list[tuple[Any, Any]], owner: Any) -> Iterator[Attributes]:
    """Puts back the variables and the attributes of ``owner``'s layers."""
    attributes = Attributes(owner)
    try:
        yield attributes
    finally:
        for i in changed(values):
            values[i][0].assign(values[i][1])
        attributes.put_back()


class Attributes:
    """The attributes of a model's layers as they were."""

    def __init__(self, owner: Any) -> None:
        layers = owner._flatten_layers() if isinstance(owner, keras.Layer) else []
        self._before = [(layer, {k: (v, _content(v)) for k, v in vars(layer).items()}) for layer in layers]

    def _differing(self) -> Iterator[tuple[Any, str, Any]]:
        for layer, before in self._before:
            for name, value in list(vars(layer).items()):
                old, content = before.get(name, (None, None))
                if name in _KERAS_OWN or (value is old and _alike(content, _content(value))):
                    continue
                yield layer, name, value

    def hold_tensors(self) -> bool:
        """Whether a call left tensors behind, which would be of a part of the batch."""
        return any(_has_tensor(value) for _, _, value in self._differing())

    def put_back(self) -> None:
        """Undoes what the call did to numbers, text, tensors and what lists and dicts hold."""
        before = {id(layer): attributes for layer, attributes in self._before}
        for layer, name, value in list(self._differing()):
            if name not in before[id(layer)]:
                if _has_tensor(value):
                    del vars(layer)[name]
                continue
            old, content = before[id(layer)][name]
            if value is not old and (_simple(old) or _has_tensor(value)):
                vars(layer)[name] = old
            if content is not None and _has_tensor(value) and isinstance(old, list):
                list.__setitem__(old, slice(None), content)
            elif content is not None and _has_tensor(value):
                dict.clear(old)
                dict.update(old, content)


def _content(value: Any) -> Any:
    return list(value) if isinstance(value, list) else dict(value) if isinstance(value, dict) else None


def _alike(a: Any, b: Any) -> bool:
    if a is None or b is None or len(a) != len(b):
        return a is b
    pairs = zip(a, b, strict=True) if isinstance(a, list) else ((a[k], b.get(k)) for k in a)
    return all(x is y for x, y in pairs)


def _simple(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float, str, tuple))


def _has_tensor(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(_has_tensor(v) for v in value)
    if isinstance(value, dict):
        return any(_has_tensor(v) for v in value.values())
    return isinstance(value, (tf.Tensor, keras.KerasTensor))


@contextlib.contextmanager
def outside() -> Iterator[None]:
    """Inside ``tf.init_scope``: keeps random numbers, shows nothing, stops where TensorFlow is left."""

    def watch(op_type: Any, inputs: Any, *_: Any, **__: Any) -> None:
        name = op_type.decode() if isinstance(op_type, bytes) else op_type
        if name in _OUTSIDE:
            raise MustBeWhole("it prints or calls Python from an operation")
        if (
            name in _RUNNING
            and (inputs[0].shape.rank or 0) > 1
            and not np.any(tf.get_static_value(inputs[1]))
        ):
            raise MustBeWhole("it adds up along the first axis")

    runtime = context.context()
    stream, python, numpy = getattr(runtime, "_rng", None), random.getstate(), np.random.get_state()
    runtime._rng = random.Random(_SEED)
    op_callbacks.add_op_callback(watch)
    pywrap_tfe.TFE_Py_TapeSetRestartOnThread()  # init_scope stops tapes, those of the trial too
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(action="ignore"):
            yield
    finally:
        pywrap_tfe.TFE_Py_TapeSetStopOnThread()
        op_callbacks.remove_op_callback(watch)
        if stream is not None:
            runtime._rng = stream
        else:
            del runtime._rng
        random.setstate(python)
        np.random.set_state(numpy)

"""Trained weights go back into live objects: the same variables, with new values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from ..errors import SpecError
from .naming import attribute_name

if TYPE_CHECKING:
    from .record import GraphRecord

_NUMBERED = re.compile(r"_\d+(?=/|$)")


def pairs(record: GraphRecord, values: list[Any], objects: tuple[Any, ...]) -> list[tuple[Any, Any]]:
    """Give each variable of ``objects`` its value: by name, else by the name without Keras's numbers.

    Variables that share such a name are taken in order. `SpecError` names one that has no value.
    """
    free = list(zip((w.name for w in record.weights), values, strict=True))
    found = []
    for name, variable in (pair for each in objects for pair in _variables(each)):
        shape = tuple(variable.shape)
        matches = [i for i, (n, v) in enumerate(free) if n == name and v.shape == shape] or [
            i for i, (n, v) in enumerate(free) if _plain(n) == _plain(name) and v.shape == shape
        ]
        if not matches:
            raise SpecError(
                f"The variable {name!r} of shape {shape} is not in {record.name!r} version {record.version}. "
                f"It has {', '.join(map(str, record.weights)) or 'no weights'}."
            )
        found.append((variable, free.pop(matches[0])[1]))
    return found


def into(found: list[tuple[Any, Any]]) -> None:
    """Write the values."""
    for variable, value in found:
        variable.assign(value)


def _plain(name: str) -> str:
    return _NUMBERED.sub("", name)


def _variables(thing: Any) -> list[tuple[str, Any]]:
    if isinstance(thing, keras.Model):
        optimizer = getattr(thing, "optimizer", None)
        own = [(v.path, v.value) for v in thing.variables]
        return own + (_variables(optimizer) if optimizer is not None and optimizer.built else [])
    if isinstance(thing, keras.Layer | keras.Optimizer):
        return [(v.path, v.value) for v in thing.variables]
    if isinstance(thing, keras.Variable):
        return [(thing.path, thing.value)]
    if isinstance(thing, tf.Variable):
        return [(thing.name.partition(":")[0], thing)]
    if isinstance(thing, tf.Module):
        return [(attribute_name(thing, v), v) for v in thing.variables]
    raise SpecError(
        f"A {type(thing).__name__} has no variables to write into: give a model, an optimizer or a module."
    )

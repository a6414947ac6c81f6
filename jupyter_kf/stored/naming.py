"""What the weights of a graph are called: Keras's paths, or the attributes of the user's modules."""

from __future__ import annotations

import types
from typing import Any

import keras
import tensorflow as tf
from tensorflow.python.eager.polymorphic_function import polymorphic_function


def names_of(*things: Any) -> dict[int, str]:
    """Give names, by identity of the tf.Variable, of all variables that are reached from ``things``."""
    found: dict[int, str] = {}
    todo, seen = list(things), set()
    while todo:
        thing = todo.pop()
        if thing is None or id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, keras.Layer | keras.Optimizer | keras.Metric | keras.Variable):
            found.update(_of_keras(thing))
        elif isinstance(thing, tf.Module):
            found.update({id(v): attribute_name(thing, v) for v in thing.variables})
        todo.extend(_within(thing))
    return found


def attribute_name(module: Any, variable: Any) -> str:
    """Give the path of attributes from a tf.Module to one of its variables."""
    for path, value in module._flatten(predicate=lambda v: v is variable, with_path=True):
        if value is variable:
            return ".".join(map(str, path))
    return str(variable.name.partition(":")[0])


def _of_keras(thing: Any) -> dict[int, str]:
    variables = [thing] if isinstance(thing, keras.Variable) else thing.variables
    return {id(v.value): v.path for v in variables}


def _within(thing: Any) -> list[Any]:
    """What else to look at: a model's optimizer, what a function closes over, what a container holds."""
    match thing:
        case keras.Model():
            return [getattr(thing, "optimizer", None), *(thing.metrics if thing.compiled else ())]
        case tf.Module():
            return list(vars(thing).values())
        case polymorphic_function.Function():
            return [thing._python_function]
        case types.MethodType():
            return [thing.__self__, thing.__func__]
        case types.FunctionType():
            closed = [c.cell_contents for c in thing.__closure__ or () if _filled(c)]
            return closed + [thing.__globals__.get(n) for n in thing.__code__.co_names]
        case list() | tuple():
            return list(thing)
        case dict():
            return list(thing.values())
    return []


def _filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False

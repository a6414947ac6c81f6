"""The name by which the user knows an object: ``history['lock']``, ``model.callbacks[0].file``.

Searched only when something is to be said about the object, breadth first, so the shortest name wins.
"""

from __future__ import annotations

import collections
import functools
import types
from collections.abc import Iterator, Mapping
from typing import Any

from jupyter_kf.capture import functions

LIMIT = 2_000_000  # objects looked at before giving up


def path_to(target: Any, roots: Mapping[str, Any], names: Mapping[int, str] | None = None) -> str | None:
    """The shortest path to `target`; `names` restart the path at objects that have a name of their own."""
    names = names or {}
    queue = collections.deque((names.get(id(obj), name), obj) for name, obj in roots.items())
    seen: dict[int, Any] = {}
    while queue and len(seen) < LIMIT:
        name, obj = queue.popleft()
        if obj is target:
            return name
        if id(obj) in seen or isinstance(obj, str | bytes | int | float | type(None)):
            continue
        seen[id(obj)] = obj
        queue.extend((names.get(id(child), name + step), child) for step, child in children(obj))
    return None


def children(obj: Any) -> Iterator[tuple[str, Any]]:
    """What an object holds, each with the step that leads there."""
    if isinstance(obj, Mapping) and hasattr(obj, "items"):
        yield from ((f"[{key!r}]", value) for key, value in list(obj.items()))
        yield from ((f".keys(): {key!r}", key) for key in list(obj))
    elif isinstance(obj, list | tuple | collections.deque):
        yield from ((f"[{place}]", value) for place, value in enumerate(list(obj)))
    elif isinstance(obj, set | frozenset):
        yield from ((f", the item {value!r}", value) for value in list(obj))
    elif isinstance(obj, types.MethodType):
        yield from (("", obj.__self__), ("", obj.__func__))
    elif isinstance(obj, functools.partial):
        yield from ((".func", obj.func), (".args", obj.args), (".keywords", obj.keywords))
    elif isinstance(obj, types.FunctionType):
        yield from _of_function(obj)
    if not isinstance(obj, types.ModuleType):
        yield from _attributes(obj)


def _of_function(func: types.FunctionType) -> Iterator[tuple[str, Any]]:
    for name, cell in zip(func.__code__.co_freevars, func.__closure__ or (), strict=False):
        for value in functions.cell_contents(cell):
            yield f" (its closure's {name!r})", value
    if functions.by_value(func):
        for name in sorted(functions.global_names(func.__code__)):
            if name in func.__globals__:
                yield f" (its global {name!r})", func.__globals__[name]
    yield ".__defaults__", func.__defaults__


def _attributes(obj: Any) -> Iterator[tuple[str, Any]]:
    held = getattr(obj, "__dict__", None)
    if isinstance(held, Mapping) and not isinstance(obj, type):
        yield from ((f".{name}", value) for name, value in list(held.items()))
    for cls in type(obj).__mro__ if not isinstance(obj, type) else ():
        slots = cls.__dict__.get("__slots__", ())
        for name in [slots] if isinstance(slots, str) else slots:
            if not name.startswith("__") and hasattr(obj, name):
                yield f".{name}", getattr(obj, name)

"""The kinds of Python's own objects: containers, instances, and whatever pickles in its own way."""

from __future__ import annotations

import array
import copyreg
import threading
import types
import weakref
from typing import Any

from jupyter_kf.capture import compare, refusals
from jupyter_kf.capture.kind import Kind, no_fill, nothing

# ---- plain containers: pickle makes them; these kinds serve the way back only


def _cls(obj: Any) -> tuple[Any, ...]:
    return type(obj), ()


def fill_list(obj: list[Any], contents: tuple[Any, ...]) -> None:
    list.clear(obj)
    list.extend(obj, contents)


def fill_dict(obj: dict[Any, Any], contents: tuple[tuple[Any, ...], tuple[Any, ...]]) -> None:
    dict.clear(obj)
    dict.update(obj, zip(*contents, strict=True))


def fill_set(obj: set[Any], contents: tuple[Any, ...]) -> None:
    set.clear(obj)
    set.update(obj, contents)


def fill_bytearray(obj: bytearray, contents: bytes) -> None:
    obj[:] = contents


def dict_contents(obj: dict[Any, Any]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    return tuple(dict.keys(obj)), tuple(dict.values(obj))


LIST = Kind(_cls, lambda obj: tuple(list.__iter__(obj)), fill_list)
DICT = Kind(_cls, dict_contents, fill_dict)
SET = Kind(_cls, tuple, fill_set)
BYTEARRAY = Kind(_cls, bytes, fill_bytearray)


# ---- instances of ordinary classes


def new(cls: type) -> Any:
    """A bare instance."""
    return object.__new__(cls)


def slot_names(cls: type) -> list[str]:
    """The attributes of its instances that are slots."""
    names: list[str] = vars(copyreg)["_slotnames"](cls)
    return [name for name in names if isinstance(getattr(cls, name, None), types.MemberDescriptorType)]


def instance_contents(obj: Any) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    names, values = [], []
    for name, value in getattr(obj, "__dict__", {}).items():
        names.append(name)
        values.append(value)
    for name in slot_names(type(obj)):
        if hasattr(obj, name):
            names.append(name)
            values.append(getattr(obj, name))
    return tuple(names), tuple(values)


def fill_instance(obj: Any, contents: tuple[tuple[str, ...], tuple[Any, ...]]) -> None:
    attributes = dict(zip(*contents, strict=True))
    for name in slot_names(type(obj)):
        if name in attributes:
            object.__setattr__(obj, name, attributes.pop(name))
        elif hasattr(obj, name):
            object.__delattr__(obj, name)
    if hasattr(obj, "__dict__"):
        obj.__dict__.clear()
        obj.__dict__.update(attributes)


INSTANCE = Kind(lambda obj: (new, (type(obj),)), instance_contents, fill_instance)


# ---- objects that pickle in their own way


def reduced(obj: Any) -> tuple[Any, ...]:
    """The object's own pickling, as (callable, arguments, state, list items, dict items, setter)."""
    reducer = copyreg.dispatch_table.get(type(obj))
    try:
        parts = reducer(obj) if reducer else obj.__reduce_ex__(4)
    except Exception as error:  # whatever the object's own rules raise
        raise refusals.Culprit(obj, *refusals.unpicklable(obj, error)) from error
    if isinstance(parts, str):
        return (parts,)
    return (*parts, *(None,) * (6 - len(parts)))


def opaque_make(obj: Any) -> tuple[Any, ...]:
    return reduced(obj)[:2]


def opaque_contents(obj: Any) -> Any:
    function, arguments, state, items, pairs, setter = reduced(obj)
    listed = None if items is None else tuple(items)
    paired = None if pairs is None else tuple(pairs)
    return function, arguments, state, listed, paired, setter


def fill_opaque(obj: Any, contents: Any) -> None:
    """Fill by the object's own rules.

    :raises refusals.Culprit: what changed is fixed when such an object is made
    """
    function, arguments, state, listed, paired, setter = contents
    if not compare.alike(arguments, reduced(obj)[1]):
        _transplant(obj, function(*arguments))
    if listed is not None:
        obj.clear() if hasattr(obj, "clear") else obj.__delitem__(slice(None))
        obj.extend(listed) if hasattr(obj, "extend") else [obj.append(item) for item in listed]
    if paired is not None:
        obj.clear()
        for key, value in paired:
            obj[key] = value
    if setter is not None:
        setter(obj, state)
    elif hasattr(obj, "__setstate__"):
        if state is not None:
            obj.__setstate__(state)
    elif state is not None:
        fill_state(obj, state)


def _transplant(obj: Any, new: Any) -> None:
    """Take over the contents of an object of the same type that was made from other arguments."""
    if isinstance(obj, array.array | list):
        obj[:] = new
    elif isinstance(obj, dict):
        fill_dict(obj, dict_contents(new))
    elif isinstance(obj, set):
        fill_set(obj, tuple(new))
    elif hasattr(obj, "__dict__") or slot_names(type(obj)):
        fill_instance(obj, instance_contents(new))
    else:
        raise refusals.Culprit(
            obj,
            f"it was changed there, and a {type(obj).__name__} cannot be set to another state here",
            "make it inside the cell",
        )


def fill_state(obj: Any, state: Any) -> None:
    """Pickle's default rule for a state, but replacing instead of adding."""
    attributes, slots = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
    if attributes is not None:
        obj.__dict__.clear()
        obj.__dict__.update(attributes)
    for name, value in (slots or {}).items():
        object.__setattr__(obj, name, value)


FIXED = Kind(opaque_make, nothing, no_fill, made_full=True)  # has a number, but never changes
OPAQUE = Kind(opaque_make, opaque_contents, fill_opaque, as_pickled=True)


# ---- small things that need their own way


def local_contents(obj: threading.local) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    return dict_contents(obj.__dict__)


def fill_local(obj: threading.local, contents: tuple[tuple[str, ...], tuple[Any, ...]]) -> None:
    fill_dict(obj.__dict__, contents)


def weak(target: Any) -> Any:
    """A weak reference; to nothing, if there was nothing."""
    return weakref.ref(target if target is not None else _Gone())


class _Gone:
    """What a dead weak reference pointed to."""


def fill_weak_dict(obj: Any, contents: tuple[tuple[Any, ...], tuple[Any, ...]]) -> None:
    obj.clear()
    obj.update(zip(*contents, strict=True))


def fill_weak_set(obj: weakref.WeakSet[Any], contents: tuple[Any, ...]) -> None:
    obj.clear()
    obj.update(contents)


def weak_dict_contents(obj: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """What is still alive."""
    items = list(obj.items())
    return tuple(key for key, _ in items), tuple(value for _, value in items)


LOCK = Kind(lambda _: (threading.Lock, ()), nothing, no_fill, made_full=True)
RLOCK = Kind(lambda _: (threading.RLock, ()), nothing, no_fill, made_full=True)
LOCAL = Kind(lambda _: (threading.local, ()), local_contents, fill_local)
WEAK_DICT = Kind(lambda obj: (type(obj), ()), weak_dict_contents, fill_weak_dict)
WEAK_SET = Kind(lambda _: (weakref.WeakSet, ()), tuple, fill_weak_set)
WEAKREF = Kind(lambda obj: (weak, (obj(),)), nothing, no_fill, made_full=True)

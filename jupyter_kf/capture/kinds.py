"""Which kind an object has.

Objects without a kind (numbers, strings, tuples, importable functions and classes) are values: they travel
by plain cloudpickle and are never written to. The kinds of NumPy and TensorFlow are in modules of their own,
looked up only when their types turn up.
"""

from __future__ import annotations

import _thread
import array
import collections
import copyreg
import datetime
import decimal
import fractions
import functools
import pathlib
import re
import sys
import threading
import types
import uuid
import weakref
from typing import Any

from jupyter_kf.capture import closed, ended, exceptions, functions, objects, refusals, wrapped
from jupyter_kf.capture.kind import Kind

_RLOCK = type(threading.RLock())
ATOMS: frozenset[type] = frozenset({
    str, bytes, int, float, complex, bool, type(None), type(...), type(NotImplemented), range, slice, tuple,
    frozenset, types.CodeType, types.BuiltinFunctionType, types.ModuleType, types.MethodDescriptorType,
    types.WrapperDescriptorType, types.GetSetDescriptorType, types.MemberDescriptorType, property,
    staticmethod, classmethod, types.MappingProxyType, types.GenericAlias, types.UnionType,
    datetime.datetime, datetime.date, datetime.time, datetime.timedelta, datetime.timezone,
    decimal.Decimal, fractions.Fraction, uuid.UUID, re.Pattern, pathlib.PosixPath, pathlib.PurePosixPath,
})  # fmt: skip
_PLAIN: dict[type, Kind | None] = {
    list: objects.LIST,
    dict: objects.DICT,
    set: objects.SET,
    bytearray: objects.BYTEARRAY,
    **dict.fromkeys(ATOMS),
    types.CellType: Kind(lambda _: (types.CellType, ()), functions.cell_contents, functions.fill_cell),
    types.MethodType: None,
    functools.partial: objects.OPAQUE,
    collections.OrderedDict: objects.OPAQUE,
    threading.local: objects.LOCAL,
    weakref.ref: objects.WEAKREF,
    weakref.WeakSet: objects.WEAK_SET,
    weakref.WeakKeyDictionary: objects.WEAK_DICT,
    weakref.WeakValueDictionary: objects.WEAK_DICT,
    types.TracebackType: exceptions.TRACEBACK,
}
_FUNCTION = Kind(functions.make, functions.contents, functions.fill)
_CLASS = Kind(
    lambda cls: (type(cls), ()), functions.class_contents, functions.fill_class, made_by_cloudpickle=True
)
_by_type: dict[type, Kind | None] = dict(_PLAIN)
uncached: set[type] = {_thread.LockType, _RLOCK}  # whose kind depends on the object


def by_reference(obj: Any) -> tuple[Any, ...] | None:
    """The reduction of a thing that every process has under the same name."""
    name = _stream(obj)
    if name:
        return getattr, (sys, name)
    home = _singletons(type(obj))
    return (getattr, (sys.modules[type(obj).__module__], home[id(obj)])) if id(obj) in home else None


_homes: dict[type, dict[int, str]] = {}
_SET_BY_PROGRAMS = {"tensorflow.python.ops.stateful_random_ops"}  # what its globals hold is no singleton


def _stream(obj: Any) -> str | None:
    names = ("stdout", "stderr", "__stdout__", "__stderr__")
    return next((name for name in names if obj is getattr(sys, name)), None)


def _singletons(cls: type) -> dict[int, str]:
    """Names, by id, of the instances of a class that are globals of the (importable) module of the class."""
    if cls not in _homes:
        elsewhere = cls.__module__ not in {"__main__", "builtins", *_SET_BY_PROGRAMS}
        module = sys.modules.get(cls.__module__) if elsewhere else None
        _homes[cls] = {id(v): k for k, v in vars(module).items() if type(v) is cls} if module else {}
    return _homes[cls]


def kind_of(obj: Any) -> Kind | None:
    """The kind of an object, None for values.

    :raises refusals.Culprit: the object cannot travel at all
    """
    cls = type(obj)
    if cls in _by_type:
        return _by_type[cls]
    if cls is types.FunctionType:
        return _FUNCTION if functions.by_value(obj) else None
    if isinstance(obj, type):
        return _CLASS if functions.by_value(obj) else None
    if _stream(obj):
        return None
    if closed.is_closed(obj):
        return closed.CLOSED_FILE
    over = ended.kind_of(obj) or wrapped.kind_of(obj)
    if over is not None:
        return over
    reason = refusals.refusal(obj)
    if reason is not None:
        raise refusals.Culprit(obj, *reason)
    if id(obj) in _singletons(cls):
        return None
    kind = _resolve(obj)
    if cls not in uncached and not _singletons(cls):
        _by_type[cls] = kind
    return kind


def _resolve(obj: Any) -> Kind | None:
    if type(obj) is _thread.LockType:
        return objects.LOCK
    if type(obj) is _RLOCK:
        return objects.RLOCK
    roots = {
        base.__module__.partition(".")[0] for base in type(obj).__mro__ if isinstance(base.__module__, str)
    }
    if "tf_keras" in roots:
        raise refusals.Culprit(
            obj,
            "it is an object of tf_keras, the old Keras 2",
            "build the model with keras, which is Keras 3",
        )
    if roots & {"tensorflow", "keras"}:
        from jupyter_kf.capture import tensorflow

        found, kind = tensorflow.resolve(obj)
        if found:
            return kind
    if "pandas" in roots:
        from jupyter_kf.capture import pandas

        found, kind = pandas.resolve(obj)
        if found:
            return kind
    if "numpy" in roots:
        from jupyter_kf.capture import arrays

        found, kind = arrays.resolve(obj)
        if found:
            return kind
    return _by_protocol(obj)


def _closed(obj: Any) -> bool:
    """Whether all that an object is was given when it was made: nothing of Python's can be set in it."""
    if isinstance(obj, array.array) or hasattr(obj, "__next__"):
        return False
    return not hasattr(obj, "__dict__") and not objects.slot_names(type(obj))


_NEW: Any = vars(copyreg)["__newobj__"]


def _by_protocol(obj: Any) -> Kind | None:
    """objects.INSTANCE if the type pickles by object's own rules, else objects.OPAQUE."""
    cls = type(obj)
    if isinstance(obj, BaseException):
        return exceptions.EXCEPTION
    parts = objects.reduced(obj)
    if len(parts) == 1:
        return None
    default = (id(parts[0]), parts[1]) == (id(_NEW), (cls,)) and parts[3:] == (None, None, None)
    if parts[2:5] == (None, None, None) and _closed(obj):
        return objects.FIXED
    getstate: Any = cls.__getstate__
    own = hasattr(cls, "__setstate__") or getstate is not object.__getstate__
    return objects.INSTANCE if default and not own else objects.OPAQUE

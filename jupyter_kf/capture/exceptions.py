"""Exceptions that somebody keeps: with the lines that they came by and the exceptions that led to them.

An exception of the notebook's own may take other arguments than it hands on to Python's, so it is made
without calling it. What a traceback holds of its process, the variables of its frames, stays behind.
"""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

from jupyter_kf import frames
from jupyter_kf.capture import objects
from jupyter_kf.capture.kind import Kind, no_fill, nothing

if TYPE_CHECKING:
    from types import TracebackType

_PYTHONS = (types.MethodDescriptorType, types.WrapperDescriptorType)
"""Methods that are Python's, not written in it."""


def _plain(traceback: TracebackType | None) -> tuple[tuple[Any, ...], ...]:
    return tuple(map(tuple, frames.to_plain(traceback)))


def make(error: BaseException) -> tuple[Any, ...]:
    return objects.opaque_make(error) if _has_own_way(error) else (again, (type(error), error.args))


def _has_own_way(error: BaseException) -> bool:
    """Whether its class says how it is pickled, as TensorFlow's do."""
    cls = type(error)
    return not isinstance(cls.__reduce__, _PYTHONS) or cls.__reduce_ex__ is not object.__reduce_ex__


def again(cls: type[BaseException], args: tuple[Any, ...]) -> BaseException:
    """An exception with these arguments of Python's."""
    error = cls.__new__(cls, *args)
    if isinstance(cls.__init__, _PYTHONS):
        error.__init__(*args)  # type: ignore[misc]
    error.args = args
    return error


def contents(error: BaseException) -> tuple[Any, ...]:
    state = _notes(error) if _has_own_way(error) else objects.reduced(error)[2] or {}
    held = tuple(state), tuple(state.values())
    led = error.__cause__, error.__context__, error.__suppress_context__
    return held, error.args, _plain(error.__traceback__), *led


def fill(error: BaseException, contents: tuple[Any, ...]) -> None:
    held, args, rows, cause, context, suppress = contents
    if not _has_own_way(error):
        vars(error).clear()
    for name, value in zip(*held, strict=True):
        setattr(error, name, value)
    error.args = args
    error.__traceback__ = frames.from_plain(rows)
    error.__cause__, error.__context__, error.__suppress_context__ = cause, context, suppress


def _notes(error: BaseException) -> dict[str, Any]:
    return {name: value for name, value in vars(error).items() if name == "__notes__"}


EXCEPTION = Kind(make, contents, fill)
TRACEBACK = Kind(lambda found: (frames.from_plain, (_plain(found),)), nothing, no_fill, made_full=True)

"""Files are written by rank 0: what Keras and TensorFlow save, and callbacks that do nothing but write.

The other replicas wait until the file is there, so that the program may read it in its next line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from ..errors import JobError
from . import collective, resume

if TYPE_CHECKING:
    from collections.abc import Callable

_WRITERS = (keras.callbacks.CSVLogger, keras.callbacks.TensorBoard)


def by_rank_0(answer: str | None) -> Callable[[Any], Any]:
    """A hook for what writes; other ranks return its second argument, called ``answer`` (None: nothing)."""

    def hook(original: Callable[..., Any]) -> Callable[..., Any]:
        def write(*args: Any, **kwargs: Any) -> Any:
            given = dict(zip(("", answer), args, strict=False)) | kwargs
            if resume.passing_over():  # it was written by an earlier attempt
                return given[answer] if answer else None
            if collective.world_size() == 1 or tf.inside_function() or _writing:
                return original(*args, **kwargs)
            if collective.rank():
                if not int(collective.add(tf.constant(0))):
                    raise JobError("Rank 0 could not write a file; its own error says why.")
                return given[answer] if answer else None
            return _write(original, args, kwargs)

        return write

    return hook


_writing: list[bool] = []


def _write(original: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    done = 0
    _writing.append(True)
    try:
        result = original(*args, **kwargs)
        done = 1
    finally:
        _writing.pop()
        collective.add(tf.constant(done))
    return result


def without_writers(callbacks: Any) -> Any:
    """The callbacks of a replica: on all but rank 0 without those that only write."""
    if not collective.rank() or isinstance(callbacks, keras.callbacks.CallbackList):
        return callbacks
    return [c for c in tf.nest.flatten(callbacks) if c is not None and type(c) not in _WRITERS]

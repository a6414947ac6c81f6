"""What the objects held at some moment, to know later which of them changed.

One level deep: a container is changed if it holds other objects than before, not if one of them changed;
that one has a number of its own. Buffers are not kept; they are compared with where they were stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jupyter_kf.capture import kinds, objects
from jupyter_kf.capture.tensors import Buffer, Stored

if TYPE_CHECKING:
    from collections.abc import Mapping


class Snapshot:
    """The contents of numbered objects."""

    def __init__(self, objects: Mapping[int, Any], stored: Stored, keys: Mapping[int, int]) -> None:
        self._objects, self._stored, self._keys = objects, stored, keys
        self._before = {number: _contents(obj) for number, obj in objects.items()}

    def changed(self) -> list[int]:
        """The numbers of the objects that hold something else now."""
        return [n for n, obj in self._objects.items() if not self._same(self._before[n], _contents(obj))]

    def _same(self, before: Any, now: Any) -> bool:
        if before is now:
            return True
        if type(before) is not type(now):
            return False
        if isinstance(before, tuple):
            return len(before) == len(now) and all(map(self._same, before, now))
        if isinstance(before, Buffer):
            return self._same_buffer(before, now)
        return (type(before).__module__ == "numpy" and _same_array(before, now)) or _equal(before, now)

    def _same_buffer(self, before: Buffer, now: Buffer) -> bool:
        key = self._keys.get(id(before.owner))
        alike = key is not None and (before.dtype, before.shape) == (now.dtype, now.shape)
        return alike and self._stored.same(key, now.view())  # type: ignore[arg-type]


def _contents(obj: Any) -> Any:
    kind = kinds.kind_of(obj)
    if kind is None:
        return None
    contents = kind.contents(obj)
    return _frozen(contents) if kind is objects.OPAQUE else contents


def _frozen(value: Any, depth: int = 4) -> Any:
    """A copy of what an object's own pickling gave out, for it may be the object's live dictionary."""
    if depth and type(value) is dict:
        return ("dict", *((key, _frozen(item, depth - 1)) for key, item in value.items()))
    if depth and type(value) in (list, tuple):
        return (type(value).__name__, *(_frozen(item, depth - 1) for item in value))
    return value


def _same_array(before: Any, now: Any) -> bool:
    import numpy

    if not isinstance(before, numpy.ndarray) or before.dtype != now.dtype or before.shape != now.shape:
        return False
    return not before.dtype.hasobject and before.tobytes() == now.tobytes()


def _equal(before: Any, now: Any) -> bool:
    if type(before) not in kinds.ATOMS:
        return False
    return bool(before == now) or (before != before and now != now)  # NaN equals NaN here

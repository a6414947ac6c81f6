"""Whether two readings of an object's contents say the same, one level deep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def alike(before: Any, now: Any, part: Callable[[Any, Any], bool] | None = None) -> bool:
    """The same objects in the same places of the same tuples; plain values may be equal instead.

    :param part: how to compare mentions of memory
    """
    if before is now:
        return True
    if type(before) is not type(now):
        return False
    if isinstance(before, tuple):
        return len(before) == len(now) and all(alike(a, b, part) for a, b in zip(before, now, strict=True))
    if part is not None and type(before).__name__ == "Part":
        return part(before, now)
    if type(before).__module__ == "numpy":
        return _same_array(before, now)
    if type(before).__module__ == "pyarrow.lib" and hasattr(before, "equals"):
        return bool(before.equals(now))
    return _equal(before, now)


def frozen(value: Any, depth: int = 4) -> Any:
    """A copy of what an object's own pickling gave out, for it may be the object's live dictionary."""
    if depth and type(value) is dict:
        return ("dict", *((key, frozen(item, depth - 1)) for key, item in value.items()))
    if depth and type(value) in (list, tuple):
        return (type(value).__name__, *(frozen(item, depth - 1) for item in value))
    return value


def _same_array(before: Any, now: Any) -> bool:
    if not hasattr(before, "tobytes") or before.dtype.hasobject:
        return False
    same = before.dtype == now.dtype and before.shape == now.shape
    return bool(same and before.tobytes() == now.tobytes())


def _equal(before: Any, now: Any) -> bool:
    if type(before).__module__ not in ("builtins", "datetime", "decimal", "fractions", "pathlib", "uuid"):
        return False
    if (
        isinstance(before, list | dict | set | bytearray | BaseException)
        or vars(object)["__eq__"] is type(before).__eq__
    ):
        return False
    return bool(before == now) or (before != before and now != now)  # NaN equals NaN here

"""Things around a file that do not say themselves how they travel: tables of text, archives, progress bars.

They are as good as what they are around: one around a closed file is told again around a closed file, and an
archive of arrays with its arrays, wherever the file may be.
"""

from __future__ import annotations

import csv
import gc
import io
import sys
from typing import TYPE_CHECKING, Any

from jupyter_kf.capture import refusals
from jupyter_kf.capture.kind import Kind, no_fill, nothing

if TYPE_CHECKING:
    from collections.abc import Callable

_DIALECT: tuple[str, ...] = ("delimiter", "doublequote", "escapechar", "lineterminator", "quotechar")
_DIALECT += ("quoting", "skipinitialspace", "strict")


def again_csv(name: str, around: Any, dialect: dict[str, Any]) -> Any:
    """A reader or a writer of ``csv`` around the same."""
    return getattr(csv, name)(around, **dialect)


def _csv(obj: Any) -> tuple[Any, ...]:
    name = type(obj).__name__
    held = [r for r in gc.get_referents(obj) if not isinstance(r, (csv.Dialect, type(obj.dialect), type))]
    around = [getattr(r, "__self__", r) for r in held if callable(r) or hasattr(r, "__next__")]
    if not around:
        raise refusals.Culprit(obj, "what it is around cannot be told", "make it inside the cell")
    source = around[0]
    if name == "reader" and getattr(source, "closed", False):
        source = iter(())  # no reader is made around a closed file
    return again_csv, (name, source, {k: getattr(obj.dialect, k) for k in _DIALECT})


class _Named(io.BytesIO):
    name = ""


def again_npz(name: str, arrays: dict[str, Any], pickled: bool, closed: bool) -> Any:
    """An archive of ``numpy.savez`` with these arrays."""
    import numpy as np

    held = _Named()
    held.name = name
    np.savez(held, allow_pickle=True, **arrays)
    held.seek(0)
    archive: Any = np.load(held, allow_pickle=pickled)
    archive.fid = held  # closed with it
    if closed:
        archive.close()
    return archive


def _npz(obj: Any) -> tuple[Any, ...]:
    closed = obj.zip is None
    arrays = {file: None if closed else obj[file] for file in obj.files}
    return again_npz, (getattr(obj.fid, "name", "object"), arrays, obj.allow_pickle, closed)


def again_bar(cls: Any, attributes: dict[str, Any]) -> Any:
    """A progress bar that has ended."""
    bar = object.__new__(cls)
    vars(bar).update(attributes, fp=sys.stderr, iterable=None)
    return bar


def _bar(obj: Any) -> tuple[Any, ...]:
    if not obj.disable:
        raise refusals.Culprit(obj, "it is a progress bar that is still shown", "close it, or make it inside")
    left = ("fp", "sp", "iterable")  # where it was shown, and what it went through
    return again_bar, (type(obj), {k: v for k, v in vars(obj).items() if k not in left})


def _kind(make: Callable[[Any], tuple[Any, ...]]) -> Kind:
    return Kind(make, nothing, no_fill, made_full=True)


_BY_NAME = {
    "_csv.writer": _kind(_csv),
    "_csv.reader": _kind(_csv),
    "numpy.lib._npyio_impl.NpzFile": _kind(_npz),
    "numpy.lib.npyio.NpzFile": _kind(_npz),
    "tqdm.std.tqdm": _kind(_bar),
}


def kind_of(obj: Any) -> Kind | None:
    """How it travels; None: it is nothing of that sort."""
    for base in type(obj).__mro__:
        kind = _BY_NAME.get(f"{base.__module__}.{base.__qualname__}")
        if kind is not None:
            return kind
    return None

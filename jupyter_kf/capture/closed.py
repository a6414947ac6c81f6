"""Files that are closed: a ``with`` block leaves its name bound to one, and it is a claim on nothing."""

from __future__ import annotations

import io
import os
import sys
from typing import Any

from jupyter_kf.capture.kind import Kind, no_fill, nothing

_FILES = (io.TextIOWrapper, io.BufferedReader, io.BufferedWriter, io.BufferedRandom, io.FileIO)


def is_closed(obj: Any) -> bool:
    """Whether ``obj`` is a file that has been closed."""
    if "h5py" in sys.modules and isinstance(obj, sys.modules["h5py"].File):
        return not obj
    try:
        return isinstance(obj, _FILES) and obj.closed
    except ValueError:  # it has given its buffer away
        return False


def again(name: Any, mode: str, encoding: str | None, buffering: int) -> Any:
    """A closed file as it was."""
    file: Any = open(os.devnull, mode.replace("x", "w"), buffering, encoding)  # noqa: PTH123, SIM115
    bare = getattr(file, "buffer", file)
    getattr(bare, "raw", bare).name = name
    if encoding:
        file.mode = mode
    file.close()
    return file


def again_hdf5(cls: Any) -> Any:
    """A closed HDF5 file, which says nothing but that."""
    file = cls("closed", "w", driver="core", backing_store=False)
    file.close()
    return file


def _made(obj: Any) -> tuple[Any, ...]:
    if not isinstance(obj, io.IOBase):
        return again_hdf5, (type(obj),)
    mode, name = getattr(obj, "mode", "r"), getattr(obj, "name", "")
    return again, (name, mode, getattr(obj, "encoding", None), 0 if isinstance(obj, io.FileIO) else -1)


CLOSED_FILE = Kind(_made, nothing, no_fill, made_full=True)

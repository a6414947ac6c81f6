"""Files that are closed: a ``with`` block leaves its name bound to one, and it is a claim on nothing."""

from __future__ import annotations

import io
from typing import Any

from jupyter_kf.capture.kind import Kind, no_fill, nothing

_TEXT, _RAW = io.TextIOWrapper, io.FileIO
_BUFFERED = (io.BufferedReader, io.BufferedWriter, io.BufferedRandom)


class _Gone(io.RawIOBase):
    """What was below a closed file: its name and its mode."""

    def __init__(self, name: Any, mode: str) -> None:
        self.name, self.mode = name, mode

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return 0


def is_closed(obj: Any) -> bool:
    """Whether ``obj`` is a file that has been closed."""
    if not isinstance(obj, (_TEXT, _RAW, *_BUFFERED)):
        return False
    try:
        return obj.closed
    except ValueError:  # it has given its buffer away
        return False


def again(place: int, name: Any, mode: str, encoding: str) -> Any:
    """A closed file as it was."""
    below = _Gone(name, mode)
    file: Any = below
    if place < len(_BUFFERED):
        file = _BUFFERED[place](below)
    elif encoding:
        file = _TEXT(io.BufferedWriter(below), encoding)
        file.mode = mode
    file.close()
    return file


def _made(obj: Any) -> tuple[Any, ...]:
    place = next((i for i, kind in enumerate(_BUFFERED) if isinstance(obj, kind)), len(_BUFFERED))
    name, mode = getattr(obj, "name", ""), getattr(obj, "mode", "")
    return again, (place, name, mode, getattr(obj, "encoding", ""))


CLOSED_FILE = Kind(_made, nothing, no_fill, made_full=True)

"""Tracebacks that travel: the frames of another process as plain values, and back as a traceback.

What comes back can be raised and is shown by any front end with the lines of the source, as long
as that is known here; it holds no variables. Only names and numbers travel, never code.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

_MARK = "__replica_frame__"
# A local call has no frames of what lies between the user's code and the libraries in a replica.
_BETWEEN = str(Path(__file__).with_name("parallel"))


def to_plain(traceback: TracebackType | None, start: str = "", skip: int = 0) -> list[list[Any]]:
    """Give ``[file, function, first line, line]`` of each frame, the outermost first.

    Frames before the first of the file ``start`` are left out, if there is one, and ``skip`` more.
    """
    rows: list[list[Any]] = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        rows.append([code.co_filename, code.co_name, code.co_firstlineno, traceback.tb_lineno])
        traceback = traceback.tb_next
    first = next((i for i, row in enumerate(rows) if row[0] == start), None)
    rows = rows if first is None else rows[first + skip :]
    return [row for row in rows if not row[0].startswith(_BETWEEN)]


def from_plain(rows: Sequence[Sequence[Any]]) -> TracebackType | None:
    """Make a traceback of what `to_plain` gave."""
    made: TracebackType | None = None
    for file, function, first_line, line in reversed(rows):
        frame = _frame(file, function, min(first_line, line), line)
        made = TracebackType(made, frame, frame.f_lasti, line)
    return made


def only_theirs(traceback: TracebackType | None) -> TracebackType | None:
    """Leave out this process's own frames before the first that travelled; all if none did."""
    here = traceback
    while here is not None and _MARK not in here.tb_frame.f_globals:
        here = here.tb_next
    return here or traceback


def _frame(file: str, function: str, first_line: int, line: int) -> FrameType:
    """Make a frame by raising in code that claims to stand where the other frame stood."""
    code = compile("\n" * (line - first_line) + "raise ZeroDivisionError", file, "exec")
    code = code.replace(co_name=function, co_qualname=function, co_firstlineno=first_line)
    try:
        exec(code, {_MARK: True, "__name__": "__replica__"})
    except ZeroDivisionError:
        traceback = sys.exc_info()[2]
        assert traceback is not None and traceback.tb_next is not None
        return traceback.tb_next.tb_frame
    raise AssertionError("the line above always raises")

"""The grammar of a replica's log: text as it was printed, with records in between.

A log is the one channel out of a replica. Whatever code prints stands in it as it is; what is
not text on standard output (standard error, rich output, metrics, marks) is a record: the
character U+001E, one JSON object, a line feed, as in JSON text sequences (RFC 7464). So a log
is readable with any pager, passes through any log collector, and loses nothing.

Records have the key ``kind``:

``begin``, ``end``   the user's code starts, has ended
``stdout``           ``text`` that has a U+001E of its own
``stderr``           ``text``
``display``          ``data``, ``metadata``, ``transient``, ``update``: a display message
``result``           ``data``, ``metadata``: the value of a cell's last expression
``clear``            ``wait``: clear the output
``metrics``          ``event`` (step, epoch, evaluate), ``epoch``, ``step``, ``values``, ``time``
``graph``            ``title``, ``packed``: what a compiled step is made of
``note``             ``text``: what the user should know about this run
"""

from __future__ import annotations

import codecs
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MARK = "\x1e"

Record = dict[str, Any]
Item = str | Record

# What a record must have, so that whoever reads one need not look twice.
_SHAPES: dict[str, dict[str, type]] = {
    "stdout": {"text": str},
    "stderr": {"text": str},
    "note": {"text": str},
    "display": {"data": dict, "metadata": dict},
    "result": {"data": dict, "metadata": dict},
    "clear": {"wait": bool},
    "metrics": {"event": str},
    "graph": {"title": str, "packed": str},
}


def encode(record: Record) -> bytes:
    """Write one record as it stands in a log."""
    return f"{MARK}{json.dumps(record, ensure_ascii=False, default=str)}\n".encode(errors="replace")


class LogReader:
    """Cuts a log that arrives in pieces into text and records.

    Text is given out at once, so that a progress bar moves; a record only when it is whole. A
    line that is not a record of this grammar is given out as the text that it is.
    """

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._held = ""

    def feed(self, data: bytes, final: bool = False) -> Iterator[Item]:
        """Give the items that ``data`` completes; with ``final`` also what is left over."""
        text = self._held + self._decode(data, final)
        self._held = ""
        while text:
            plain, mark, rest = text.partition(MARK)
            if plain:
                yield plain
            if not mark:
                return
            line, newline, text = rest.partition("\n")
            if newline:
                yield _record(line)
            elif final:
                yield mark + line
            else:
                self._held = mark + rest
                return


def _record(line: str) -> Item:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict) or not isinstance(kind := record.get("kind"), str):
        return f"{MARK}{line}\n"
    if not all(isinstance(record.get(key), shape) for key, shape in _SHAPES.get(kind, {}).items()):
        return f"{MARK}{line}\n"
    return record["text"] if kind == "stdout" else record


def read(data: bytes) -> list[Item]:
    """Cut a whole log."""
    return list(LogReader().feed(data, final=True))


def as_text(items: Iterable[Item]) -> str:
    """Show a log as a person would want to read it: rich output by its plain text."""
    return "".join(item if isinstance(item, str) else _text_of(item) for item in items)


def _text_of(record: Record) -> str:
    match record["kind"]:
        case "stderr":
            return str(record["text"])
        case "display" | "result":
            return f"{record['data'].get('text/plain', '')}\n"
        case "note":
            return f"note: {record['text']}\n"
    return ""

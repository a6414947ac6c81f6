"""Where a replica says how training goes and what the user must know; the worker sets the sink.

Events are plain dicts: ``{"event": "step" | "epoch" | "evaluate", "epoch": int, "step": int,
"values": {name: float}}``, ``{"event": "note", "text": str}`` and ``{"event": "graph", "title": str,
"packed": str}``. Only rank 0 reports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import picture

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_sink: Callable[[dict[str, Any]], None] | None = None
_said: set[str] = set()


def to(sink: Callable[[dict[str, Any]], None] | None) -> None:
    """Sends all events to ``sink`` from now on; None drops them. Notes said before are said again."""
    global _sink
    _sink = sink
    _said.clear()


def wanted() -> bool:
    """Whether somebody listens (events may be costly to make)."""
    return _sink is not None


def progress(event: str, *, epoch: int, step: int, values: Mapping[str, float]) -> None:
    """How training goes."""
    if _sink is not None:
        _sink({"event": event, "epoch": epoch, "step": step, "values": dict(values)})


def note(text: str) -> None:
    """A sentence the user must know; the same sentence is said once."""
    if _sink is not None and text not in _said:
        _said.add(text)
        _sink({"event": "note", "text": text})


def graph(title: str, graph: Any) -> None:
    """What a compiled step is made of; of steps with one title, the first."""
    if _sink is not None and (key := f"graph {title}") not in _said:
        _said.add(key)
        _sink({"event": "graph", "title": title, "packed": picture.pack(graph)})

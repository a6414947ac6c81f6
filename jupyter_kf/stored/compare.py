"""What differs between two versions of a graph, from their records alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..spec import Record

if TYPE_CHECKING:
    from .record import GraphRecord, TensorInfo


@dataclass(frozen=True)
class Difference(Record):
    """What the second has otherwise than the first.

    ``signature`` and ``weights`` are lines that begin with ``-`` or ``+``, ``ops`` has how many more of a
    kind there are, and ``values`` the largest change of each weight that both have, where the values were
    read.
    """

    signature: tuple[str, ...] = ()
    weights: tuple[str, ...] = ()
    ops: dict[str, int] = field(default_factory=dict)
    values: dict[str, float] = field(default_factory=dict)
    versions: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.signature or self.weights or self.ops or any(self.values.values()))

    def __str__(self) -> str:
        lines = [*self.signature, *self.weights]
        lines += [f"{op}: {more:+d}" for op, more in self.ops.items()]
        lines += [f"{name}: by up to {change:g}" for name, change in self.values.items() if change]
        lines += [f"{name}: {' -> '.join(both)}" for name, both in self.versions.items()]
        return "\n".join(lines) or "no difference"


def compare(old: GraphRecord, new: GraphRecord) -> Difference:
    """Compare signature, weights' types and shapes, operations and library versions."""
    packages = sorted(old.versions.keys() | new.versions.keys())
    both = {p: (old.versions.get(p, "none"), new.versions.get(p, "none")) for p in packages}
    more = {op: new.ops.get(op, 0) - old.ops.get(op, 0) for op in sorted(old.ops.keys() | new.ops.keys())}
    return Difference(
        signature=(*_lines("input", old.inputs, new.inputs), *_lines("output", old.outputs, new.outputs)),
        weights=tuple(_lines("weight", old.weights, new.weights)),
        ops={op: n for op, n in more.items() if n},
        versions={p: pair for p, pair in both.items() if pair[0] != pair[1]},
    )


def _lines(word: str, old: tuple[TensorInfo, ...], new: tuple[TensorInfo, ...]) -> list[str]:
    before, after = [str(t) for t in old], [str(t) for t in new]
    gone = [f"- {word} {text}" for text in before if text not in after]
    return gone + [f"+ {word} {text}" for text in after if text not in before]

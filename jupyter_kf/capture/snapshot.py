"""What the objects held at some moment, to know later which of them changed.

One level deep: a container is changed if it holds other objects than before, not if one of them changed;
that one has a number of its own. Memory is not kept; it is compared with where it was stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jupyter_kf.capture import compare, kinds, objects

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jupyter_kf.capture.tensors import Part, Stored


class Snapshot:
    """The contents of numbered objects.

    :param meant: leave out what the mere use of an object changes
    """

    def __init__(self, held: Mapping[int, Any], stored: Stored, *, meant: bool = False) -> None:
        self._objects, self._stored, self._meant = held, stored, meant
        self._before = {number: self._contents(obj) for number, obj in held.items()}

    def changed(self) -> list[int]:
        """The numbers of the objects that hold something else now."""
        return [
            number
            for number, obj in self._objects.items()
            if not compare.alike(self._before[number], self._contents(obj), self._same_part)
        ]

    def _same_part(self, before: Part, now: Part) -> bool:
        return before.hi - before.lo == now.hi - now.lo and self._stored.same(before.obj, now)

    def _contents(self, obj: Any) -> Any:
        kind = kinds.kind_of(obj)
        if kind is None:
            return None
        if self._meant and kind.meant:
            return kind.meant(obj)
        contents = (kind.watched or kind.contents)(obj)
        return compare.frozen(contents) if kind is objects.OPAQUE else contents

"""How the objects of one family are made bare, read, and filled in place.

Pickle alone can only make new objects. To bring a change back into the object that the notebook already
holds, its contents must be readable apart from its making, and writable into an object that exists.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def nothing(_: Any) -> None:
    """The contents of an object that is made with all that it holds, and the finish of most kinds."""


def no_fill(_: Any, __: Any) -> None:
    """The fill of objects that never change."""


@dataclass(frozen=True, eq=False)
class Kind:
    """One family of objects.

    ``make(obj)`` gives ``(callable, arguments)`` that build the bare object; ``contents(obj)`` what it
    holds, one level deep, in fresh tuples (None: nothing); ``fill(obj, contents)`` writes that in place,
    replacing what was there; it is a module-level function, for it travels by reference.
    ``finish(obj)`` rebuilds what depends on ids once everything is filled.
    ``watched(obj)`` is what tells whether it changed, if that is not just its contents;
    ``meant(obj)`` the same for the user's eyes, without what mere use changes.
    Objects ``made_full`` have their contents from their making; the fill serves the way back only.
    Classes are ``made_by_cloudpickle``; objects ``as_pickled`` by the rules of their own.
    ``deferred`` objects are filled after the root: long chains of them do not nest.
    """

    make: Callable[[Any], tuple[Any, ...]]
    contents: Callable[[Any], Any]
    fill: Callable[[Any, Any], None]
    finish: Callable[[Any], None] = nothing
    watched: Callable[[Any], Any] | None = None
    meant: Callable[[Any], Any] | None = None
    made_full: bool = False
    made_by_cloudpickle: bool = False
    as_pickled: bool = False
    deferred: bool = False

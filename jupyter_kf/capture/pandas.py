"""pandas objects: frames and series change in place by taking over another manager of their blocks.

Managers and blocks are values; the arrays in them have numbers of their own. pandas copies on write, knowing
who shares memory by references that its own pickling forgets: they are tied again, or a write into one frame
would show in another. The private names of pandas are in this file.
"""

from __future__ import annotations

import weakref
from typing import Any

from pandas.core.generic import NDFrame

from jupyter_kf.capture import arrays
from jupyter_kf.capture.kind import Kind

_references: dict[int, tuple[Any, Any]] = {}  # by id of the memory: a weak reference to it, its references


def make(frame: Any) -> tuple[Any, ...]:
    return bare, (type(frame),)


def bare(cls: Any) -> Any:
    """A frame or series without anything in it."""
    frame = cls.__new__(cls)
    NDFrame.__init__(frame, None)
    return frame


def watched(frame: Any) -> tuple[Any, ...]:
    """What a frame holds: labels, memory of the blocks and their places, name, attributes."""
    blocks = tuple((block.values, tuple(block.mgr_locs.as_array.tolist())) for block in frame._mgr.blocks)
    named = tuple((name, getattr(frame, name, None)) for name in frame._metadata)
    return tuple(frame._mgr.axes), blocks, named, tuple(frame.attrs.items())


def contents(frame: Any) -> tuple[Any, ...]:
    shared = tuple(_shared(block) for block in frame._mgr.blocks)
    _, _, named, attributes = watched(frame)
    return frame._mgr, shared, named, attributes


def _shared(block: Any) -> bool:
    return bool(hasattr(block, "refs") and block.refs.has_reference())


def fill(frame: Any, state: tuple[Any, ...]) -> None:
    manager, shared, named, attributes = state
    object.__setattr__(frame, "_mgr", manager)
    for name, value in named:
        object.__setattr__(frame, name, value)
    frame.__dict__.pop("_item_cache", None)
    frame.attrs.clear()
    frame.attrs.update(attributes)
    # others than the frames that travel may share the memory: it must not be written to
    ghosts = [block.copy(deep=False) for block, has in zip(manager.blocks, shared, strict=True) if has]
    object.__setattr__(frame, "_jupyter_kf_ghosts", ghosts)


def finish(frame: Any) -> None:
    """Tie the references of blocks that share memory."""
    for block in frame._mgr.blocks:
        if not hasattr(block, "refs") or not hasattr(block.values, "base"):
            continue
        shared = _references_to(arrays.root(block.values), block.refs)
        if shared is not block.refs:
            block.refs = shared
            shared.add_reference(block)


def _references_to(memory: Any, fresh: Any) -> Any:
    key = id(memory)
    if key not in _references:
        gone = weakref.ref(memory, lambda _: _references.pop(key, None))
        _references[key] = (gone, fresh)
    return _references[key][1]


FRAME = Kind(make, contents, fill, finish, watched=watched)


def resolve(obj: Any) -> tuple[bool, Kind | None]:
    """(whether this module knows the type, its kind)."""
    if isinstance(obj, NDFrame):
        return True, FRAME
    return type(obj).__module__.startswith(("pandas.core.internals", "pandas._libs.internals")), None

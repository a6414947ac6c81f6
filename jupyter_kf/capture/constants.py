"""Plain values in the modules beside the notebook, such as ``config.RATE``, which the notebook may have set.

A module travels as its source, so it begins anew on the other side; what it held here is put into it there,
and what became of that comes back. Numbers, text and collections of them only: functions, classes and
larger things that were set from outside stay behind. Must not import a module that is not in use.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from typing import TYPE_CHECKING, Any

from jupyter_kf.capture import modules

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST = 1000  # parts of one value
_PLAIN = (bool, int, float, complex, str, bytes, type(None))

_arrived: tuple[str, ...] = ()


def snapshot() -> dict[str, dict[str, Any]]:
    """The plain values now, by module and name; in a job of the modules that came with it."""
    return {name: dict(_values(sys.modules[name])) for name in _arrived or _near() if name in sys.modules}


def restore(state: dict[str, dict[str, Any]], *, arrived: bool = False, source: str = "") -> None:
    """Set what `snapshot` saw in the modules that are in use, or will be by the cell's ``source``.

    :param arrived: this process is a job's
    """
    global _arrived
    if arrived:
        _arrived = tuple(state)
    for name in state.keys() & set(modules.imported(source)):
        with contextlib.suppress(Exception):  # the cell will say so
            importlib.import_module(name)
    for name, values in state.items():
        module = sys.modules.get(name)
        for key, value in values.items() if module else ():
            if getattr(module, key, None) is not value:
                setattr(module, key, value)


def _near() -> Iterable[str]:
    return modules.beside(None)


def _values(module: Any) -> Iterator[tuple[str, Any]]:
    for key, value in vars(module).items():
        if not (key.startswith("__") and key.endswith("__")) and _plain(value):
            yield key, value


def _plain(value: Any) -> bool:
    todo, seen = [value], 0
    while todo:
        part = todo.pop()
        seen += 1
        if type(part) is dict:
            todo.extend([*part.keys(), *part.values()])
        elif type(part) in (list, tuple, set, frozenset):
            todo.extend(part)
        elif type(part) not in _PLAIN:
            return False
        if seen + len(todo) > MOST:
            return False
    return True

"""What the modules beside the notebook hold, such as ``config.RATE``, which the notebook may have set.

A module travels as its source, so it begins anew on the other side; what it held here is put into it there,
and what became of that comes back: numbers, text and collections of them, and of the modules that the cell
uses also arrays, tensors, models and what the notebook has made of its own classes and functions. Must not
import a module that is not in use.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import types
from typing import TYPE_CHECKING, Any

from jupyter_kf.capture import functions, kinds, modules, objects, refusals

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST, MOST_USED = 1000, 1_000_000  # parts of one value
_PLAIN = (bool, int, float, complex, str, bytes, type(None))
_LIBRARIES = frozenset({"numpy", "pandas", "tensorflow", "keras"})

_arrived: tuple[str, ...] = ()
_used: frozenset[str] = frozenset()


def snapshot(work: Any = None) -> dict[str, dict[str, Any]]:
    """The values now, by module and name; in a job of the modules that came with it."""
    near = _arrived or tuple(modules.beside(None))
    used = _used | _use(work, near)
    return {name: dict(_values(sys.modules[name], name in used)) for name in near if name in sys.modules}


def restore(state: dict[str, dict[str, Any]], *, arrived: bool = False, work: Any = None) -> None:
    """Set what `snapshot` saw in the modules that are in use, or will be by the source of ``work``.

    :param arrived: this process is a job's
    """
    global _arrived, _used
    for name in state.keys() & set(modules.imported(getattr(work, "source", ""))):
        with contextlib.suppress(Exception):  # the cell will say so
            importlib.import_module(name)
    if arrived:
        _arrived, _used = tuple(state), _use(work, tuple(state))
    for name, values in state.items():
        module = sys.modules.get(name)
        for key, value in values.items() if module else ():
            if getattr(module, key, None) is not value:
                setattr(module, key, value)


def _use(work: Any, near: Iterable[str]) -> frozenset[str]:
    """Which of the modules a cell or call needs, and these in turn."""
    near, names = set(near), set(modules.imported(getattr(work, "source", "")))
    todo = [*getattr(work, "names", {}).values(), getattr(work, "function", None)]
    names.update(name for value in todo for name in _homes(value))
    used: set[str] = set()
    while following := (names & near) - used:
        used |= following
        held = (
            value for name in following & sys.modules.keys() for value in vars(sys.modules[name]).values()
        )
        names = {name for value in held for name in _homes(value)}
    return frozenset(used)


def _homes(value: Any) -> Iterator[str]:
    """The modules that a value is, or comes from."""
    if isinstance(value, types.ModuleType):
        yield value.__name__
    else:
        yield from (
            home
            for home in (getattr(value, "__module__", None), type(value).__module__)
            if isinstance(home, str)
        )


def _values(module: Any, used: bool) -> Iterator[tuple[str, Any]]:
    for key, value in vars(module).items():
        if key.startswith("__") and key.endswith("__"):
            continue
        if _plain(value) or (used and _travels(value, module.__name__)):
            yield key, value


def _travels(value: Any, home: str) -> bool:
    """Whether a larger value is one that the notebook may have set, and can travel as far as can be seen."""
    todo, seen = [value], 0
    while todo:
        part = todo.pop()
        seen += 1
        if seen + len(todo) > MOST_USED:
            return False
        if isinstance(part, types.FunctionType | type):
            if not functions.by_value(part) or part.__module__ == home:
                return False
        elif type(part) is dict:
            todo.extend([*part.keys(), *part.values()])
        elif type(part) in (list, tuple, set, frozenset):
            todo.extend(part)
        elif type(part) not in _PLAIN and not _of_libraries(part):
            if not functions.by_value(type(part)) and type(part).__module__ != home:
                return False
            todo.extend(objects.instance_contents(part)[1])
    return True


def _of_libraries(part: Any) -> bool:
    roots = {base.__module__.partition(".")[0] for base in type(part).__mro__}
    try:
        return bool(roots & _LIBRARIES) and kinds.kind_of(part) is not None
    except refusals.Culprit:
        return False


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

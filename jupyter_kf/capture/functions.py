"""Functions of the notebook: their code, closures and globals.

Functions that can be imported travel as a name. Those written in cells travel by value: code, defaults and
closure cells, which stay shared between the closures that share them. The globals of the notebook are one
dictionary, on the other side as well, so that ``global x`` means the same thing there.
"""

from __future__ import annotations

import dis
import functools
import linecache
import sys
import types
from typing import TYPE_CHECKING, Any

from cloudpickle.cloudpickle import _should_pickle_by_reference

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# names that the shell or Python gives to every process that runs cells
SHELL_NAMES = frozenset({"get_ipython", "exit", "quit", "__builtins__", "__builtin__", "__name__", "__doc__"})
_LOOKUPS = frozenset(
    {"LOAD_GLOBAL", "DELETE_GLOBAL", "LOAD_NAME", "DELETE_NAME", "LOAD_FROM_DICT_OR_GLOBALS"}
)


class Globals:
    """Stands in the pickle for the dictionary of globals of functions that travel by value."""

    def __init__(self, real: dict[str, Any]) -> None:
        self.real = real


def by_value(func: types.FunctionType | type) -> bool:
    """Whether the function or class cannot be imported on the other side."""
    return func.__module__ != "builtins" and not _should_pickle_by_reference(func)


def notebook_globals() -> dict[str, Any]:
    """The dictionary of the names of the notebook."""
    return sys.modules["__main__"].__dict__


def globals_token(func: types.FunctionType) -> types.ModuleType | Globals:
    """The importable module whose globals the function uses, or a stand-in for a dictionary that travels."""
    name = func.__globals__.get("__name__")
    module = sys.modules.get(name) if isinstance(name, str) and name != "__main__" else None
    if module is not None and module.__dict__ is func.__globals__:
        return module
    return Globals(func.__globals__)


def make(func: types.FunctionType) -> tuple[Any, ...]:
    return build, (func.__code__, globals_token(func), func.__name__, func.__closure__)


def build(code: types.CodeType, scope: Any, name: str, closure: tuple[Any, ...] | None) -> types.FunctionType:
    namespace = scope.__dict__ if isinstance(scope, types.ModuleType) else scope
    return types.FunctionType(code, namespace, name, None, closure)


def contents(func: types.FunctionType) -> tuple[Any, ...]:
    keywords = func.__kwdefaults__ or {}
    return (
        (func.__module__, func.__qualname__, func.__doc__, func.__defaults__),
        (tuple(keywords), tuple(keywords.values())),
        (tuple(func.__annotations__), tuple(func.__annotations__.values())),
        (tuple(func.__dict__), tuple(func.__dict__.values())),
    )


def fill(func: types.FunctionType, state: tuple[Any, ...]) -> None:
    plain, keywords, annotations, attributes, *used = state
    for names in used:  # before anything else: what follows may be called as soon as it is made
        func.__globals__.update(zip(*names, strict=True))
    func.__module__, func.__qualname__, func.__doc__, func.__defaults__ = plain
    func.__kwdefaults__ = dict(zip(*keywords, strict=True)) or None
    func.__annotations__ = dict(zip(*annotations, strict=True))
    func.__dict__.clear()
    func.__dict__.update(zip(*attributes, strict=True))


def cell_contents(cell: types.CellType) -> tuple[Any, ...]:
    try:
        return (cell.cell_contents,)
    except ValueError:
        return ()


def fill_cell(cell: types.CellType, state: tuple[Any, ...]) -> None:
    if state:
        cell.cell_contents = state[0]
    elif cell_contents(cell):
        del cell.cell_contents


def sources(files: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """The lines of the cells in which functions were written; AutoGraph and tracebacks need them."""
    for name in files:
        lines = [] if name.startswith((sys.prefix, sys.base_prefix)) else linecache.getlines(name)
        if lines:
            yield name, lines


def add_sources(_: str, files: tuple[tuple[str, list[str]], ...]) -> None:
    """Make the lines of cells known to this process."""
    for name, lines in files:
        linecache.cache.setdefault(name, (sum(map(len, lines)), None, lines, name))


_CLASS_OWN = frozenset(
    {"__dict__", "__weakref__", "__slotnames__", "_abc_impl", "__abstractmethods__", "__doc__"}
)


def class_contents(cls: type) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    """The attributes of a class that can be set later."""
    items = {name: value for name, value in vars(cls).items() if name not in _CLASS_OWN}
    return tuple(items), tuple(items.values())


def fill_class(cls: type, state: tuple[tuple[str, ...], tuple[Any, ...]]) -> None:
    new = dict(zip(*state, strict=True))
    for name, value in class_items(cls).items():
        if name not in new:
            delattr(cls, name)
        elif new[name] is value:
            del new[name]
    for name, value in new.items():
        setattr(cls, name, value)


def class_items(cls: type) -> dict[str, Any]:
    return dict(zip(*class_contents(cls), strict=True))


@functools.lru_cache(maxsize=4096)
def global_names(code: types.CodeType) -> frozenset[str]:
    """The globals that a code object and the code nested in it look up or delete, but `SHELL_NAMES`."""
    found = {step.argval for step in dis.get_instructions(code) if step.opname in _LOOKUPS}
    for nested in _nested(code):
        found |= global_names(nested)
    return frozenset(found) - SHELL_NAMES


def _nested(code: types.CodeType) -> Iterator[types.CodeType]:
    return (const for const in code.co_consts if isinstance(const, types.CodeType))


def used_by(value: Any) -> set[str]:
    """The globals that a value defined in the notebook looks up when it is used."""
    found: set[str] = set()
    todo, seen = [value], {}
    while todo:
        part = todo.pop()
        if id(part) in seen:
            continue
        seen[id(part)] = part
        if isinstance(part, types.FunctionType) and by_value(part):
            found |= global_names(part.__code__)
        todo.extend(_parts(part))
    return found


def _parts(obj: Any) -> Iterable[Any]:
    """Where else to look for the code that runs when `obj` is used."""
    if isinstance(obj, types.MethodType):
        return obj.__func__, obj.__self__
    if isinstance(obj, functools.partial):
        return obj.func, *obj.args, *obj.keywords.values()
    if isinstance(obj, staticmethod | classmethod):
        return (obj.__func__,)
    if isinstance(obj, property):
        return obj.fget, obj.fset, obj.fdel
    if isinstance(obj, types.FunctionType):
        cells = [cell_contents(cell) for cell in obj.__closure__ or ()]
        return getattr(obj, "__wrapped__", None), *(value for cell in cells for value in cell)
    if isinstance(obj, type):
        return (*vars(obj).values(), *obj.__bases__) if by_value(obj) else ()
    return (type(obj),)

"""Claims on a process that have ended: pools that are closed, threads and processes that are done.

A cell leaves its names bound to them. What is over holds nothing of its process, so it can be told again as
over: of the same type, with the plain facts that it kept. What still runs is refused (``refusals``).
Types are known by name; nothing is loaded for the check.
"""

from __future__ import annotations

import contextlib
import io
import sys
import threading
import types
from typing import TYPE_CHECKING, Any

from jupyter_kf.capture import objects
from jupyter_kf.capture.kind import Kind, no_fill, nothing

if TYPE_CHECKING:
    from collections.abc import Callable

_FACTS = (bool, int, float, str, bytes, type(None), BaseException)


def _facts(obj: Any) -> dict[str, Any]:
    """The attributes that mean the same everywhere."""
    return {name: value for name, value in vars(obj).items() if isinstance(value, _FACTS)}


def again(cls: Any, facts: dict[str, Any]) -> Any:
    """Something that is over, with what it kept."""
    obj = cls.__new__(cls)
    vars(obj).update(facts)
    if isinstance(obj, io.IOBase):
        with contextlib.suppress(Exception):  # what its own class does to close has nothing to do here
            io.IOBase.close(obj)
    return obj


def _told(obj: Any) -> tuple[Any, ...]:
    return again, (type(obj), _facts(obj))


def again_pool(cls: Any, facts: dict[str, Any]) -> Any:
    """A pool of ``multiprocessing`` that is closed."""
    return again(cls, facts | {"_state": "TERMINATE", "_pool": []})


def again_executor(cls: Any, workers: int) -> Any:
    """A pool of ``concurrent.futures`` that was shut down."""
    pool = cls(workers)
    pool.shutdown()
    return pool


def again_thread(cls: Any, name: str, daemon: bool, more: dict[str, Any]) -> Any:
    """A thread that has run."""
    thread = cls.__new__(cls)
    threading.Thread.__init__(thread, name=name, daemon=daemon)
    thread.run = lambda: None
    thread.start()
    thread.join()
    del thread.run
    vars(thread).update(more)
    return thread


def _thread(obj: Any) -> tuple[Any, ...]:
    own = vars(threading.Thread())
    more = {k: v for k, v in vars(obj).items() if k not in own and k not in ("_target", "_args", "_kwargs")}
    return again_thread, (type(obj), obj.name, obj.daemon, more)


def again_generator(name: str, qualname: str) -> Any:
    """A generator that gives nothing more."""
    generator: Any = (nobody for nobody in [None])
    list(generator)
    generator.__name__, generator.__qualname__ = name, qualname
    return generator


def again_connection(cls: Any, cursor: bool) -> Any:
    """A closed connection to a database, or what a cursor of it has become."""
    import sqlite3

    connection = sqlite3.connect(":memory:", factory=sqlite3.Connection if cursor else cls)
    made = connection.cursor(cls) if cursor else connection
    connection.close()
    return made


def _disconnected(obj: Any) -> bool:
    try:
        getattr(obj, "connection", obj).total_changes  # noqa: B018 - it raises on one that is closed
    except sys.modules["sqlite3"].ProgrammingError:
        return True
    return False


def _over_pool(obj: Any) -> bool:
    return getattr(obj, "_state", "RUN") != "RUN"


_OVER: dict[str, tuple[Callable[[Any], bool], Callable[[Any], tuple[Any, ...]]]] = {
    "_io._IOBase": (lambda obj: hasattr(obj, "__dict__") and obj.closed, _told),
    "threading.Thread": (lambda obj: obj.ident is not None and not obj.is_alive(), _thread),
    "multiprocessing.pool.Pool": (_over_pool, lambda obj: (again_pool, (type(obj), _facts(obj)))),
    "concurrent.futures._base.Executor": (
        lambda obj: getattr(obj, "_shutdown", False) or getattr(obj, "_shutdown_thread", False),
        lambda obj: (again_executor, (type(obj), obj._max_workers)),
    ),
    "sqlite3.Connection": (_disconnected, lambda obj: (again_connection, (type(obj), False))),
    "sqlite3.Cursor": (_disconnected, lambda obj: (again_connection, (type(obj), True))),
}
_WHOLE: dict[str, Callable[[Any], bool]] = {
    "subprocess.Popen": lambda obj: obj.returncode is not None,
    "concurrent.futures._base.Future": lambda obj: obj.done(),
}
"""What is like any other instance when it is over."""


def kind_of(obj: Any) -> Kind | None:
    """How something that is over travels; None: it is not, or is of no such type."""
    if isinstance(obj, types.GeneratorType):
        return _GENERATOR if obj.gi_frame is None else None
    for base in type(obj).__mro__:
        name = f"{base.__module__}.{base.__qualname__}"
        if name in _WHOLE:
            return objects.INSTANCE if _WHOLE[name](obj) else None
        if name in _OVER:
            over, make = _OVER[name]
            return Kind(make, nothing, no_fill, made_full=True) if over(obj) else None
    return None


_GENERATOR = Kind(
    lambda obj: (again_generator, (obj.__name__, obj.__qualname__)), nothing, no_fill, made_full=True
)

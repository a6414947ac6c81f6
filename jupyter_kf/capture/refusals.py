"""What cannot travel, why, and the way out.

An open file, a socket or a thread is a claim on one process; a copy elsewhere would be a different thing
that looks the same. They are refused before anything is started. Nothing here is loaded for the check:
types of optional packages are known by name.
"""

from __future__ import annotations

import _thread
import io
import types
from typing import Any

_LOCK = type(_thread.allocate_lock())
_RLOCK = type(_thread.RLock())

# names of classes (anywhere in the type's ancestry): (reason, way out)
_BY_NAME = {
    "_io._IOBase": ("it is an open file", "open the file inside the cell, or pass its path"),
    "socket.socket": ("it is an open socket", "connect inside the cell"),
    "_socket.socket": ("it is an open socket", "connect inside the cell"),
    "threading.Thread": ("it is a thread of this process", "start the thread inside the cell"),
    "subprocess.Popen": ("it is a running process of this machine", "start the process inside the cell"),
    "multiprocessing.process.BaseProcess": ("it is a process of this machine", "start it inside the cell"),
    "multiprocessing.pool.Pool": (
        "it is a pool of processes of this machine",
        "make the pool inside the cell",
    ),
    "concurrent.futures._base.Executor": (
        "it is a pool of threads or processes",
        "make the pool inside the cell",
    ),
    "concurrent.futures._base.Future": ("it stands for work going on in this process", "pass its result()"),
    "asyncio.events.AbstractEventLoop": (
        "it is this process's event loop",
        "use asyncio.run inside the cell",
    ),
    "_asyncio.Future": ("it is a task of this process's event loop", "await it first and pass the result"),
    "sqlite3.Connection": ("it is an open database connection", "connect inside the cell"),
    "sqlite3.Cursor": ("it belongs to an open database connection", "connect inside the cell"),
    "sqlalchemy.engine.base.Engine": ("it holds database connections", "create the engine inside the cell"),
    "sqlalchemy.engine.base.Connection": ("it is an open database connection", "connect inside the cell"),
    "psycopg.Connection": ("it is an open database connection", "connect inside the cell"),
    "ssl.SSLContext": ("it belongs to this process", "make it inside the cell"),
    "mmap.mmap": ("it is a mapped file", "map the file inside the cell, or pass its path"),
    "select.epoll": ("it belongs to this process", "make it inside the cell"),
    "ipywidgets.widgets.widget.Widget": (
        "a widget lives in this kernel and its page",
        "pass its value instead",
    ),
    "IPython.core.interactiveshell.InteractiveShell": ("it is this notebook's own shell", "leave it out"),
    "h5py._hl.base.HLObject": (
        "it is an open HDF5 file",
        "open the file inside the cell, or read it into arrays",
    ),
    "tensorflow.python.eager.polymorphic_function.concrete_function.ConcreteFunction": (
        "it is a trace made in this process",
        "use the tf.function from which it was made",
    ),
    "tensorflow.python.saved_model.function_deserialization.RestoredFunction": (
        "it was loaded from a SavedModel, and its traces are of this process",
        "load it inside the cell",
    ),
    "tensorflow.python.framework.ops.Graph": ("it is a graph of this process", "build it inside the cell"),
    "tensorflow.python.framework.ops.SymbolicTensor": (
        "it is a symbolic tensor, which means something only in the graph that is being traced",
        "make it inside the cell",
    ),
    "tensorflow.python.client.session.BaseSession": (
        "a session belongs to this process",
        "make it inside the cell",
    ),
    "tensorflow.python.summary.writer.writer.FileWriter": (
        "it is an open event file",
        "make it inside the cell",
    ),
}
_BY_TYPE: dict[type, tuple[str, str]] = {
    types.CoroutineType: ("it is a coroutine in progress", "await it first and pass the result"),
    types.AsyncGeneratorType: ("it is an asynchronous generator in progress", "make it inside the cell"),
    types.FrameType: ("it is a running frame", "leave it out"),
    types.GeneratorType: (
        "it is a generator in progress",
        "make it inside the cell, or pass list(...) of it",
    ),
}


class Culprit(Exception):
    """An object that cannot travel, before its name is known."""

    def __init__(self, obj: Any, reason: str, way_out: str) -> None:
        super().__init__(reason)
        self.obj, self.reason, self.way_out = obj, reason, way_out


def refusal(obj: Any) -> tuple[str, str] | None:
    """Why an object cannot travel and the way out, None if nothing speaks against it."""
    cls = type(obj)
    if cls in _BY_TYPE:
        return _BY_TYPE[cls]
    if cls in (_LOCK, _RLOCK):
        return ("it is a lock that somebody holds", "release it first") if held(obj) else None
    if cls.__name__ == "Lost" and cls.__module__ == f"{__package__}.lost":
        return "it did not come back from an earlier job", "make it again"
    if cls.__name__ == "GradientTape" and getattr(obj, "_tape", None) is not None:
        return "what a tape has recorded stays in its process", "make and use the tape inside the cell"
    for base in cls.__mro__:
        found = _BY_NAME.get(f"{base.__module__}.{base.__qualname__}")
        if found and not issubclass(cls, io.StringIO | io.BytesIO):
            return found
    return None


def held(lock: Any) -> bool:
    """Whether a lock or a re-entrant lock is held by anybody (this thread included)."""
    if type(lock) is _LOCK:
        return bool(lock.locked())
    return "unlocked" not in repr(lock)


def unpicklable(obj: Any, error: Exception) -> tuple[str, str]:
    """The refusal for an object whose own pickling failed."""
    return f"its type does not allow it ({error})", "make it inside the cell, or delete it before"

"""What the program changes on the disk is changed once, as one process would change it.

Every replica runs the whole program, on one host in the same folder. The first replica of each host is its
writer: it alone makes folders, removes, renames and writes. All replicas meet before each such change, so
that whoever still reads sees what was there, and after it, when they get the writer's result or error; a file
that is written is, for the others, a copy of their own until it is closed. Between changes everybody reads
the same disk. Outside the program's main thread, and while a graph is traced, nobody can meet: there the
others leave the disk alone, too, but do not wait for the writer. A program that asks which replica it is says
itself who writes.

This module says who does what and when; ``writes`` puts it in the place of what opens and changes files.
"""

from __future__ import annotations

import base64
import contextlib
import gc
import os
import pickle
import shutil
import subprocess
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import tensorflow as tf

from . import board, collective, report, rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")
_REAL, _MEET, _QUIET = "real", "meet", "quiet"
_TELLABLE = (str, bytes, int, list, tuple, os.PathLike, subprocess.CompletedProcess)
_DEVICES = ("/dev/", "/proc/", "/sys/")
_CACHES = {".cache", "__pycache__"}


@dataclass
class _Shared:
    """A program's disk: its process, the others' copies by path, and paths that are each replica's own."""

    scratch: str = ""
    process: int = field(default_factory=os.getpid)
    copies: dict[str, str] = field(default_factory=dict)
    own: list[str] = field(default_factory=list)
    depth: int = 0
    aware: bool = False
    made: int = 0


_shared: _Shared | None = None
_early: list[str] = []
_collecting = False


@contextlib.contextmanager
def shared() -> Iterator[None]:
    """While the user's program runs, in a group of several: its changes are made once."""
    global _shared
    if collective.world_size() == 1:
        yield
        return
    _shared = _Shared()
    gc.callbacks.append(_garbage)
    try:
        yield
    finally:
        gc.callbacks.remove(_garbage)
        scratch, _shared = [_shared.scratch, *_early], None
        for folder in filter(None, scratch):
            shutil.rmtree(folder, ignore_errors=True)


def _garbage(phase: str, _: dict[str, int]) -> None:
    """When garbage is collected, and so what is closed then, differs between replicas."""
    global _collecting
    _collecting = phase == "start"


@contextlib.contextmanager
def by_each() -> Iterator[None]:
    """What is done inside, every replica does for itself."""
    if _shared is None:
        yield
        return
    _shared.depth += 1
    try:
        yield
    finally:
        _shared.depth -= 1


def leave_to_each(path: Any) -> None:
    """Makes ``path`` and what is below each replica's own."""
    if _shared is not None:
        _shared.own.append(_absolute(path))


def leave_all_to_each() -> None:
    """From here on each replica changes the disk itself: its program asks which one it is, and so decides."""
    if _shared is not None and not _shared.aware:
        _shared.aware = True
        report.note(
            "The program asks which replica it is (kf.JobEnvironment), so from there on each replica changes "
            "files itself: let one of them write, or each to a file of its own."
        )


def change(path: Any, act: Callable[[], T], needed: bool = False) -> T:
    """What ``act``, done by the writer, gives or raises.

    Where nobody meets the others get None; if what it gives is ``needed``, each does it.
    """
    how = _how(path)
    if how == _REAL or (needed and how == _QUIET):
        return act()
    if how == _QUIET:
        return act() if _writes() else None  # type: ignore[return-value]
    _meet()
    return _outcome(act)


def begin(path: Any, mode: str, act: Callable[[Any], T]) -> T:
    """Opens by ``act(path)``; to write, the others open a copy. ``mode`` is that of ``open``."""
    if not is_to_write(mode):
        written = _shared.copies if _shared is not None and not _shared.depth else None
        return act(written.get(_absolute(path), path) if written else path)
    how = _how(path)
    if how == _REAL:
        return act(path)
    if _writes():
        if how == _QUIET:
            return act(path)
        _meet()
        return _outcome(lambda: act(path), answer=False)
    copy = _copy(path, mode)
    if how == _MEET:
        _meet()
        _outcome(lambda: None)
    with by_each():
        return act(copy)


def done(path: Any) -> None:
    """A file begun is closed: all wait until its content is there for all."""
    if _shared is None:
        return
    how = _how(path)
    if how == _MEET or _shared.aware:
        _shared.copies.pop(_absolute(path), None)
    if how == _MEET:
        _meet()


def is_to_write(mode: Any) -> bool:
    """Whether a file opened so may be changed."""
    return isinstance(mode, str) and not {"w", "a", "x", "+"}.isdisjoint(mode)


def is_for_all() -> bool:
    """Whether the code running now is the user's, in a group of several."""
    return _shared is not None and not _shared.depth and not _shared.aware


def _how(path: Any) -> str:
    if _shared is None or not is_for_all() or isinstance(path, int):
        return _REAL
    absolute = _absolute(path)
    if absolute.startswith(_DEVICES) or not _CACHES.isdisjoint(Path(absolute).parts):
        return _REAL
    if any(absolute == own or absolute.startswith(own + os.sep) for own in _shared.own):
        return _REAL
    return _MEET if is_together() else _QUIET


def is_together() -> bool:
    """Whether all replicas come by here equally often: the user's code, where nothing is traced."""
    return (
        _shared is not None
        and is_for_all()
        and os.getpid() == _shared.process
        and not _collecting
        and threading.current_thread() is threading.main_thread()
        and not tf.inside_function()
        and rows.current() is None
    )


def _absolute(path: Any) -> str:
    return os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - links are not followed


def _writes() -> bool:
    return collective.writer() == collective.place()[0]


def _copy(path: Any, mode: str) -> str:
    """The place of this replica's copy of a file that it opens to write."""
    assert _shared is not None
    _shared.made += 1
    with by_each():
        _shared.scratch = _shared.scratch or tempfile.mkdtemp(prefix=_prefix())
        copy = f"{_shared.scratch}/{_shared.made}-{Path(_absolute(path)).name}"
        source = _now(path)
        if "w" not in mode and "x" not in mode and Path(source).is_file():
            shutil.copyfile(source, copy)
    _shared.copies[_absolute(path)] = copy
    return copy


def _now(path: Any) -> str:
    assert _shared is not None
    return _shared.copies.get(_absolute(path), _absolute(path))


def _meet() -> None:
    if collective.apart():
        board.exchange("a change of a file", "")
    else:
        collective.add(tf.constant(1))


def _outcome(act: Callable[[], T], answer: bool = True) -> T:
    """What ``act`` does at the writer, told to the others; with ``answer`` they get what it gives."""
    result, error, told = None, None, b""
    if _writes():
        with by_each():
            try:
                result = act()
            except BaseException as raised:  # noqa: BLE001 - it is raised on every replica below
                error = raised
        told = _packed(error, result if answer else None)
    heard = _tell(told)
    if error is not None:
        raise error
    if heard and not _writes():
        error, result = pickle.loads(heard)
        if error is not None:
            raise error
    return result  # type: ignore[return-value]


def _packed(error: BaseException | None, result: Any) -> bytes:
    if isinstance(result, tf.Tensor) and result.dtype == tf.string:  # a path, as of a checkpoint
        result = result.numpy()
    told = result if isinstance(result, _TELLABLE) else None
    if error is None and told is None:
        return b""
    with by_each():
        try:
            return pickle.dumps((error, told))
        except Exception:  # noqa: BLE001 - whatever does not travel is told in words
            return pickle.dumps((error and OSError(f"{type(error).__name__}: {error}"), None))


def _tell(told: bytes) -> bytes:
    """What this host's writer tells."""
    if collective.apart():
        words = board.exchange("what came of a change of a file", base64.b64encode(told).decode())
        return base64.b64decode(words[collective.writer()])
    sizes = collective.gather(tf.constant(len(told), tf.int64)).numpy()
    if not sizes.any():
        return b""
    padded = tf.io.decode_raw(told.ljust(int(sizes.max()), b"\0"), tf.uint8)
    sent = collective.gather(tf.cast(padded, tf.int32)).numpy()[collective.writer()]
    return bytes(sent.astype("uint8"))[: sizes[collective.writer()]]


def aside(path: Any) -> Any:
    """``path`` for the writer; for the others a place that is thrown away, also before the program runs."""
    if _writes() or (_shared is not None and _how(path) == _REAL):
        return path
    if _shared is not None:
        return _copy(path, "w")
    _early.append(tempfile.mkdtemp(prefix=_prefix()))
    return _early[-1]


def _prefix() -> str:
    return f"jupyter_kf-copies-{os.getpid()}-"

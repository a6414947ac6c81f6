"""What opens and changes files, in Python and in TensorFlow, replaced so that it is done once (``disk``)."""

from __future__ import annotations

import builtins
import functools
import io
import os
import shutil
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf
from keras.src.saving import saving_api
from tensorflow.python.checkpoint import checkpoint
from tensorflow.python.lib.io import _pywrap_file_io, file_io
from tensorflow.python.ops import gen_summary_ops
from tensorflow.python.saved_model import save as saved_model_save

from ..errors import SpecError
from . import collective, disk, report, resume

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_OS: tuple[str, ...] = ("mkdir", "rmdir", "remove", "unlink", "rename", "replace")
_OS += ("link", "symlink", "truncate", "chmod", "utime")
_SHUTIL = ("rmtree", "copyfile", "copy", "copy2", "copytree", "move", "make_archive", "unpack_archive")
_FILE_IO = ("CreateDir", "RecursivelyCreateDir", "DeleteFile", "DeleteRecursively", "RenameFile", "CopyFile")
_OF_THE_JOB = ("stop_wish", "stop_state", collective.COUNTER)
_TRAINS = (
    "This saves a function that takes gradients. Traced in a job, it adds them up over the job's replicas, "
    "which are not there where it is loaded. Save it in a cell without %%kf, after this one."
)
_COMMANDS = ("run", "call", "check_call", "check_output", "getoutput", "getstatusoutput")


class _Closing:
    """A file whose content is there for all replicas when it is closed on purpose."""

    path: Any = None

    def close(self) -> None:
        if self.closed:  # type: ignore[attr-defined]
            return
        super().close()  # type: ignore[misc]
        if self.path is not None and not getattr(self, "_finalizing", False):
            disk.done(self.path)


class _Text(_Closing, io.TextIOWrapper):
    pass


class _Writer(_Closing, io.BufferedWriter):
    pass


class _Random(_Closing, io.BufferedRandom):
    pass


class _Raw(_Closing, io.FileIO):
    pass


_KINDS: dict[type, type] = {
    io.TextIOWrapper: _Text,
    io.BufferedWriter: _Writer,
    io.BufferedRandom: _Random,
    io.FileIO: _Raw,
}


def hooks() -> Iterator[tuple[Any, str, Callable[[Any], Any]]]:
    """What is replaced: the owner, the name, and what makes the replacement."""
    yield builtins, "open", _open
    yield io, "open", _open
    yield os, "open", _descriptor
    yield from ((os, name, _changes) for name in _OS)
    yield from ((shutil, name, _changes) for name in _SHUTIL)
    yield tempfile, "mkdtemp", _acts
    for name in ("mkstemp", "NamedTemporaryFile", "TemporaryFile"):
        yield tempfile, name, _of_each
    yield from ((_pywrap_file_io, name, _changes) for name in _FILE_IO)
    yield tf.io, "write_file", _changes
    yield saved_model_save, "save_and_return_nodes", _exports
    yield saving_api, "save_model", _saves("filepath")
    yield saving_api, "save_weights", _saves("filepath")
    yield keras.callbacks.BackupAndRestore, "_save_model", _saves(None)
    yield keras.callbacks.BackupAndRestore, "on_train_end", _saves(None)
    yield checkpoint.TrackableSaver, "save", _saves("file_prefix")
    yield file_io.FileIO, "__init__", _opens("name", "r")
    yield file_io.FileIO, "close", _closes
    yield tf.io.TFRecordWriter, "__init__", _opens("path", "w")
    yield tf.io.TFRecordWriter, "close", _closes
    yield tf.io.TFRecordWriter, "__exit__", _closes
    yield gen_summary_ops, "create_summary_file_writer", _quietly
    yield os, "system", _acts
    yield from ((subprocess, name, _acts) for name in _COMMANDS)
    yield subprocess, "Popen", _starts
    if h5py := sys.modules.get("h5py"):
        yield h5py.File, "__init__", _opens("name", "r")
        yield h5py.File, "close", _closes


def of_shell(shell: Any) -> Iterator[tuple[Any, str, Callable[[Any], Any]]]:
    """What IPython's shell has of its own: ``open`` in cells, and commands (``!``)."""
    yield sys.modules["IPython.core.interactiveshell"], "io_open", _open
    yield from ((type(shell), name, _acts) for name in ("system", "getoutput"))


def _changes(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def change(*args: Any, **kwargs: Any) -> Any:
        if any(kwargs.get(name) is not None for name in ("dir_fd", "src_dir_fd", "dst_dir_fd")):
            return original(*args, **kwargs)
        path = args[0] if args else next(iter(kwargs.values()), None)
        if not isinstance(path, str | bytes | os.PathLike):
            return original(*args, **kwargs)
        return disk.change(path, lambda: original(*args, **kwargs))

    return change


def _acts(original: Callable[..., Any]) -> Callable[..., Any]:
    """What is done once for what it gives."""

    @functools.wraps(original)
    def act(*args: Any, **kwargs: Any) -> Any:
        return disk.change(os.curdir, lambda: original(*args, **kwargs), needed=True)

    return act


def _saves(name: str | None) -> Callable[[Any], Any]:
    """What saves a model to the path ``name``, its second argument; None: to one of its own."""

    def hook(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def save(*args: Any, **kwargs: Any) -> Any:
            path = (kwargs.get(name) or args[1]) if name else os.curdir
            if resume.passing_over():  # it was written by an earlier attempt
                return path if name else None
            return disk.change(path, lambda: original(*args, **kwargs))

        return save

    return hook


def _exports(original: Callable[..., Any]) -> Callable[..., Any]:
    """What saves, and gives what cannot be told: the others save to a folder that is thrown away."""

    @functools.wraps(original)
    def save(obj: Any, export_dir: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            result = disk.begin(export_dir, "w", lambda place: original(obj, place, *args, **kwargs))
        except AssertionError as error:
            if any(name in str(error) for name in _OF_THE_JOB):
                raise SpecError(_TRAINS) from error
            raise
        disk.done(export_dir)
        return result

    return save


def _of_each(original: Callable[..., Any]) -> Callable[..., Any]:
    """A file with a name that no other process has: every replica may have its own."""

    @functools.wraps(original)
    def make(*args: Any, **kwargs: Any) -> Any:
        with disk.by_each():
            made = original(*args, **kwargs)
        name = made[1] if isinstance(made, tuple) else getattr(made, "name", None)
        if isinstance(name, str | bytes):
            disk.leave_to_each(name)
        return made

    return make


def _open(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def opened(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if isinstance(file, int) or kwargs.get("opener") is not None:
            return original(file, mode, *args, **kwargs)
        if not disk.is_to_write(mode):
            return disk.begin(file, mode, lambda place: original(place, mode, *args, **kwargs))
        return disk.begin(file, mode, lambda place: _closing(original, file, place, mode, *args, **kwargs))

    return opened


def _closing(
    original: Callable[..., Any],
    path: Any,
    place: Any,
    mode: str,
    buffering: int = -1,
    *args: Any,
    **kwargs: Any,
) -> Any:
    """The file at ``place`` as ``open`` gives it, of a class that tells when it is closed."""
    plain = original(place, mode, buffering, *args, **kwargs)
    kind = _KINDS.get(type(plain))
    if kind is None:
        return plain
    if kind is _Text:
        line = plain.line_buffering
        newline = args[2] if len(args) > 2 else kwargs.get("newline")
        encoding, errors = plain.encoding, plain.errors
        file: Any = _Text(plain.detach(), encoding, errors, newline, line)
        file.mode = mode
    elif kind is _Raw:
        plain.close()
        file = _Raw(place, mode.replace("b", "").replace("w", "a").replace("x", "a"))
    else:
        file = kind(plain.detach(), buffering if buffering > 1 else io.DEFAULT_BUFFER_SIZE)
    file.path = path
    return file


def _descriptor(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def opened(path: Any, flags: int, *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("dir_fd") is not None or not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            return original(path, flags, *args, **kwargs)
        if flags & os.O_DIRECTORY:
            return original(path, flags, *args, **kwargs)
        mode = "w" if flags & (os.O_TRUNC | os.O_EXCL) else "a"
        return disk.begin(path, mode, lambda place: original(place, flags, *args, **kwargs))

    return opened


def _opens(name: str, default: str) -> Callable[[Any], Any]:
    """The constructor of a class whose first argument, ``name``, is a path, and whose second a mode."""

    def hook(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def init(self: Any, *args: Any, **kwargs: Any) -> None:
            args = (kwargs.pop(name), *args) if name in kwargs else args
            path, mode = args[0], str(kwargs.get("mode") or [*args[1:2], default][0])
            self._kf_path = None
            if not isinstance(path, str | bytes | os.PathLike):
                original(self, *args, **kwargs)
                return
            mode = default if default == "w" else mode.replace("w-", "x")
            disk.begin(path, mode, lambda place: original(self, place, *args[1:], **kwargs))
            self._kf_path = path if disk.is_to_write(mode) else None

        return init

    return hook


def _closes(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def close(self: Any, *args: Any) -> None:
        original(self, *args)
        path, self._kf_path = getattr(self, "_kf_path", None), None
        if path is not None:
            disk.done(path)

    return close


def _quietly(original: Callable[..., Any]) -> Callable[..., Any]:
    """A writer of summaries: the others' go to a folder that is thrown away."""

    @functools.wraps(original)
    def create(writer: Any, logdir: Any, *args: Any, **kwargs: Any) -> Any:
        if hasattr(logdir, "numpy"):
            writer._kf_logdir = os.path.abspath(os.fsdecode(logdir.numpy()))  # noqa: PTH100 - for its way back
            logdir = tf.constant(disk.aside(logdir.numpy()))
        return original(writer, logdir, *args, **kwargs)

    return create


def _starts(original: type) -> type:
    """``subprocess.Popen``, which the disk's rule does not reach."""

    class Popen(original):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            if disk.is_for_all():
                report.note(
                    "A process that the program started (subprocess.Popen) runs on every replica. "
                    "subprocess.run and !command run once."
                )
            super().__init__(*args, **kwargs)

    Popen.__module__, Popen.__qualname__ = original.__module__, original.__qualname__
    return Popen

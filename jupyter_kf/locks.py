"""File locks that end with their holders: how processes of one machine see that another lives.

A lock of flock(2) belongs to an open file and to every copy of it, so it is given back by the
system when the last process that holds the file open has ended, however it ended. No process id
is ever trusted for this.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import time
from typing import TYPE_CHECKING

from .errors import BackendError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def open_lock(path: Path) -> int:
    """Open a lock file, making it where it is missing; the caller closes it."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def lock(fd: int) -> bool:
    """Take the lock of an open file; False if somebody else has it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def make_held(path: Path) -> int:
    """Make a lock file that is held from the first moment that it is seen; the caller closes it.

    Raises `FileExistsError` where there is one.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    fd = open_lock(draft)
    try:
        lock(fd)
        path.hardlink_to(draft)
    except BaseException:
        os.close(fd)
        raise
    finally:
        draft.unlink()
    return fd


def is_held(path: Path) -> bool:
    """Tell whether somebody holds the lock; a file that is not there is held by nobody."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


@contextlib.contextmanager
def hold(path: Path, timeout: float = 10.0) -> Iterator[None]:
    """Hold a lock for a moment; `BackendError` if it is not to be had within ``timeout`` seconds."""
    fd = open_lock(path)
    try:
        deadline = time.monotonic() + timeout
        while not lock(fd):
            if time.monotonic() > deadline:
                raise BackendError(f"{path} is held by another process for more than {timeout:g} s.")
            time.sleep(0.01)
        yield
    finally:
        os.close(fd)

"""Files and their hash in one pass: other threads make the hash, beside the disk's work.

Weights may be gigabytes, so they pass through memory once. The hash is SHA-256; that of a file larger than
a piece is the SHA-256 of those of its pieces, so that all cores can make it. What the files mean is for
others to know.
"""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import os
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from .record import FileInfo

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

PIECE = 4 * 2**20


class Hash:
    """The hash of what passes by."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._size = 0
        self._pieces: list[Future[bytes]] = []
        self._held: list[memoryview] = []

    def add(self, data: memoryview | bytes) -> None:
        """Take what comes next; it is to stay as it is until `info`."""
        view = memoryview(data)
        while len(view):
            part, view = view[: PIECE - self._size % PIECE], view[PIECE - self._size % PIECE :]
            self._held.append(part)
            self._size += len(part)
            if not self._size % PIECE:
                self._pass_on()

    def info(self) -> FileInfo:
        """Say what has passed."""
        if self._held or not self._pieces:
            self._pass_on()
        found = [piece.result() for piece in self._pieces]
        return FileInfo(self._size, (found[0] if len(found) == 1 else _digest(found)).hex())

    def _pass_on(self) -> None:
        self._pieces.append(self._pool.submit(_digest, self._held))
        self._held = []


def write(path: Path, parts: Iterable[memoryview | bytes]) -> FileInfo:
    """Write ``parts`` one after the other, and say what was written."""
    with _hashing() as hashed, path.open("wb") as file:
        for part in parts:
            hashed.add(part)
            file.write(part)
        return hashed.info()


def read(path: Path, size: int) -> tuple[memoryview, FileInfo]:
    """Read a file that should have ``size`` bytes, and say what it is; nothing is read if it has others."""
    if (real := path.stat().st_size) != size:
        return memoryview(b""), FileInfo(real, "")
    if size <= PIECE:
        content = path.read_bytes()
        return memoryview(content), info(content)
    # Not numpy's memory: that asks for large pages, which are slow to come by on a busy or virtual machine.
    memory, end = memoryview(mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)), 0
    with _hashing() as hashed, path.open("rb") as file:
        while read := file.readinto(memory[end : end + PIECE]):
            hashed.add(memory[end : end + read])
            end += read
        return memory[:end], hashed.info()


def info(data: Path | bytes) -> FileInfo:
    """Say what a file is, or one with this content would be."""
    if not isinstance(data, bytes):
        return read(data, data.stat().st_size)[1]
    if len(data) <= PIECE:
        return FileInfo(len(data), _digest([data]).hex())
    with _hashing() as hashed:
        hashed.add(data)
        return hashed.info()


@contextlib.contextmanager
def _hashing() -> Iterator[Hash]:
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        yield Hash(pool)


def _digest(parts: Iterable[memoryview | bytes]) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.digest()

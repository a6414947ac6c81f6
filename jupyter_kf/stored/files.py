"""Files and their hash in one pass, on all cores.

Weights may be gigabytes, so they pass through memory once: who reads a piece hashes it while it is in the
core's cache. The hash is SHA-256; that of a file larger than a piece is the SHA-256 of those of its pieces,
so that all cores can make it. What the files mean is for others to know.
"""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import os
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
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
    memory = _memory(size)
    parts = [memory[at : at + PIECE] for at in range(0, size, PIECE)]
    with path.open("rb", buffering=0) as file, _pool() as pool:
        found = list(pool.map(partial(_fill, file.fileno()), range(0, size, PIECE), parts))
    return memory, FileInfo(sum(length for length, _ in found), _digest(d for _, d in found).hex())


def _fill(file: int, start: int, part: memoryview) -> tuple[int, bytes]:
    """Read a piece to where it belongs; gives how long it was, and its hash."""
    end = 0
    while end < len(part) and (count := os.preadv(file, [part[end:]], start + end)):
        end += count
    return end, _digest([part[:end]])


def _memory(size: int) -> memoryview:
    """Fresh memory, in large pages where there are some: small ones take longer than the disk."""
    memory = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with contextlib.suppress(OSError):
        memory.madvise(mmap.MADV_HUGEPAGE)
    return memoryview(memory)


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
    with _pool() as pool:
        yield Hash(pool)


def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(min(4, len(os.sched_getaffinity(0))))


def _digest(parts: Iterable[memoryview | bytes]) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.digest()

"""Ports of this machine for a gang, without a race between gangs that start together.

TensorFlow opens its port itself and will not share it, so a port cannot be handed over open.
It is held by a file lock instead for as long as the gang lives, and taken from below the range
the system gives out by itself.
"""

from __future__ import annotations

import os
import random
import socket
from typing import TYPE_CHECKING

from ..errors import BackendError
from ..locks import lock, make_held, open_lock

if TYPE_CHECKING:
    from pathlib import Path

_RANGE = range(20_000, 32_000)


class Ports:
    """``count`` ports of the loopback interface, held until `close`."""

    def __init__(self, folder: Path, count: int) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.numbers: list[int] = []
        self._held: dict[Path, int] = {}
        candidates = iter(random.sample(_RANGE, len(_RANGE)))
        while len(self.numbers) < count and (number := next(candidates, None)):
            self._take(folder / str(number), number)
        if len(self.numbers) == count:
            return
        self.close()
        raise BackendError(f"This machine has no {count} free ports from {_RANGE[0]} to {_RANGE[-1]}.")

    def _take(self, path: Path, number: int) -> None:
        try:
            fd = make_held(path)
        except FileExistsError:
            fd = open_lock(path)  # left by a holder that was killed, or held
            if not lock(fd) or not _is_still(path, fd):
                os.close(fd)
                return
        self._held[path] = fd
        if _is_free(number):
            self.numbers.append(number)
        else:
            self._give_back(path)

    def _give_back(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        os.close(self._held.pop(path))

    def fds(self) -> list[int]:
        """Give the open files that a child must close, so that it does not hold the ports."""
        return list(self._held.values())

    def close(self) -> None:
        """Let others have the ports."""
        for path in list(self._held):
            self._give_back(path)


def _is_still(path: Path, fd: int) -> bool:
    """Tell whether an open file still has its name: who gives a port back takes the name away."""
    try:
        return os.path.samestat(path.stat(), os.fstat(fd))
    except FileNotFoundError:
        return False


def _is_free(number: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", number))
        except OSError:
            return False
    return True

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
from ..locks import lock, open_lock

if TYPE_CHECKING:
    from pathlib import Path

_RANGE = range(20_000, 32_000)


class Ports:
    """``count`` ports of the loopback interface, held until `give_back`."""

    def __init__(self, folder: Path, count: int) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.numbers: list[int] = []
        self._held: list[int] = []
        for number in random.sample(_RANGE, len(_RANGE)):
            if len(self.numbers) == count:
                return
            fd = open_lock(folder / str(number))
            if lock(fd) and _is_free(number):
                self._held.append(fd)
                self.numbers.append(number)
            else:
                os.close(fd)
        self.give_back()
        raise BackendError(f"This machine has no {count} free ports from {_RANGE[0]} to {_RANGE[-1]}.")

    def fds(self) -> list[int]:
        """Give the open files that a child must close, so that it does not hold the ports."""
        return list(self._held)

    def give_back(self) -> None:
        """Let others have the ports."""
        while self._held:
            os.close(self._held.pop())


def _is_free(number: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", number))
        except OSError:
            return False
    return True

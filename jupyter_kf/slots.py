"""The machine's slots: so many replicas at once, the others wait in line.

A slot is a file lock, and so is a place in the line: both end with their holder, however it
ends. Only the head of the line takes slots, and takes all it needs or none, so jobs neither
starve nor wait for each other in a ring.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from .locks import is_held, lock, make_held, open_lock

if TYPE_CHECKING:
    from pathlib import Path

SLOTS_VARIABLE = "JUPYTER_KF_SLOTS"


def capacity() -> int:
    """Give the number of replicas this machine runs at once: ``JUPYTER_KF_SLOTS``, else one a core."""
    text = os.environ.get(SLOTS_VARIABLE, "")
    return int(text) if text.isdigit() and int(text) > 0 else max(2, os.cpu_count() or 1)


def free(folder: Path) -> int:
    """Give the number of slots that nobody holds now, whoever may be in line for them."""
    return sum(not is_held(folder / "slots" / str(number)) for number in range(capacity()))


class Place:
    """A place in the line for ``count`` slots of the machine.

    A job that is larger than the machine waits until the machine is empty and takes all of it.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self._line = folder / "line"
        self._slots = folder / "slots"
        for part in (self._line, self._slots):
            part.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._total = capacity()
        self._count = min(count, self._total)
        self._held: list[int] = []
        self._ticket = self._line / f"{time.time_ns():020d}-{os.getpid()}"
        self._ticket_fd = make_held(self._ticket)

    def take(self) -> bool:
        """Take the slots if it is this one's turn and they are free."""
        if self._ahead():
            return False
        for number in range(self._total):
            fd = open_lock(self._slots / str(number))
            if lock(fd):
                self._held.append(fd)
            else:
                os.close(fd)
            if len(self._held) == self._count:
                self._leave_line()
                return True
        self._drop()
        return False

    def reason(self) -> str:
        """Say what is waited for."""
        return (
            f"Waiting for {self._count} of this machine's {self._total} slots, "
            f"number {self._ahead() + 1} in line."
        )

    def close(self) -> None:
        """Free the slots and leave the line."""
        self._drop()
        self._leave_line()

    def fds(self) -> list[int]:
        """Give the open files that a child must close, so that it does not hold the slots."""
        return [*self._held, *([self._ticket_fd] if self._ticket_fd >= 0 else [])]

    def _ahead(self) -> int:
        """Count the live tickets before this one, and clear away the dead."""
        count = 0
        for ticket in sorted(self._line.glob("[0-9]*")):
            if ticket >= self._ticket:
                break
            try:
                fd = os.open(ticket, os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            try:
                if lock(fd):
                    ticket.unlink(missing_ok=True)
                else:
                    count += 1
            finally:
                os.close(fd)
        return count

    def _drop(self) -> None:
        while self._held:
            os.close(self._held.pop())

    def _leave_line(self) -> None:
        if self._ticket_fd >= 0:
            self._ticket.unlink(missing_ok=True)
            os.close(self._ticket_fd)
            self._ticket_fd = -1

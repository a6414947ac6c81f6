"""The few calls of Linux that keep a family of processes together. No policy here."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(parent: int) -> None:
    """Be killed when the process ``parent``, whose child this is, ends in whatever way."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(137)


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends, so that none escapes."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def flush_c_streams() -> None:
    """Write out what libraries have printed by C's own means, as an orderly exit would."""
    _libc.fflush(None)


def kill_descendants(spare: Collection[int] = (), patience: float = 5.0) -> None:
    """Kill and reap every child of this process but ``spare``, and whoever is adopted meanwhile.

    Who is not dead after ``patience`` seconds, or is another user's, is given up.
    """
    deadline = time.monotonic() + patience
    given_up = set(spare)
    while pids := _children() - given_up:
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
                while not os.waitpid(pid, os.WNOHANG)[0]:
                    if time.monotonic() > deadline:
                        given_up.add(pid)
                        break
                    time.sleep(0.002)
            except (PermissionError, ProcessLookupError, ChildProcessError):
                given_up.add(pid)


def _children() -> set[int]:
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):
            found.update(map(int, (task / "children").read_text().split()))
    return found

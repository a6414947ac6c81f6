"""Finds out when replicas wait for each other for ever, and ends the waiting.

Replicas that run the same program begin the same collectives in the same order. When what one does depends on
the time, a file or its host, it comes to the end or to another collective while the others wait. A replica
that has begun nothing for a while tells the others, through TensorFlow's coordination service, how many
collectives it has begun and their sum: with the same number and different sums none of them can go on. One
that is merely slow has begun fewer, and is waited for.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

from tensorflow.python.eager import context

from . import board, collective, raised
from .stop import ReplicasDiffer

END = 2**60
"""What a replica that has come to the end of its program adds to its sum."""

_TICK_S = 1.0
_ASK_MS = 200
_ABORTED = 10
_OURS = str(Path(__file__).parents[1])
_found = ""
_over = threading.Event()


def start() -> None:
    """Begins to watch over this process's collectives, where there are any."""
    global _over, _found
    if collective.world_size() > 1:
        _over, _found = threading.Event(), ""
        threading.Thread(target=_watch, args=(_over,), name="jupyter_kf-watch", daemon=True).start()


def end() -> None:
    """Watches no longer."""
    _over.set()


def check() -> None:
    """Raises ReplicasDiffer when this process was found to wait in vain; its collectives fail since then."""
    raised.check()
    if _found:
        raise ReplicasDiffer(_found)


def _watch(over: threading.Event) -> None:
    before: tuple[int, int] | None = None
    told: set[int] = set()
    equal: set[int] = set()
    still = 0
    while not over.wait(_TICK_S):
        now = collective.begun()
        if now != before:
            before, equal, still = now, set(), 0
            continue
        still += 1
        if collective.alone() or raised.look(still):
            return
        count, mine = now
        if count not in told:
            told.add(count)
            board.tell(_name(count, collective.rank()), f"{mine} {_place()}")
        for rank in set(range(collective.world_size())) - {collective.rank()} - equal:
            heard = _heard(count, rank)
            if heard is not None and heard[0] != mine:
                _give_up(mine, rank, *heard)
                return
            if heard is not None:
                equal.add(rank)


def _name(count: int, rank: int) -> str:
    return f"begun/{count}/{rank}"


def _heard(count: int, rank: int) -> tuple[int, str] | None:
    """The sum and the place of ``rank`` at this count; None: it is not there, or has not told."""
    told = board.heard(_name(count, rank), _ASK_MS)
    if told is None:
        return None
    keys, _, place = told.partition(" ")
    return int(keys), place


def _place() -> str:
    """Where the program is: the innermost line that is not a library's."""
    frame: Any = sys._current_frames().get(threading.main_thread().ident or 0)
    while frame is not None and (
        frame.f_code.co_filename.startswith(("<frozen", _OURS)) or "site-packages" in frame.f_code.co_filename
    ):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}, line {frame.f_lineno}" if frame else ""


def _give_up(mine: int, rank: int, theirs: int, there: str) -> None:
    global _found
    here, me = _place(), collective.rank()
    if max(mine, theirs) >= END > min(mine, theirs):
        done, waiting, place = (me, rank, there) if mine >= END else (rank, me, here)
        what = f"Replica {done} came to the end of the program while replica {waiting} was at {place}"
    else:
        (a, x), (b, y) = sorted([(me, here), (rank, there)])
        what = f"Replica {a} came to {x}, while replica {b} came to {y}"
    _found = (
        f"{what}, and they would have waited for each other for ever. How many steps are made, or which, "
        "depends on the replica: on the time, a file, the host, or random numbers without a seed. Let all "
        "replicas decide alike, as in: while kf.mean(time.time() - begin) < 60: ... The result was not taken."
    )
    context.context().abort_collective_ops(_ABORTED, _found)

"""Finds out when replicas wait for each other for ever, and ends the waiting.

Replicas that run the same program begin the same collectives in the same order. When what one does depends on
the time, a file or its host, it comes to the end or to another collective while the others wait. A replica
that has begun nothing for a while tells the others, through TensorFlow's coordination service, how many
collectives it has begun and their sum: with the same number and different sums none of them can go on. One
that is merely slow has begun fewer, and is waited for.
"""

from __future__ import annotations

import threading

import tensorflow as tf
from tensorflow.python.eager import context

from . import collective
from .stop import ReplicasDiffer

END = 2**60
"""What a replica that has come to the end of its program adds to its sum."""

_TICK_S = 1.0
_ASK_MS = 200
_ABORTED = 10
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
    if _found:
        raise ReplicasDiffer(_found)


def _watch(over: threading.Event) -> None:
    before: tuple[int, int] | None = None
    told: set[int] = set()
    equal: set[int] = set()
    while not over.wait(_TICK_S):
        now = collective.begun()
        if now != before:
            before, equal = now, set()
            continue
        count, mine = now
        if count not in told:
            told.add(count)
            context.context().set_config_key_value(_name(count, collective.rank()), str(mine))
        for rank in set(range(collective.world_size())) - {collective.rank()} - equal:
            theirs = _heard(count, rank)
            if theirs is not None and theirs != mine:
                _give_up(rank, mine, theirs)
                return
            if theirs is not None:
                equal.add(rank)


def _name(count: int, rank: int) -> str:
    return f"jupyter_kf/begun/{count}/{rank}"


def _heard(count: int, rank: int) -> int | None:
    """The sum of ``rank`` at this count; None: it is not there, or has not told."""
    try:
        return int(context.context().get_config_key_value(_name(count, rank), _ASK_MS))
    except tf.errors.OpError:
        return None


def _give_up(rank: int, mine: int, theirs: int) -> None:
    global _found
    if max(mine, theirs) >= END > min(mine, theirs):
        done, waiting = (collective.rank(), rank) if mine >= END else (rank, collective.rank())
        what = f"Replica {done} came to the end of the program while replica {waiting} was still at work"
    else:
        what = f"Replicas {collective.rank()} and {rank} came to different operations"
    _found = (
        f"{what}, and would have waited for ever. How many steps are made, or which, depends on the replica: "
        "on the time, a file, the host, or random numbers without a seed. Let all replicas decide alike, "
        "as in: while kf.mean(time.time() - begin) < 60: ... The result was not taken."
    )
    context.context().abort_collective_ops(_ABORTED, _found)

"""Agrees on what must be equal on all replicas: when to stop, trained variables at the end."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from . import board, collective, watch
from .stop import ReplicasDiffer

if TYPE_CHECKING:
    from collections.abc import Iterable


def decision(mine: bool) -> bool:
    """Rank 0's ``mine``, on every rank."""
    return bool(collective.add(tf.constant(int(mine and not collective.rank()))))


def agree(variables: Iterable[Any]) -> None:
    """Raises ReplicasDiffer, naming the first variable, when the replicas' values are not the same bits.

    Collective: every replica must call it, with the same variables in the same order.
    """
    if collective.apart():  # only rank 0's results are taken, and it has computed all of them
        board.exchange("the end", "")
    if collective.alone():
        return
    collective.mark(watch.END)
    try:
        _compare(list(variables))
    finally:
        collective.part()


def _compare(named: list[Any]) -> None:
    sums = [len(named), *(_checksum(v) for v in named)]
    counts = collective.gather(tf.constant(sums[:1], tf.int64)).numpy()
    if (counts != counts[0]).any():
        raise ReplicasDiffer(f"The replicas ended with {sorted({int(c) for c in counts[:, 0]})} variables.")
    if not named:
        return
    differ = np.nonzero(
        (np.diff(collective.gather(tf.constant(sums[1:], tf.int64)).numpy(), axis=0) != 0).any(0)
    )[0]
    if len(differ):
        first = named[int(differ[0])]
        name = getattr(first, "path", None) or getattr(first, "name", "")
        raise ReplicasDiffer(
            f"{len(differ)} of {len(named)} variables ended with different values on different replicas, "
            f"the first is {name!r}. Something in the program depends on the replica: unseeded random "
            "numbers, the time, the host. The result was not taken."
        )


def _checksum(variable: Any) -> int:
    return zlib.crc32(np.ascontiguousarray(np.asarray(variable)).tobytes())

"""What replicas tell each other where collectives cannot: through TensorFlow's coordination service.

Collectives carry the numbers of a step and end for good when one of them fails. Short texts go this way: from
any thread, and also after that. Each text has a name of its own and is never taken back.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import tensorflow as tf
from tensorflow.python.eager import context

from . import collective
from .stop import ReplicasDiffer

if TYPE_CHECKING:
    from collections.abc import Sequence

_PREFIX = "jupyter_kf"
_ASK_MS = 1000
_met = 0


def tell(name: str, text: str) -> None:
    """Writes ``text``, unless something of this name stands there."""
    with contextlib.suppress(tf.errors.AlreadyExistsError):
        context.context().set_config_key_value(f"{_PREFIX}/{name}", text)


def heard(name: str, milliseconds: int) -> str | None:
    """The text of this name; None: nobody has written it in so long, or none can be read any more."""
    try:
        return str(context.context().get_config_key_value(f"{_PREFIX}/{name}", milliseconds))
    except tf.errors.OpError:
        return None


def met() -> int:
    """How often the replicas have exchanged texts."""
    return _met


def exchange(why: str, text: str) -> list[str]:
    """What each replica tells, by rank, when all have come here.

    However long a replica takes, it is waited for; one that was lost is an error of TensorFlow. Raises
    ReplicasDiffer when another one has come for something else than ``why``.
    """
    global _met
    name, _met = f"met/{_met}", _met + 1
    rank, size = collective.place()
    tell(f"{name}/{rank}", f"{why}\n{text}")
    told = [_waited(f"{name}/{other}").partition("\n") for other in range(size)]
    _compare(why, [reason for reason, _, _ in told])
    return [words for _, _, words in told]


def _compare(why: str, reasons: Sequence[str]) -> None:
    for rank, other in enumerate(reasons):
        if other != why:
            raise ReplicasDiffer(
                f"This replica came to {why}, while replica {rank} came to {other}: what the program does "
                "depends on the replica. The result was not taken."
            )


def _waited(name: str) -> str:
    while True:
        with contextlib.suppress(tf.errors.DeadlineExceededError, tf.errors.NotFoundError):
            return str(context.context().get_config_key_value(f"{_PREFIX}/{name}", _ASK_MS))

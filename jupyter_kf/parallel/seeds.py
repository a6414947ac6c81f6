"""The global seed that replicas agree on where the notebook has set none.

What draws without a seed of its own then draws alike everywhere. What has one draws as in the notebook: there
it would be joined by TensorFlow's default, not by ours.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import tensorflow as tf
from tensorflow.python.eager import context
from tensorflow.python.framework import random_seed

from . import agreement

if TYPE_CHECKING:
    from collections.abc import Callable

_agreed: int | None = None


def agree() -> None:
    """Takes one seed on all replicas, where nothing has seeded TensorFlow. Collective."""
    if context.global_seed() is None:
        take(agreement.seed(int.from_bytes(os.urandom(4), "big")))


def take(seed: int) -> None:
    """Takes the seed that the replicas have agreed on."""
    global _agreed
    _agreed = seed
    tf.random.set_seed(seed)


def hook(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """``random_seed.get_seed``, to which the agreed seed is none for operations that have their own."""

    def get_seed(op_seed: Any) -> Any:
        eager = tf.executing_eagerly()
        here = context.global_seed() if eager else tf.compat.v1.get_default_graph().seed
        if op_seed is None or here is None or here != _agreed:
            return original(op_seed)
        return random_seed.DEFAULT_GRAPH_SEED, op_seed % (2**31 - 1)

    return get_seed

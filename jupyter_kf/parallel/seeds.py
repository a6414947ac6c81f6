"""The seed that replicas agree on, and what draws from it where a program has set none.

Operations of TensorFlow without a seed then draw alike everywhere; those that have one draw as in the
notebook, where it would be joined by TensorFlow's default, not by ours. What the operating system gives by
chance, and so unseeded generators, unique names and tokens, is alike where replicas come by together.
"""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context
from tensorflow.python.framework import random_seed

from . import agreement, disk

if TYPE_CHECKING:
    from collections.abc import Callable

_agreed: int | None = None
_chance = random.Random()


def agree() -> None:
    """Takes one seed on all replicas, where nothing has seeded TensorFlow. Collective."""
    if context.global_seed() is None:
        take(agreement.seed(int.from_bytes(os.urandom(4), "big")))


def take(seed: int) -> None:
    """Takes the seed that the replicas have agreed on."""
    global _agreed
    _agreed = seed
    _chance.seed(seed)
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


def chance_hook(original: Callable[[int], bytes]) -> Callable[[int], bytes]:
    """``os.urandom``: the same bytes for all replicas."""

    def urandom(size: int) -> bytes:
        return _chance.randbytes(size) if disk.is_together() else original(size)

    return urandom


def reseed_hook(original: Callable[..., None]) -> Callable[..., None]:
    """``random.Random.seed``, which without a seed asks the operating system by itself."""

    def seed(self: Any, a: Any = None, version: int = 2) -> None:
        original(self, os.urandom(32) if a is None and disk.is_together() else a, version)

    return seed


def ints_hook(original: Callable[..., Any]) -> Callable[..., Any]:
    """``non_deterministic_ints``, which TensorFlow's generators begin from where they are given no seed."""

    def non_deterministic_ints(shape: Any, dtype: Any = tf.int64) -> Any:
        if not disk.is_together():
            return original(shape, dtype)
        numbers = np.dtype(tf.as_dtype(dtype).as_numpy_dtype)
        shape = np.asarray(shape)
        drawn = _chance.randbytes(int(shape.prod()) * numbers.itemsize)
        return tf.constant(np.frombuffer(drawn, numbers).reshape(shape))

    return non_deterministic_ints

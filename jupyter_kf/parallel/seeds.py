"""The key that replicas agree on, and what draws from it where a program has set no seed.

Operations of TensorFlow without a seed then draw alike everywhere; those that have one draw as in the
notebook, where it would be joined by TensorFlow's default, not by ours. What the operating system gives by
chance, and so unseeded generators, unique names and tokens, is alike where replicas come by together.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context
from tensorflow.python.framework import random_seed

from . import collective, disk

if TYPE_CHECKING:
    from collections.abc import Callable

_KEY_BYTES = 32
_agreed: int | None = None
_key = b""
_drawn = 0


def agree() -> None:
    """Takes one key on all replicas, and a seed from it where nothing has seeded TensorFlow. Collective."""
    words = np.frombuffer(os.urandom(_KEY_BYTES), "int32")
    first = words if collective.rank() == 0 else np.zeros_like(words)
    take(collective.add(tf.constant(first)).numpy().tobytes().hex())


def take(key: str) -> None:
    """Takes the key that the replicas have agreed on."""
    global _agreed, _key, _drawn
    _key, _drawn = bytes.fromhex(key), 0
    if context.global_seed() in (None, _agreed):
        _agreed = int.from_bytes(_key[:4]) % 2**31
        tf.random.set_seed(_agreed)


def key() -> str:
    """What `take` took."""
    return _key.hex()


def _bytes(size: int) -> bytes:
    """The next bytes, alike on all replicas: without the key nobody can tell them."""
    global _drawn
    _drawn += 1
    return hashlib.shake_256(_key + _drawn.to_bytes(8)).digest(size)


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
        return _bytes(size) if disk.is_together() else original(size)

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
        drawn = _bytes(int(shape.prod()) * numbers.itemsize)
        return tf.constant(np.frombuffer(drawn, numbers).reshape(shape))

    return non_deterministic_ints

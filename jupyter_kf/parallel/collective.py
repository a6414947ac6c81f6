"""The group of replicas, and the collectives that everything else is made of.

TensorFlow matches the calls of the members of a collective by a key, and remembers the shape and type first
seen under it. Here the key is computed when the step runs, from operation, type and number of elements, and
all collectives of a program are held in program order by one resource: replicas agree because they run the
same program, however often and differently each of them traces it. The resource counts the collectives begun
and sums up their keys, so that replicas that no longer agree can be told from slow ones (``watch``).

This module knows nothing of gradients, rows or Keras, nor how the runtime is started (``runtime``).
"""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import tensorflow as tf
from tensorflow.python.eager import context

from . import runtime

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_PART_MS = 10_000
_GROUP_KEY = 4242
_KEY_SPACE = 2**27 - 1
COUNTER, COUNTING = "collectives_begun", "jupyter_kf_begun"
DTYPES = (tf.float32, tf.float64, tf.float16, tf.bfloat16, tf.int32, tf.int64)
_SUM, _GATHER, _MEAN, _KINDS = 0, 1, 2, 3
_SLOTS = _KINDS * len(DTYPES)


@dataclass
class _Group:
    """The replicas that work together; ``begun`` orders and counts their collectives and sums their keys.

    While a graph is recorded for later, rank and size are variables that are set when it runs. ``place`` is
    what they were at the start.
    """

    rank: Any = 0
    size: Any = 1
    writer: int = 0
    begun: Any = None
    lock: threading.Lock = field(default_factory=threading.Lock)
    place: tuple[int, int] = (0, 1)


_group = _Group()


def rank() -> Any:
    """This process's place in the group, from 0; a tensor while a graph is recorded."""
    return _now(_group.rank)


def world_size() -> Any:
    """How many replicas work together; 1 outside a job, a tensor while a graph is recorded."""
    return _now(_group.size)


def _now(number: Any) -> Any:
    return number if isinstance(number, int) else number.read_value()


def world_size_for(x: tf.Tensor) -> Any:
    """The number of replicas, to multiply or divide ``x`` by."""
    size = world_size()
    return size if isinstance(size, int) else tf.cast(size, x.dtype)


def alone() -> bool:
    """Whether this process works by itself, and no graph is recorded."""
    return isinstance(_group.size, int) and _group.size == 1


def apart() -> bool:
    """Whether this process was one of several, and works by itself since."""
    return alone() and _group.place[1] > 1


def place() -> tuple[int, int]:
    """This process's rank, and the number of replicas, as they were at the start."""
    return _group.place


def go_alone() -> None:
    """From now on this process computes by itself, as its collectives have ended."""
    _group.rank, _group.size = 0, 1


def recording() -> bool:
    """Whether a graph is recorded, for any number of replicas."""
    return not isinstance(_group.size, int)


@contextlib.contextmanager
def recorded(rank: tf.Variable, size: tf.Variable, begun: tf.Variable) -> Iterator[None]:
    """Inside the block graphs are traced whose group is what these variables say when they run."""
    global _group
    before, _group = _group, _Group(rank, size, 0, begun)
    try:
        yield
    finally:
        _group = before


def lead(begun: tf.Variable) -> None:
    """Lets the variable of a loaded graph order and count this process's collectives from now on."""
    begun.assign(_group.begun if _group.begun is not None else tf.zeros_like(begun))
    _group.begun = begun


def writer() -> int:
    """The first of the replicas on this one's host."""
    return _group.writer


def start(rank: int, addresses: Sequence[str], *, timeout: float) -> None:
    """Joins the group of ``addresses`` (host:port by rank) within ``timeout`` seconds.

    A group of one needs no runtime. Raises TimeoutError, naming the ranks that cannot be reached, and
    RuntimeError when TensorFlow refuses (its own message follows).
    """
    if len(addresses) > 1:
        runtime.start(rank, list(addresses), timeout)
        with tf.init_scope(), tf.device("/device:CPU:0"):
            _group.begun = tf.Variable([0, 0], trainable=False, dtype=tf.int64, name=COUNTER)
    hosts = [address.rpartition(":")[0] for address in addresses]
    _group.rank, _group.size, _group.writer = rank, len(addresses), hosts.index(hosts[rank])
    _group.place = rank, len(addresses)


def _key(x: tf.Tensor, kind: int) -> tf.Tensor:
    """One key for each operation, type and number of elements: distinct up to 7 million elements."""
    slot = DTYPES.index(x.dtype) * _KINDS + kind
    return tf.size(x) % (_KEY_SPACE // _SLOTS) * _SLOTS + slot + 1


def begun() -> tuple[int, int]:
    """How many collectives this process has begun, and the sum of their keys. Safe from any thread."""
    count, keys = (int(n) for n in _group.begun.numpy())
    return count, keys


def mark(value: int) -> None:
    """Adds ``value`` to the sum of keys, as a collective would that only this replica has begun."""
    _group.begun.assign_add([0, value])


def _counted(x: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
    """``x`` once the collective with this key is counted as begun."""
    step = tf.stack([tf.constant(1, tf.int64), tf.cast(key, tf.int64)])
    counted = tf.raw_ops.AssignAddVariableOp(resource=_group.begun.handle, value=step, name=COUNTING)
    with tf.control_dependencies([] if tf.executing_eagerly() else [counted]):
        return tf.identity(x)


def _sent(x: tf.Tensor) -> tf.Tensor:
    """``x`` in a type that collectives take: complex numbers as pairs, small integers as larger ones."""
    if x.dtype in DTYPES:
        return x
    if x.dtype.is_complex:
        return tf.bitcast(x, x.dtype.real_dtype)
    if x.dtype in (tf.uint32, tf.uint64):
        return tf.cast(x, tf.int64)
    return tf.cast(x, tf.int32)


def _received(x: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """The inverse of ``_sent``."""
    return tf.bitcast(x, dtype) if dtype.is_complex else tf.cast(x, dtype)


def add(x: Any) -> tf.Tensor:
    """The sum of every replica's ``x`` (same shape everywhere; numbers)."""
    x = tf.convert_to_tensor(x)
    if alone():
        return x
    if x.dtype not in DTYPES:
        return _received(add(_sent(x)), x.dtype)
    return _reduced(x, _SUM)


def mean(x: Any) -> tf.Tensor:
    """The mean of every replica's ``x`` (same shape everywhere; numbers that can be divided).

    The runtime divides where it has added, without another pass over the numbers.
    """
    x = tf.convert_to_tensor(x)
    if not x.dtype.is_floating or x.dtype not in DTYPES:
        return add(x) / world_size_for(x)
    return x if alone() else _reduced(x, _MEAN)


def _reduced(x: tf.Tensor, kind: int) -> tf.Tensor:
    flat = tf.reshape(x, [-1])
    key = _key(flat, kind)
    reduced = tf.raw_ops.CollectiveReduceV2(
        input=_counted(flat, key),
        group_size=world_size(),
        group_key=_GROUP_KEY,
        instance_key=key,
        ordering_token=[_group.begun.handle],
        merge_op="Add",
        final_op="Div" if kind == _MEAN else "Id",
    )
    return tf.ensure_shape(tf.reshape(reduced, tf.shape(x)), x.shape)


def gather(x: Any) -> tf.Tensor:
    """Every replica's ``x`` (same shape everywhere; numbers), stacked by rank. (...) -> (size, ...)."""
    x = tf.convert_to_tensor(x)
    if alone():
        return x[tf.newaxis]
    if x.dtype not in DTYPES:
        return _received(gather(_sent(x)), x.dtype)
    flat = tf.reshape(x, [-1])
    key = _key(flat, _GATHER)
    size = world_size()
    blocks = tf.raw_ops.CollectiveGatherV2(
        input=_counted(flat, key),
        group_size=size,
        group_key=_GROUP_KEY,
        instance_key=key,
        ordering_token=[_group.begun.handle],
    )
    stacked = tf.reshape(blocks, tf.concat([[size], tf.shape(x)], 0))
    first = size if isinstance(size, int) else None
    return tf.ensure_shape(stacked, [first, *x.shape] if x.shape.rank is not None else None)


def part() -> None:
    """Waits until all have come out of the last collective, whose end a process that is gone would spoil."""
    with contextlib.suppress(tf.errors.OpError):  # whoever has gone is no longer waited for
        context.context().wait_at_barrier(f"jupyter_kf/part/{begun()[0]}", _PART_MS)


def leave() -> None:
    """Forgets the group, for tests; TensorFlow's runtime itself cannot be stopped inside a process."""
    global _group
    _group = _Group()

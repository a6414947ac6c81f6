"""Which rows of a batch are this replica's, and the linear maps between whole batches and rows.

Outside the cut region every replica holds the same whole tensors; inside it each holds its block of rows.
Inside, derivatives are kept ``size`` times too large, so that the mean over the replicas that the tape hook
takes is right both for what was computed in pieces and for what every replica computed whole. Each map is
the transpose of another one, so derivatives of any order are right. Nothing here knows of Keras.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from . import collective

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True)
class Share:
    """A replica's block of a batch of ``rows``: ``count`` rows from ``start``, ``own`` of them its own.

    Blocks have ``block`` rows, the last ones fewer. A replica left without rows computes one row that
    counts for nothing (``count`` 1, ``own`` 0), so that no layer ever sees an empty batch.
    """

    rows: Any
    block: Any
    start: Any
    count: Any
    own: Any
    rank: int
    size: int
    trial: bool = False

    @classmethod
    def of(cls, rows: Any) -> Share:
        """This replica's share of ``rows`` (an int, or a scalar tensor in a graph)."""
        rank, size = collective.rank(), collective.world_size()
        if collective.recording():
            rows = tf.convert_to_tensor(rows)
        least, most = (min, max) if isinstance(rows, int) else (tf.minimum, tf.maximum)
        block = (rows + size - 1) // size
        begin = least(rank * block, rows)
        own = least(block, rows - begin)
        return cls(rows, block, least(begin, most(rows - 1, 0)), most(own, 1), own, rank, size)


class _Region(threading.local):
    share: Share | None = None
    last: Share | None = None
    traced: Any = None


_region = _Region()
_traced: weakref.WeakKeyDictionary[Any, dict[Any, Any]] = weakref.WeakKeyDictionary()


def current() -> Share | None:
    """The share that the code running now works on, or None where tensors are whole."""
    return _region.share


def last() -> Share | None:
    """The share that was cut last since ``forget``, in this thread."""
    return _region.last


def forget() -> None:
    """Starts to watch anew whether anything is cut."""
    _region.last = None


@contextlib.contextmanager
def cut(share: Share | None) -> Iterator[None]:
    """Runs a block on the rows of ``share`` (None: on whole tensors)."""
    before, _region.share = (_region.share, _region.traced), share
    _region.traced = {}
    if share is not None and not share.trial:
        _region.last = share
    try:
        yield
    finally:
        _region.share, _region.traced = before


def own_trace(function: Any, copy: Callable[[], Any]) -> Any:
    """A ``tf.function`` for the rows worked on now: what it traced for others draws and counts for others.

    It is traced again for each share; shares known by number keep theirs.
    """
    share = _region.share
    if share is None:
        return function
    known: dict[Any, Any]
    key: Any
    if isinstance(share.rows, int):
        known, key = _traced.setdefault(function, {}), share
    else:
        known, key = _region.traced, function
    if key not in known:
        known[key] = copy()
    return known[key]


def _slice(x: tf.Tensor, share: Share) -> tf.Tensor:
    return x[share.start : share.start + share.count]


def _factor(share: Share, x: tf.Tensor) -> Any:
    """The number of replicas, to multiply or divide ``x`` by."""
    return share.size if isinstance(share.size, int) else tf.cast(share.size, x.dtype)


def take(x: tf.Tensor, share: Share) -> tf.Tensor:
    """Whole to rows. (n, ...) -> (count, ...)."""

    def taken(x: tf.Tensor) -> Any:
        return _slice(x, share), lambda dy: give(dy, share) / _factor(share, dy)

    return tf.custom_gradient(taken)(x) if x.dtype.is_floating or x.dtype.is_complex else _slice(x, share)


def give(x: tf.Tensor, share: Share) -> tf.Tensor:
    """Rows to whole, on every replica. (count, ...) -> (n, ...)."""

    def given(x: tf.Tensor) -> Any:
        padding = [[0, share.block - share.own]] + [[0, 0]] * (x.shape.rank - 1)
        blocks = collective.gather(tf.pad(x[: share.own], padding))
        whole = tf.reshape(blocks, tf.concat([[-1], tf.shape(x)[1:]], 0))[: share.rows]

        def back(dy: tf.Tensor) -> tf.Tensor:
            return tf.where(share.own > 0, take(dy, share) * _factor(share, dy), 0)

        return tf.ensure_shape(whole, [None, *x.shape[1:]]), back

    return tf.custom_gradient(given)(x)


def average(x: tf.Tensor) -> tf.Tensor:
    """The mean over the replicas of what each computed from its rows; the mean is whole. Any shape."""

    def averaged(x: tf.Tensor) -> Any:
        return collective.mean(x), spread

    return tf.custom_gradient(averaged)(x)


def spread(x: tf.Tensor) -> tf.Tensor:
    """A whole tensor for use inside the region; the transpose of ``average``."""

    def spreading(x: tf.Tensor) -> Any:
        return tf.identity(x), average

    return tf.custom_gradient(spreading)(x)


def total(x: tf.Tensor) -> tf.Tensor:
    """The sum over the replicas of what each computed from its rows; the sum is whole. Any shape."""
    return average(x) * collective.world_size_for(x)


def exchange(x: tf.Tensor) -> tf.Tensor:
    """Each replica's ``x``, for use inside the region. (...) -> (size, ...)."""

    def exchanged(x: tf.Tensor) -> Any:
        return collective.gather(x), tf.custom_gradient(own)

    def own(dy: tf.Tensor) -> Any:
        return collective.add(dy)[collective.rank()], exchange

    return tf.custom_gradient(exchanged)(x)

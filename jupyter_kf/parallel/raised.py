"""An error that the rows of one replica raise is raised by all, as the whole batch would have raised it.

The replica tells the others of its error and waits for them. They stand in a collective of the same step, or
come to it; their watch ends it (``watch``). Then all exchange what they have, and raise the error of the
first replica that has one, at the same line. TensorFlow cannot use collectives again once one has been
ended, so what the program does afterwards each replica computes whole, by itself: right, but not faster.
"""

from __future__ import annotations

import base64
import contextlib
import pickle
import threading
from typing import TYPE_CHECKING, Any

import cloudpickle
import tensorflow as tf
from tensorflow.python.eager import context

from .. import frames
from . import board, collective, report, stop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ABORTED = 10
_PATIENCE = 3
_LONGEST = 1_000_000
_OF_PEERS = (
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
    tf.errors.UnavailableError,
)
"""What a collective fails with because of another replica."""


class _Settling(threading.local):
    inside = False


_here = _Settling()
_lock = threading.Lock()
_settling = False
_ended = False


@contextlib.contextmanager
def alike(kinds: type[Exception], may_differ: Callable[[], bool] = lambda: True) -> Iterator[None]:
    """An error of these kinds that leaves the block on one replica leaves it on all.

    All must come by here. ``may_differ`` is asked, after an error, whether it can be one replica's alone.
    """
    if _here.inside or not _watched():
        yield
        return
    _here.inside, before = True, collective.begun()[0]
    try:
        yield
    except kinds as error:
        if isinstance(error, tf.errors.OutOfRangeError) or stop.mark_in(error) or not may_differ():
            raise
        _settle(error, before)
        raise
    finally:
        _here.inside = False


def _watched() -> bool:
    return (
        tf.executing_eagerly()
        and not collective.alone()
        and threading.current_thread() is threading.main_thread()
    )


def look(still: int) -> bool:
    """Ends the collective that this process stands in if another replica told of an error; says if it did.

    Called by the watch, for the ``still``-th time since this process has begun its last collective.
    """
    global _ended
    told = board.heard(name := _name(), 1)
    with _lock:
        waits = told is not None and (collective.begun()[0] > int(told) or still >= _PATIENCE)
        if not waits or _settling or name != _name():
            return False
        _ended = True
        context.context().abort_collective_ops(_ABORTED, "jupyter_kf: another replica raised an error")
        return True


def check() -> None:
    """Raises another replica's error when its end of a collective was not met by ``alike``."""
    if _ended and not collective.alone():
        _settle(None, -1)


def _name() -> str:
    return f"raised/{board.met()}"


def _settle(error: Exception | None, before: int) -> None:
    """Raises what all replicas raise, unless it is ``error``."""
    global _settling
    with _lock:
        _settling = True
    try:
        mine = _of_its_own(error)
        if mine:
            board.tell(_name(), str(collective.begun()[0]))
        untouched = not _ended and collective.begun()[0] == before
        told = board.exchange("an error", f"{int(untouched)} {_packed(error) if mine else ''}")
    finally:
        with _lock:
            _settling = False
    words = [text.partition(" ") for text in told]
    if not all(packed and flag == "1" for flag, _, packed in words):
        _go_alone()
    rank = next((i for i, (_, _, packed) in enumerate(words) if packed), None)
    if rank is not None and rank != collective.place()[0]:
        _raise(words[rank][2], rank)
    elif rank is not None and error is not None and _ended_by_one(words):
        error.add_note(_whose(rank))


def _ended_by_one(words: list[tuple[str, str, str]]) -> bool:
    return not all(packed for _, _, packed in words)


def _of_its_own(error: Exception | None) -> bool:
    """Whether it is more than the end of a collective that another replica's error brought about."""
    if error is None:
        return False
    if not isinstance(error, _OF_PEERS):
        return True
    if not _ended and board.heard(_name(), 2000) is None:
        raise error  # a replica was lost
    return False


def _packed(error: Exception | None) -> str:
    rows = frames.to_plain(error.__traceback__ if error else None)
    if isinstance(error, tf.errors.OpError):
        what: Any = type(error)(None, None, error.message[:_LONGEST])
    else:
        what = error
    try:
        return base64.b64encode(cloudpickle.dumps((what, rows))).decode()
    except Exception:  # noqa: BLE001 - a pickle may fail in any way; the error is told in words all the same
        words = RuntimeError(f"{type(error).__name__}: {error}"[:_LONGEST])
        return base64.b64encode(pickle.dumps((words, rows))).decode()


def _raise(packed: str, rank: int) -> None:
    error, rows = pickle.loads(base64.b64decode(packed))
    error.add_note(_whose(rank))
    raise error.with_traceback(frames.from_plain(rows)) from None


def _whose(rank: int) -> str:
    return f"Raised by replica {rank}; rows that it names are counted in that replica's part of the batch."


def _go_alone() -> None:
    collective.go_alone()
    report.note(
        "One replica's rows raised an error, and all replicas raise it. If the program goes on, each "
        "replica computes the rest whole: right, but not faster."
    )

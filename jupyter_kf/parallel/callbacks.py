"""Keras's callbacks in a job: rank 0 reports progress and decides for all when to stop.

Every replica runs every callback. What a callback of the user's makes of the time or of a file may differ
between them, so what it decides is taken from rank 0.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import keras
from keras.src import utils

from . import agreement, collective, report

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_STEP_EVERY_S = 0.2


class Progress(keras.callbacks.Callback):  # type: ignore[misc]
    """Reports steps (a few a second) and epochs."""

    def __init__(self) -> None:
        super().__init__()
        self._epoch, self._step, self._last = 0, 0, 0.0

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._step += 1
        now = time.monotonic()
        if report.wanted() and now - self._last > _STEP_EVERY_S:
            self._last = now
            report.progress("step", epoch=self._epoch, step=batch, values=_numbers(logs))

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        report.progress("epoch", epoch=epoch, step=self._step, values=_numbers(logs))


def hook(original: Callable[..., None]) -> Callable[..., None]:
    """``CallbackList.__init__`` with progress reported from rank 0."""

    def init(self: Any, callbacks: Any = None, *args: Any, **kwargs: Any) -> None:
        if collective.rank() == 0 and report.wanted():
            callbacks = [*(keras.tree.flatten(callbacks) if callbacks else []), Progress()]
        original(self, callbacks, *args, **kwargs)

    return init


def _numbers(logs: Mapping[str, Any] | None) -> dict[str, float]:
    return {name: float(value) for name, value in (logs or {}).items() if _is_number(value)}


def _is_number(value: Any) -> bool:
    return getattr(value, "ndim", 0) == 0 and not isinstance(value, str)


def epoch_hook(original: Callable[..., None]) -> Callable[..., None]:
    """``CallbackList.on_epoch_end``: ``stop_training`` is afterwards what rank 0 says."""
    return _deciding(original, lambda callback: True)


def batch_hook(original: Callable[..., None]) -> Callable[..., None]:
    """``CallbackList.on_train_batch_end``: the same, where a callback of the user's looks at batches."""
    return _deciding(original, _looks_at_batches)


def _deciding(original: Callable[..., None], looks: Callable[[Any], bool]) -> Callable[..., None]:
    def ended(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        if collective.world_size() > 1 and any(_of_the_user(c) and looks(c) for c in self.callbacks):
            self.model.stop_training = agreement.decision(bool(self.model.stop_training))

    return ended


def _of_the_user(callback: Any) -> bool:
    """Whether it may look at more than what Keras tells it."""
    module = type(callback).__module__.partition(".")[0]
    return isinstance(callback, keras.callbacks.LambdaCallback) or module not in ("keras", "jupyter_kf")


def _looks_at_batches(callback: Any) -> bool:
    names = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")
    return not all(utils.is_default(getattr(callback, name)) for name in names)

"""The steps of a training graph: told as they are made, kept where that is asked for, taken up after a loss.

Every replica makes the same steps of the same batches. Taken up, it reads the batches of the steps that were
made before and passes them over, so the data stands where it stood.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from ..errors import JobError
from ..parallel import report, stop

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..parallel.resume import Keeper
    from .loading import Loaded

_TOLD_EVERY_S = 0.2


class Course:
    """One training: the steps that it has made, and what the last one gave."""

    def __init__(self, graph: Loaded, keeper: Keeper | None) -> None:
        self.steps = 0
        self._graph = graph
        self._keeper = keeper
        self._last: Any = {}
        self._told, self._kept = 0.0, time.monotonic()

    def run(self, batches: Iterable[Any]) -> None:
        """Train on all batches; KeyboardInterrupt, after a whole step, where the replicas are to stop."""
        saved = self._keeper.saved if self._keeper else None
        made = int(saved["steps"]) if saved else 0
        for batch in batches:
            if self.steps < made:
                self.steps += 1
                if self.steps == made:
                    self._take_up(saved)
            else:
                self._step(batch)
        if self.steps < made:
            raise JobError("The data ended before the step of the checkpoint: it is not what it was.")
        if self.steps:
            report.progress("epoch", epoch=0, step=self.steps, values=self.numbers())

    def numbers(self) -> dict[str, float]:
        """Give the scalars of the last step, by name; a single one is its loss."""
        if isinstance(self._last, dict):
            return {str(k): float(v) for k, v in self._last.items() if _scalar(v)}
        found = [float(v) for v in tf.nest.flatten(self._last) if _scalar(v)]
        return {"loss" if i == 0 else f"output_{i}": v for i, v in enumerate(found)}

    def _step(self, batch: Any) -> None:
        self._last = self._graph(*arguments(batch))
        self.steps += 1
        if report.wanted() and time.monotonic() - self._told > _TOLD_EVERY_S:
            self._told = time.monotonic()
            report.progress("step", epoch=0, step=self.steps, values=self.numbers())
        self._keep()
        stop.check()

    def _keep(self) -> None:
        keeper = self._keeper
        if keeper is None or keeper.save is None:
            return
        if keeper.wanted or time.monotonic() - self._kept >= keeper.every:
            numbers, values = self.numbers(), self._graph.values()
            keeper.save({"seed": keeper.seed, "steps": self.steps, "numbers": numbers, "variables": values})
            keeper.wanted, self._kept = False, time.monotonic()

    def _take_up(self, saved: Any) -> None:
        assert self._keeper is not None
        self._graph.take(saved["variables"])
        self._last = {name: tf.constant(number) for name, number in saved["numbers"].items()}
        self._keeper.taken_up()
        report.note(f"Taken up at step {self.steps}.")


def batches(data: Any) -> Any:
    """What is given as data, as a dataset: itself, or ``(arrays, rows of a batch)``."""
    if isinstance(data, tuple) and len(data) == 2 and isinstance(data[1], int):
        arrays, rows = data
        return tf.data.Dataset.from_tensor_slices(arrays).batch(rows)
    return data


def arguments(batch: Any) -> tuple[Any, ...]:
    """What a batch of a dataset is to a graph."""
    return batch if isinstance(batch, tuple) else (batch,)


def _scalar(x: Any) -> bool:
    return isinstance(x, tf.Tensor) and x.shape.rank == 0 and (x.dtype.is_floating or x.dtype.is_integer)

"""A forward graph over the batches of a dataset: one job a shard, outputs in order, lost shards again.

Shard ``i`` of ``n`` computes the batches ``i``, ``i + n`` and so on, so the length of the dataset need not be
known. An error of the graph itself is raised; a replica that was lost is not the graph's fault. Whoever stops
reading, or is interrupted, ends the shards that still run.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from .errors import JobFailed, NotFound, SpecError
from .stored.record import GraphKind, GraphRun

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .handle import Job
    from .stored.handle import Graph

ATTEMPTS = 3


def outputs(
    start: Callable[[Graph, GraphRun, Any], Job], graph: Graph, datasets: tuple[Any, ...], count: int
) -> Iterator[Any]:
    """Start ``count`` shards at once and give the outputs for each batch in order."""
    if graph.record.kind is not GraphKind.FORWARD:
        raise SpecError(f"{graph.name!r} is a training graph: submit it. Only a forward graph can be mapped.")
    if len(datasets) > 1:
        raise SpecError("map takes one dataset of batches; put several together with tf.data.Dataset.zip.")
    data = datasets[0] if datasets else None
    runs = [
        GraphRun(graph.name, graph.version, allow=graph.allow, shard=i, shards=count) for i in range(count)
    ]
    parts: list[_Shard] = []
    try:
        for run in runs:
            parts.append(_Shard(start, graph, run, data))
    except BaseException:
        _end(parts)
        raise
    return _in_order(parts)


class _Shard:
    """One shard, and how to begin it again."""

    def __init__(self, start: Callable[..., Job], graph: Graph, run: GraphRun, data: Any) -> None:
        self._start = start, graph, run, data
        self.job = start(graph, run, data)
        self._result: list[Any] | None = None

    def result(self) -> list[Any]:
        """Wait for its outputs."""
        for attempt in range(ATTEMPTS):
            if self._result is not None:
                break
            try:
                self._result = self.job.result()
            except JobFailed:  # the graph's own errors come as they are
                if attempt == ATTEMPTS - 1:
                    raise
                start, *what = self._start
                self.job = start(*what)
        assert self._result is not None
        return self._result


def _in_order(parts: list[_Shard]) -> Iterator[Any]:
    place = 0
    try:
        while True:
            part = parts[place % len(parts)].result()
            if place // len(parts) >= len(part):
                return
            yield part[place // len(parts)]
            place += 1
    finally:
        _end(parts)


def _end(parts: list[_Shard]) -> None:
    """End the shards that still run: nobody waits for them any more."""
    for part in parts:
        with contextlib.suppress(NotFound):
            part.job.cancel()

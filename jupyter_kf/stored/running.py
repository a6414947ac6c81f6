"""A stored graph in a replica: training on whole batches, or its share of a forward pass.

No code of the user's runs here, so none of what holds the replicas' programs together is needed but the
collectives that are in the graph.
"""

from __future__ import annotations

import itertools
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import SpecError
from ..parallel import agree, collective, resume, stop
from . import forward, loading, shelf
from .course import Course, batches
from .record import GraphKind, GraphRecord, GraphRun, Trained
from .writing import write_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..store import ArtifactStore

    Steady = Callable[[Callable[[], None]], bool]


def perform(
    store: ArtifactStore, run: GraphRun, data: Any, job: str, steady: Steady = lambda stop: False
) -> Any:
    """Do what was asked: give the record of the next version, or the outputs of this shard's batches.

    ``steady`` is told what stops a training after its step: from then on nothing else is to. It says whether
    a stop was asked for already. What was trained until then is kept before KeyboardInterrupt is raised.
    """
    record = shelf.read_record(store, run.name, run.version)
    graph = loading.load(store, record, run.allow)
    if data is None and record.has_data:
        data = loading.load_data(store, record, run.allow)
    if data is None:
        raise SpecError(
            f"The graph {record.name!r} has no dataset: give one to submit, or store one with it, "
            "kf.save_graph(..., data=dataset)."
        )
    if record.kind is GraphKind.FORWARD:
        return forward.outputs(graph, batches(data), run)
    return _train(store, graph, data, run, job, steady)


def _train(
    store: ArtifactStore, graph: loading.Loaded, data: Any, run: GraphRun, job: str, steady: Steady
) -> GraphRecord:
    graph.join()
    if steady(stop.request):
        stop.request()
    course, stopped = Course(graph, resume.keeper()), False
    try:
        course.run(_until(batches(data), run.steps))
    except KeyboardInterrupt:
        stopped = True
    agree(graph.variables)
    trained = Trained(run.version, job, course.steps, course.numbers().get("loss"))
    record = replace(graph.record, trained=trained, created=time.time())
    if run.keep and not collective.rank():
        record = keep(store, record, graph.variables)
    if stopped:
        kept = f", which are kept as version {record.version} of {record.name!r}" if run.keep else ""
        raise KeyboardInterrupt(f"interrupted after {course.steps} steps{kept}")
    return record


def keep(store: ArtifactStore, record: GraphRecord, variables: list[Any]) -> GraphRecord:
    """Store new weights of a version as the next one."""
    with shelf.draft(store) as folder:
        for name in record.files:
            if name != shelf.WEIGHTS:
                shelf.fetch_file(store, record, name, folder)
        weights = write_weights([w.name for w in record.weights], variables, folder)
        return shelf.shelve(store, record, folder, record.files | {shelf.WEIGHTS: weights})


def _until(data: Any, steps: int | None) -> Iterator[Any]:
    """Go through the data once, or for so many steps, from its start again when it ends before."""
    if steps is None:
        yield from data
        return
    done = 0
    while done < steps:
        before = done
        for batch in itertools.islice(iter(data), steps - done):
            done += 1
            yield batch
        if done == before:
            raise SpecError("The dataset is empty.")

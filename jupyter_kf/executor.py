"""How work is sent out: `Executor` for callables, `submit_cell` for cells, `jobs` to look back.

The only place that brings capture, store and backend together.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from . import loop, shards
from .backends import connect
from .errors import NotFound, SpecError
from .handle import Job, sent
from .names import check_job_name, new_job_name
from .profiles import find
from .spec import JobSpec, Resources
from .store import PAYLOAD, SPEC, job_path
from .stored import shelf
from .stored.fitting import check_taken_up
from .stored.record import GraphRun

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Self

    from .backends.base import Backend
    from .capture import Captured
    from .capture.cell import Cell
    from .store import ArtifactStore
    from .stored.handle import Graph


@dataclass(frozen=True)
class Options:
    """How a job is to run; see `JobSpec` for the meaning of each."""

    workers: int = 2
    profile: str = ""
    name: str = ""
    start_timeout: float = 120.0
    checkpoint: float | str | None = None
    labels: dict[str, str] = field(default_factory=dict)

    def spec(self, stem: str) -> JobSpec:
        """Make the specification; `SpecError` for a wrong name, number or profile."""
        profile = find(self.profile) if self.profile else None
        if profile:
            profile.check_replicas(self.workers)
        return JobSpec(
            name=check_job_name(self.name) if self.name else new_job_name(stem),
            replicas=self.workers,
            profile=self.profile,
            resources=profile.resources if profile else Resources(),
            image=profile.image if profile else "",
            user=os.environ.get("JUPYTERHUB_USER", ""),
            notebook=os.environ.get("JPY_SESSION_NAME", ""),
            created=time.time(),
            start_timeout=self.start_timeout,
            checkpoint=seconds(self.checkpoint),
            labels=self.labels,
        )


_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


def seconds(given: float | str | None) -> float | None:
    """Read a length of time such as 60, ``"60s"``, ``"5m"`` or ``"1.5h"``; `SpecError` for anything else."""
    if not isinstance(given, str):
        return None if given is None else float(given)
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smh]?)\s*", given)
    if found is None:
        raise SpecError(f"{given!r} is no length of time: write 60s, 5m or 1h.")
    return float(found[1]) * _UNITS[found[2]]


class Executor:
    """Runs callables as jobs, with the manners of `concurrent.futures.Executor`.

    ::

        with kf.Executor(workers=2) as ex:
            ex.submit(model.fit, x, y, epochs=3).result()      # the live model is trained
    """

    def __init__(
        self,
        workers: int = 2,
        *,
        profile: str = "",
        start_timeout: float = 120.0,
        checkpoint: float | str | None = None,
        backend: Backend | None = None,
    ) -> None:
        """``checkpoint`` (``"60s"``) is how often ``model.fit`` is kept, to go on from after a loss."""
        self._options = Options(workers, profile, "", start_timeout, checkpoint)
        self._options.spec("check")  # wrong options are told now, not at the first submit
        self.backend = backend or connect()
        self._jobs: list[Job] = []

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Job:
        """Send ``function(*args, **kwargs)`` out; any callable, with whatever it needs.

        A stored graph is trained: ``submit(graph, dataset, steps=...)``; its result is the record of the next
        version. Raises `CaptureError` for what cannot travel, before anything is started.
        """
        from .capture.call import Call
        from .stored.handle import Graph

        if isinstance(function, Graph):
            return self._submit_graph(function, *args, **kwargs)
        name = getattr(function, "__name__", type(function).__name__)
        spec = self._options.spec(name)
        spec = replace(spec, source=_source_of(function), own_strategy=_own_strategy(function))
        job = _submit(self.backend, spec, Call(function, args, kwargs))
        self._jobs.append(job)
        return job

    def map(self, function: Callable[..., Any], *iterables: Iterable[Any]) -> Iterator[Any]:
        """Send one job out for each item and give their values in order.

        A stored graph is computed over the batches of a dataset, a shard a worker, and gives its outputs for
        each batch in order; a shard that was lost begins again.
        """
        from .stored.handle import Graph

        if isinstance(function, Graph):
            return shards.outputs(self._start_shard, function, iterables, self._options.workers)
        pending = [self.submit(function, *items) for items in zip(*iterables, strict=False)]
        return (job.result() for job in pending)

    def _submit_graph(
        self, graph: Graph, data: Any = None, *, steps: int | None = None, keep: bool = True
    ) -> Job:
        run = GraphRun(graph.name, graph.version, steps=steps, keep=keep, allow=graph.allow)
        job = submit_graph(graph.store, run, self._options, self.backend, data)
        self._jobs.append(job)
        return job

    def _start_shard(self, graph: Graph, run: GraphRun, data: Any) -> Job:
        job = submit_graph(graph.store, run, replace(self._options, workers=1), self.backend, data)
        self._jobs.append(job)
        return job

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for the jobs of this executor, or cancel them; their records stay until `Job.delete`."""
        if cancel_futures:
            self._each(Job.cancel)
        elif wait:
            self._each(Job.wait)

    def _each(self, what: Callable[[Job], object]) -> None:
        for job in self._jobs:
            with contextlib.suppress(NotFound):
                what(job)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Wait for the jobs. An interrupt lets them stop after their step, a second one cancels them."""
        stopped = kind is KeyboardInterrupt
        if stopped:
            self._each(Job.interrupt)
        try:
            self.shutdown()
        except KeyboardInterrupt:
            self._each(Job.cancel if stopped else Job.interrupt)
            self.shutdown()
            raise


def submit_cell(cell: Cell, options: Options, namespace: dict[str, Any], backend: Backend) -> Job:
    """Send a cell out; its results land in ``namespace`` when they are applied."""
    spec = options.spec(_notebook_stem())
    spec = replace(spec, source=cell.source, cell=cell.number, own_strategy=_own_strategy(cell))
    return _submit(backend, spec, cell, namespace)


def submit_graph(
    store: ArtifactStore, run: GraphRun, options: Options, backend: Backend, data: Any = None
) -> Job:
    """Send a stored graph out; where jobs have another store than the graph, it is copied there first.

    ``data`` None is the dataset stored with it. Loads no TensorFlow.
    """
    record = shelf.read_record(store, run.name, run.version or None)
    if data is None and not record.has_data:
        raise SpecError(
            f"The graph {record.name!r} has no dataset: give one, or store one with it: "
            "kf.save_graph(..., data=dataset)."
        )
    if options.checkpoint is not None:
        check_taken_up(record)
    if store.url != backend.store.url:
        shelf.copy_graph(store, record.name, backend.store, version=record.version)
    spec = options.spec(record.name)
    labels = {"graph": record.name, "graph-version": str(record.version)}
    if run.shards > 1:
        labels["graph-shards"] = str(run.shards)
    spec = replace(spec, source=record.source, labels=spec.labels | labels)
    run = replace(run, version=record.version, steps=run.steps or record.steps)
    return _submit(backend, spec, run, data=data)


def jobs(backend: Backend | None = None) -> list[Job]:
    """Give all jobs, the newest first."""
    place = backend or connect()
    return [_handle(place, status.name) for status in loop.run(place.list())]


def job(name: str, backend: Backend | None = None) -> Job:
    """Give the handle of a job, from any kernel; `NotFound` if there is none of this name.

    In the kernel that sent it out, its results land in the live objects they came from.
    """
    place = backend or connect()
    loop.run(place.get(name))
    return _handle(place, name)


def _handle(backend: Backend, name: str) -> Job:
    return sent.get((backend.store.url, name)) or Job(backend, name)


def _submit(
    backend: Backend, spec: JobSpec, work: Any, namespace: dict[str, Any] | None = None, data: Any = None
) -> Job:
    store = backend.store
    if not store.claim(job_path(spec.name)):
        raise SpecError(_taken(store, spec.name))
    try:
        captured = _pack(store, spec.name, work, data)
        loop.run(backend.submit(spec))
    except BaseException:
        # An interrupt may come when the job has been started already.
        with contextlib.suppress(NotFound):
            loop.run(backend.delete(spec.name))
        store.delete(job_path(spec.name))
        raise
    return Job(backend, spec.name, captured, namespace)


def _taken(store: ArtifactStore, name: str) -> str:
    if store.has(job_path(name, SPEC)):
        return f"There is a job {name!r} already: choose another name, or kf.job({name!r}).delete() it."
    place = f"{store.url}/{job_path(name)}"
    return (
        f"A job {name!r} is being submitted, or its submission was cut off: choose another name, "
        f"or remove {place}."
    )


def _pack(store: ArtifactStore, name: str, work: Any, data: Any = None) -> Captured:
    from .capture import ambient, pack

    payload = {"work": work, "ambient": ambient.snapshot(work)} | ({} if data is None else {"data": data})
    path = job_path(name, PAYLOAD)
    local = store.local(path)
    if local is not None:
        local.mkdir(mode=0o700)
        return pack(payload, local)
    with tempfile.TemporaryDirectory(prefix="jupyter_kf-") as scratch:
        captured = pack(payload, Path(scratch))
        store.upload(Path(scratch), path)
    return captured


def _notebook_stem() -> str:
    return PurePath(os.environ.get("JPY_SESSION_NAME", "")).stem or "cell"


def _source_of(function: Callable[..., Any]) -> str:
    import inspect

    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        return getattr(function, "__qualname__", repr(function))


def _own_strategy(work: Any) -> bool:
    """Tell whether the code makes a strategy of tf.distribute itself."""
    source = work.source if hasattr(work, "source") else _source_of(work)
    functions = [v for v in getattr(work, "names", {}).values() if hasattr(v, "__code__")]
    text = "\n".join([source, *map(_source_of, functions)])
    return (
        re.search(r"\b(MultiWorkerMirrored|ParameterServer|Mirrored|TPU|OneDevice)Strategy\b", text)
        is not None
    )

"""What a user holds of a stored graph: `save_graph`, `load_graph`, `graphs` and `Graph`.

TensorFlow is loaded only when a graph is saved, called or restored. Jobs are not known here: the executor
takes a `Graph` where it takes any callable.
"""

from __future__ import annotations

import os
import sys
import time
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..capture.payload import versions as library_versions
from ..errors import SpecError
from ..store import ArtifactStore
from . import safety, shelf
from .compare import Difference, compare
from .record import GraphKind, GraphRecord, check_graph_name

if TYPE_CHECKING:
    from collections.abc import Collection

    from ..backends.base import Backend
    from ..recurring import Schedule
    from .loading import Loaded
    from .recording import Recorded

# The variables that a graph was made of, as long as they live, by store and name.
_origins: dict[tuple[str, str], list[weakref.ref[Any]]] = {}


class Graph:
    """One version of a stored graph: a callable that runs here, and what is known of it in ``record``.

    Calling a training graph is a step of training on its own copy of the weights; `restore` writes them into
    live objects, and ``Executor.submit(graph, dataset, steps=...)`` trains it in a job.
    """

    def __init__(self, store: ArtifactStore, record: GraphRecord, allow: Collection[str] = ()) -> None:
        self.store = store
        self.record = record
        self.allow = tuple(allow)
        self._loaded: Loaded | None = None

    def __call__(self, *args: Any) -> Any:
        return self.load()(*args)

    @property
    def name(self) -> str:
        """The graph's name."""
        return self.record.name

    @property
    def version(self) -> int:
        """The number of this version."""
        return self.record.version

    def load(self) -> Loaded:
        """Check and load it, once; `CaptureError` says why it cannot be."""
        if self._loaded is None:
            from .loading import load

            self._loaded = load(self.store, self.record, self.allow)
        return self._loaded

    def weights(self) -> dict[str, Any]:
        """Give the weights by name: as they are now if it was called, else as they were stored."""
        from .writing import keys

        return dict(zip(keys([w.name for w in self.record.weights]), self._values(), strict=True))

    def _values(self) -> list[Any]:
        if self._loaded is not None:
            return self._loaded.values()
        from .loading import read_weights

        return read_weights(self.store, self.record)

    def restore(self, *objects: Any) -> None:
        """Write the weights into live objects: Keras models and optimizers, tf.Modules, variables.

        Without objects into those that the graph was stored from, if this kernel still has them. `SpecError`
        if some variable of the objects is not in the graph; nothing is written then.
        """
        from .restoring import into, pairs

        if objects:
            into(pairs(self.record, self._values(), objects))
            return
        living = [ref() for ref in _origins.get((self.store.url, self.name), [])]
        if not living or len(living) != len(self.record.weights) or any(v is None for v in living):
            raise SpecError(
                f"The objects that {self.name!r} was stored from are not in this kernel: give those to write "
                "into, graph.restore(model)."
            )
        into(list(zip(living, self._values(), strict=True)))

    def keep(self) -> Graph:
        """Store the weights as they are now as the next version, and give it."""
        from .running import keep

        record = replace(self.record, trained=None, created=time.time(), **_whose())
        return Graph(self.store, keep(self.store, record, self.load().variables), self.allow)

    def compare(self, other: Graph) -> Difference:
        """Say what ``other`` has otherwise: signature, operations, weights and their values."""
        difference = compare(self.record, other.record)
        mine, theirs = self.weights(), other.weights()
        both = [n for n in mine if n in theirs and mine[n].shape == theirs[n].shape]
        return replace(difference, values={n: _furthest(mine[n], theirs[n]) for n in both})

    def versions(self) -> list[GraphRecord]:
        """Give the records of all versions, the newest first."""
        return shelf.list_versions(self.store, self.name)

    def rename(self, name: str) -> None:
        """Give the graph another name, all versions with it."""
        shelf.rename_graph(self.store, self.name, name)
        if origin := _origins.pop((self.store.url, self.name), None):
            _origins[self.store.url, name] = origin
        self.record = self.record.placed(name, self.version)

    def delete(self, *, all_versions: bool = False) -> None:
        """Remove this version, or all of them."""
        shelf.delete_graph(self.store, self.name, None if all_versions else self.version)

    def schedule(
        self,
        cron: str,
        *,
        workers: int | None = None,
        time_zone: str = "Etc/UTC",
        name: str = "",
        backend: Backend | None = None,
        **options: Any,
    ) -> Schedule:
        """Run this graph again and again: ``"0 3 * * *"`` is every night at three, in ``time_zone``.

        Each run is an ordinary job, of the newest version then unless ``version=`` fixes one. Options:
        ``profile``, ``steps``, ``data`` (a path that the runs will find), ``batch_size``. Needs Kubernetes.
        `SpecError` for a wrong expression, before anything is made, and where nothing can be scheduled.
        """
        from .. import recurring

        given = {"workers": workers, "time_zone": time_zone, "name": name, "allow": self.allow}
        return recurring.create(recurring.plan(self.record, cron, options | given), backend)

    def copy(self, store: ArtifactStore | str, *, name: str = "") -> Graph:
        """Copy this version to another store (its URL), checked."""
        target = store if isinstance(store, ArtifactStore) else ArtifactStore(store)
        (record,) = shelf.copy_graph(self.store, self.name, target, version=self.version, to=name)
        return Graph(target, record, self.allow)

    def __repr__(self) -> str:
        return repr(self.record)


def save_graph(
    name: str,
    what: Any,
    *example_args: Any,
    description: str = "",
    store: ArtifactStore | None = None,
    **options: Any,
) -> Graph:
    """Store a graph for later as the next version of ``name``, and give it.

    ``what`` is a tf.function, a trace of one, a method of a tf.Module, or a Keras model; ``example_args`` are
    arguments like those it will be called with: arrays or tensors, whose first axis stays open, or specs.
    A function that takes gradients of variables with a tape, and a model with ``train=True`` (compiled) or
    ``optimizer=`` and ``loss=``, becomes a training graph, equal on any number of replicas.

    Options: ``train``, ``optimizer``, ``loss``; ``data``, a tf.data.Dataset of batches, and ``steps``,
    how many steps, which a run takes unless told otherwise.

    Raises `CaptureError` for what cannot be stored and `SpecError` for a wrong name or option.
    """
    check_graph_name(name)
    data, steps = options.pop("data", None), options.pop("steps", None)
    target = _target(options)
    from . import writing
    from .recording import record

    recorded = record(what, example_args, target)
    place = store or ArtifactStore()
    with shelf.draft(place) as folder:
        known = writing.write(recorded, folder)
        asked = set(recorded.ops) | set(writing.write_data(data, folder) if data is not None else ())
        said = replace(
            _record(name, recorded, what),
            description=description,
            steps=steps,
            has_data=data is not None,
            asks=safety.asks(asked),
        )
        kept = shelf.shelve(place, said, folder, known)
    _origins[place.url, name] = [weakref.ref(v) for v in recorded.weights]
    return Graph(place, kept, kept.asks)


def _furthest(one: Any, other: Any) -> float:
    import numpy

    wide = "c16" if one.dtype.kind == other.dtype.kind == "c" else "f8"
    return float(numpy.max(numpy.abs(one.astype(wide) - other.astype(wide)), initial=0.0))


def _target(options: dict[str, Any]) -> Any:
    train = options.pop("train", None)
    optimizer, loss = options.pop("optimizer", None), options.pop("loss", None)
    if options:
        raise SpecError(
            f"save_graph has no option {', '.join(sorted(options))}; "
            "it has train, optimizer, loss, data and steps."
        )
    if not train and optimizer is None and loss is None:
        return None
    from .recording import Target

    return Target(optimizer, loss)


def _record(name: str, recorded: Recorded, what: Any) -> GraphRecord:
    from . import writing

    return GraphRecord(
        name=name,
        version=0,
        kind=GraphKind.TRAINING if recorded.collectives else GraphKind.FORWARD,
        inputs=writing.inputs_of(recorded.concrete),
        outputs=writing.outputs_of(recorded.concrete),
        weights=writing.infos(recorded.names, recorded.weights),
        ops=recorded.ops,
        collectives=recorded.collectives,
        source=_source(what),
        created=time.time(),
        versions=library_versions(),
        **_whose(),
    )


def _whose() -> dict[str, Any]:
    return {"notebook": os.environ.get("JPY_SESSION_NAME", ""), "user": os.environ.get("JUPYTERHUB_USER", "")}


def _source(what: Any) -> str:
    """The cell that stores it, where there is one, else the function's own text."""
    main = sys.modules.get("__main__")
    cells = getattr(main, "In", None)
    if isinstance(cells, list) and cells:
        return str(cells[-1])
    import inspect

    try:
        return inspect.getsource(getattr(what, "_python_function", what))
    except (OSError, TypeError):
        return ""


def load_graph(
    name: str,
    version: int | None = None,
    *,
    allow: Collection[str] = (),
    store: ArtifactStore | None = None,
) -> Graph:
    """Give a stored graph, by default its newest version, as a callable that runs here.

    Nothing of whoever made it runs but the graph's own operations. Those that read or write files or speak to
    others are refused unless named in ``allow``, those that call Python always. `CaptureError` for these and
    for damaged files, `NotFound` if there is none.
    """
    place = store or ArtifactStore()
    graph = Graph(place, shelf.read_record(place, name, version), allow)
    graph.load()
    return graph


def graphs(store: ArtifactStore | None = None) -> list[Graph]:
    """Give the newest version of each stored graph, by name; none is loaded yet."""
    place = store or ArtifactStore()
    return [Graph(place, record) for record in shelf.list_graphs(place)]

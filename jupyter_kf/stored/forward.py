"""A forward graph over its share of a dataset's batches.

Where the processor computes and what the dataset gives is known to fit, tf.data calls the graph itself, which
spares each batch the way through Python; else each batch is looked at and the graph called with it. The
outputs are the same. tf.data would call it on the processor also where there is an accelerator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tensorflow as tf

from .course import arguments

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .loading import Loaded
    from .record import GraphRun

_iterators: list[Any] = []  # until the process ends, which is soon


def outputs(graph: Loaded, data: Any, run: GraphRun) -> list[Any]:
    """Give the outputs for the batches of the run's shard, as arrays."""
    if run.shards > 1:
        data = data.shard(run.shards, run.shard)
    if run.steps is not None:
        data = data.take(run.steps)
    if not fits(graph, data):
        return [tf.nest.map_structure(_plain, graph(*arguments(batch))) for batch in _going_on(data)]
    # A list would become one tensor on its way through tf.data, so the structure stays here.
    structure, whole = graph.structure, type(data.element_spec) is not tuple
    computed = data.map(
        lambda *batch: tuple(tf.nest.flatten(graph(*(arguments(*batch) if whole else batch))))
    )
    return [tf.nest.pack_sequence_as(structure, [x.numpy() for x in flat]) for flat in _going_on(computed)]


def _going_on(data: Any) -> Iterator[Any]:
    """Iterate without an end of the iterator: tf.data may wait for its own thread for seconds then."""
    _iterators.append(iter(data))
    yield from _iterators[-1]


def fits(graph: Loaded, data: Any) -> bool:
    """Whether tf.data may call the graph: nothing but tensors goes in and out, and none can be wrong."""
    given = tf.nest.flatten(arguments(data.element_spec))
    if not _tensors([*given, *graph.inputs]) or not _tensors(tf.nest.flatten(graph.structure)):
        return False
    if {device.device_type for device in tf.config.list_logical_devices()} != {"CPU"}:
        return False
    return len(given) == len(graph.inputs) and all(map(tf.TensorSpec.is_subtype_of, given, graph.inputs))


def _tensors(specs: list[Any]) -> bool:
    return bool(specs) and all(isinstance(spec, tf.TensorSpec) for spec in specs)


def _plain(x: Any) -> Any:
    return x.numpy() if isinstance(x, tf.Tensor) else x

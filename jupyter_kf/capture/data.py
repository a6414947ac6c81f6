"""Pipelines of tf.data travel as their graph, with the order of their shuffles pinned.

A pipeline is not a value: it may be endless, or read files. So its graph travels and runs again on the other
side, with what it holds between iterators (`held`). A shuffle without a seed would give each replica another
order; it gets one seed, the same for all.
"""

from __future__ import annotations

import random
import uuid
from typing import TYPE_CHECKING, Any

import numpy
import tensorflow as tf
from tensorflow.core.framework import graph_pb2
from tensorflow.python.data.ops import dataset_ops
from tensorflow.python.ops import script_ops

from jupyter_kf.capture import held, refusals
from jupyter_kf.capture.kind import Kind, no_fill, nothing
from jupyter_kf.chance import NOTE, PYTHON, SEEDED, has_part, is_disordered, is_parallel

if TYPE_CHECKING:
    from collections.abc import Iterator

# operations that draw from a generator of seeds: the places of the seed and of the generator among their
# inputs, and the attribute that tells whether each iterator draws anew
DRAWING = {
    "ShuffleDatasetV3": ((2, 3), 4, "reshuffle_each_iteration"),
    "ShuffleAndRepeatDatasetV2": ((2, 3), 5, "reshuffle_each_iteration"),
    "RandomDatasetV2": ((0, 1), 2, "rerandomize_each_iteration"),
}
HIDDEN = frozenset({"ShuffleAndRepeatDataset"})  # operations whose generator no graph mentions
CACHING = {"CacheDatasetV2": 2}  # and the place of the cache


def make(dataset: Any) -> tuple[Any, ...]:
    graph = tf.raw_ops.DatasetToGraphV2(
        input_dataset=dataset._variant_tensor, external_state_policy=1, strip_device_assignment=True
    ).numpy()
    if not graph:
        raise refusals.Culprit(
            dataset,
            "TensorFlow could not write its graph (arrays of more than 2 GB inside)",
            "make the dataset inside the cell, from arrays made outside",
        )
    definition = graph_pb2.GraphDef.FromString(graph)
    holds = tuple(_held(dataset, definition))
    pin_seeds(definition)
    called = {}
    for node in _nodes(definition):
        if node.op in PYTHON:
            called[node.attr["token"].s] = _registered(dataset, node.attr["token"].s)
            node.device = ""
    graph = numpy.frombuffer(definition.SerializeToString(), "u1")
    about = int(dataset.cardinality()), _has_chance(dataset, definition)
    return build, (graph, dataset.element_spec, tuple(called.items()), about, holds)


def build(
    graph: Any,
    spec: Any,
    called: tuple[tuple[bytes, Any], ...],
    about: tuple[int, bool],
    holds: tuple[tuple[str, held.Held], ...],
) -> Any:
    content = graph.tobytes()
    if called or holds:
        # functions and what is held are called by a token of the process: they get new ones here
        tokens = {old: script_ops._py_funcs.insert(function).encode() for old, function in called}
        handles = {name: tf.io.serialize_tensor(one.handle).numpy() for name, one in holds}
        definition = graph_pb2.GraphDef.FromString(content)
        for node in _nodes(definition):
            if node.op in PYTHON:
                node.attr["token"].s = tokens[node.attr["token"].s]
        for node in definition.node:
            if node.name in handles:
                node.attr["value"].tensor.ParseFromString(handles[node.name])
        content = definition.SerializeToString()
    cardinality, by_chance = about
    with tf.init_scope():
        dataset = dataset_ops._VariantDataset(tf.raw_ops.DatasetFromGraph(graph_def=content), spec)
        if int(dataset.cardinality()) != cardinality:
            dataset = dataset.apply(tf.data.experimental.assert_cardinality(cardinality))
    setattr(dataset, NOTE, by_chance)
    dataset._jupyter_kf_keeps = called, holds  # the runtime does not keep them alive
    return dataset


def _held(dataset: Any, definition: graph_pb2.GraphDef) -> Iterator[tuple[str, held.Held]]:
    """What the pipeline holds, by the node that mentions it."""
    nodes = {node.name: node for node in definition.node}
    drawn: dict[str, bool] = {}  # whether a node's order changes from iterator to iterator; inputs come first
    for node in definition.node:
        sources = [nodes[name.partition(":")[0]] for name in node.input if not name.startswith("^")]
        drawn[node.name] = any(drawn[source.name] for source in sources)
        if node.op in HIDDEN and any(
            tf.make_ndarray(sources[place].attr["value"].tensor) for place in SEEDED[node.op]
        ):
            raise refusals.Culprit(
                dataset,
                "it uses shuffle_and_repeat, and where its seeded order stands cannot be read",
                "use shuffle(...).repeat(...) in its place",
            )
        if node.op in DRAWING:
            places, place, attribute = DRAWING[node.op]
            seeds = [int(tf.make_ndarray(sources[seed].attr["value"].tensor)) for seed in places]
            reshuffle = node.attr[attribute].b
            drawn[node.name] |= reshuffle
            about: tuple[Any, ...] = (*seeds, reshuffle, any(seeds))
            cls: type[held.Held] = held.Seeds
        elif node.op in CACHING and not any(tf.make_ndarray(sources[1].attr["value"].tensor).ravel()):
            place, cls = CACHING[node.op], held.Cache
            names = tuple(tf.as_dtype(number).name for number in node.attr["output_types"].list.type)
            about = names, drawn[node.name]
        else:
            continue
        mentioned = sources[place].attr["value"].tensor
        yield sources[place].name, held.held(cls, mentioned, dataset._variant_tensor, *about)


def _has_chance(dataset: Any, definition: graph_pb2.GraphDef) -> bool:
    """Whether chance decides what the pipeline gives, once its own shuffles are pinned."""
    disordered = dataset.options().deterministic is False
    return has_part(
        (node for function in definition.library.function for node in function.node_def),
        parallel=any(is_parallel(node) for node in definition.node),
        disordered=disordered or any(is_disordered(node) for node in definition.node),
    )


def _nodes(definition: graph_pb2.GraphDef) -> Iterator[Any]:
    yield from definition.node
    for function in definition.library.function:
        yield from function.node_def


def _registered(dataset: Any, token: bytes) -> Any:
    function = script_ops._py_funcs.get(token.decode())
    if function is None:
        raise refusals.Culprit(
            dataset, "it calls a Python function that is gone", "make the dataset inside the cell"
        )
    return function


def pin_seeds(definition: graph_pb2.GraphDef) -> None:
    """Give each shuffle that has no seed a seed of its own, and let nothing go by a name of this process."""
    for node in definition.node:
        for handle in node.attr["value"].tensor.resource_handle_val if node.op == "Const" else ():
            if any(kind in handle.maybe_type_name for kind in ("SeedGenerator", "MemoryCache")):
                handle.name = f"{handle.name}/{uuid.uuid4().hex}"
    constants = {node.name: node for node in definition.node if node.op == "Const"}
    for node in definition.node:
        places = SEEDED.get(node.op, ())
        seeds = [constants.get(node.input[place].partition(":")[0]) for place in places]
        if places and all(
            s is not None and not numpy.any(tf.make_ndarray(s.attr["value"].tensor)) for s in seeds
        ):
            _pin(definition, node, places)


def _pin(definition: graph_pb2.GraphDef, node: Any, places: tuple[int, ...]) -> None:
    for place in places:
        seed = definition.node.add(name=f"{node.name}/pinned_{place}", op="Const")
        seed.attr["dtype"].type = tf.int64.as_datatype_enum
        value = numpy.int64(random.SystemRandom().randrange(1, 2**31))
        seed.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
        node.input[place] = seed.name


DATASET = Kind(make, nothing, no_fill, made_full=True)

"""Pipelines of tf.data travel as their graph, with the order of their shuffles pinned.

A pipeline is not a value: it may be endless, or read files. So its graph travels and runs again on the other
side. A shuffle without a seed would give each replica another order; it gets one seed, the same for all.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy
import tensorflow as tf
from tensorflow.core.framework import graph_pb2
from tensorflow.python.data.ops import dataset_ops
from tensorflow.python.ops import script_ops

from jupyter_kf.capture import refusals
from jupyter_kf.capture.kind import Kind, no_fill, nothing

if TYPE_CHECKING:
    from collections.abc import Iterator

PYTHON = frozenset({"PyFunc", "PyFuncStateless", "EagerPyFunc"})  # operations that call back into Python
# operations with a seed, and the places of the two halves of the seed among their inputs
SEEDED = {
    "ShuffleDataset": (2, 3),
    "ShuffleDatasetV3": (2, 3),
    "ShuffleAndRepeatDataset": (2, 3),
    "ShuffleAndRepeatDatasetV2": (2, 3),
    "RandomDataset": (0, 1),
    "RandomDatasetV2": (0, 1),
    "SamplingDataset": (2, 3),
    "AnonymousRandomSeedGenerator": (0, 1),
    "AnonymousSeedGenerator": (0, 1),
}


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
    pin_seeds(definition)
    called = {}
    for node in _nodes(definition):
        if node.op in PYTHON:
            called[node.attr["token"].s] = _registered(dataset, node.attr["token"].s)
            node.device = ""
    graph = numpy.frombuffer(definition.SerializeToString(), "u1")
    return build, (graph, dataset.element_spec, tuple(called.items()), int(dataset.cardinality()))


def build(graph: Any, spec: Any, called: tuple[tuple[bytes, Any], ...], cardinality: int) -> Any:
    content = graph.tobytes()
    if called:
        # functions are called by a token of the process: they get new ones here
        tokens = {old: script_ops._py_funcs.insert(function).encode() for old, function in called}
        definition = graph_pb2.GraphDef.FromString(content)
        for node in _nodes(definition):
            if node.op in PYTHON:
                node.attr["token"].s = tokens[node.attr["token"].s]
        content = definition.SerializeToString()
    with tf.init_scope():
        dataset = dataset_ops._VariantDataset(tf.raw_ops.DatasetFromGraph(graph_def=content), spec)
        if int(dataset.cardinality()) != cardinality:
            dataset = dataset.apply(tf.data.experimental.assert_cardinality(cardinality))
    dataset._jupyter_kf_called = called  # the registry does not keep them alive
    return dataset


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
    """Give each shuffle that has no seed a seed of its own."""
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

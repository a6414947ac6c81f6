"""A recorded graph becomes files: a SavedModel without weights, the weights beside it, a picture, a dataset.

The graph of a dataset and its structure are stored as TensorFlow's own messages, never as a pickle.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any

import numpy
import tensorflow as tf
from safetensors.numpy import save_file
from tensorflow.core.framework import graph_pb2
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import ops
from tensorflow.python.saved_model import builder_impl, nested_structure_coder
from tensorflow.python.saved_model.save import _build_meta_graph

from ..capture.data import pin_seeds
from ..errors import CaptureError
from ..parallel import picture
from . import safety
from .record import TensorInfo
from .shelf import DATA, MODEL, PICTURE, WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .recording import Recorded

GRAPH_FILE, SPEC_FILE = "dataset.pb", "spec.pb"


def write(recorded: Recorded, folder: Path) -> None:
    """Write graph, weights and picture into ``folder``."""
    holder = tf.Module()
    holder.call = recorded.concrete  # not the function, which would be traced anew, without its collectives
    holder.weights = recorded.weights
    holder.group = recorded.group
    holder.resources = recorded.resources
    options = tf.saved_model.SaveOptions(
        experimental_skip_saver=True, experimental_custom_gradients=not recorded.collectives
    )
    model = saved_model_pb2.SavedModel(saved_model_schema_version=1)
    # What tf.saved_model.save does, less the weights, which it always writes too (TensorFlow 2.21).
    with quiet():
        _, graph, _, assets, _, _ = _build_meta_graph(holder, None, options, model.meta_graphs.add())
    builder_impl.copy_assets_to_destination_dir(assets.asset_filename_map, str(folder / MODEL))
    (folder / MODEL).mkdir(exist_ok=True)
    (folder / MODEL / "saved_model.pb").write_bytes(model.SerializeToString(deterministic=True))
    ops.dismantle_graph(graph)
    kept = safety.count(model.meta_graphs[0].graph_def)
    if recorded.collectives and not any(op.startswith("Collective") for op in kept):
        raise CaptureError(
            "TensorFlow left the collectives out of the graph, so it cannot train on replicas."
        )
    write_weights([v.numpy() for v in recorded.weights], folder)
    (folder / PICTURE).write_text(picture.pack(recorded.concrete.graph))


def write_weights(values: list[Any], folder: Path) -> None:
    """Write values by number, as bytes; types and shapes are in the record."""
    for value in values:
        if value.dtype.kind in "OSU":
            raise CaptureError("A variable holds texts, which cannot be stored. Use a lookup table instead.")
    save_file(
        {str(i): numpy.ascontiguousarray(v).reshape(-1).view("u1") for i, v in enumerate(values)},
        str(folder / WEIGHTS),
    )


def write_data(dataset: Any, folder: Path) -> dict[str, int]:
    """Write a dataset's graph and structure; gives its operations. `CaptureError` if it calls Python."""
    graph = tf.raw_ops.DatasetToGraphV2(
        input_dataset=dataset._variant_tensor, external_state_policy=1, strip_device_assignment=True
    ).numpy()
    if not graph:
        raise CaptureError(
            "The dataset cannot be stored: it holds arrays of more than 2 GB. Write them to files first."
        )
    definition = graph_pb2.GraphDef.FromString(graph)
    pin_seeds(definition)  # all replicas shuffle alike
    counted = safety.count(definition)
    if any(map(safety.calls_python, counted)):
        raise CaptureError(
            "The dataset calls Python (from_generator, py_function), which cannot be stored. Write it to "
            "files first (Dataset.save, TFRecord) and store a dataset that reads them."
        )
    (folder / DATA).mkdir()
    (folder / DATA / GRAPH_FILE).write_bytes(definition.SerializeToString())
    message = nested_structure_coder.encode_structure(dataset.element_spec)
    (folder / DATA / SPEC_FILE).write_bytes(message.SerializeToString())
    return counted


def infos(names: list[str], tensors: list[Any]) -> tuple[TensorInfo, ...]:
    """Describe tensors, or their specifications."""
    return tuple(TensorInfo(n, t.dtype.name, _shape(t.shape)) for n, t in zip(names, tensors, strict=True))


def _shape(shape: Any) -> tuple[int | None, ...] | None:
    return None if shape.rank is None else tuple(shape.as_list())


def inputs_of(concrete: Any) -> tuple[TensorInfo, ...]:
    """Describe what a traced function takes, in the order of the call."""
    args, kwargs = concrete.structured_input_signature
    specs = [s for s in tf.nest.flatten((args, kwargs), expand_composites=True) if s is not None]
    return infos([s.name or f"input_{i}" for i, s in enumerate(specs)], specs)


def outputs_of(concrete: Any) -> tuple[TensorInfo, ...]:
    """Describe what a traced function gives, by the keys of its structure."""
    structure = concrete.structured_outputs
    paths = [path for path, _ in _paths(structure)]
    return infos(paths, list(tf.nest.flatten(structure, expand_composites=True)))


def _paths(structure: Any) -> list[tuple[str, Any]]:
    found = tf.nest.flatten(structure, expand_composites=True)
    if isinstance(structure, dict) and len(structure) == len(found):
        return list(zip(sorted(map(str, structure)), found, strict=True))
    return [(f"output_{i}" if len(found) > 1 else "output", x) for i, x in enumerate(found)]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without TensorFlow's notes on saving and loading, which speak of functions that nobody asked about."""
    logs = [logging.getLogger(name) for name in ("tensorflow", "absl")]
    before = [log.level for log in logs]
    for log in logs:
        log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for log, level in zip(logs, before, strict=True):
            log.setLevel(level)

"""A recorded graph becomes files: a SavedModel without weights, the weights beside it, a picture, a dataset.

The graph of a dataset and its structure are stored as TensorFlow's own messages, never as a pickle.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy
import tensorflow as tf
from tensorflow.core.framework import graph_pb2
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import ops
from tensorflow.python.saved_model import builder_impl, nested_structure_coder
from tensorflow.python.saved_model.save import _build_meta_graph

from ..capture.data import pin_seeds
from ..capture.tensors import TYPE_NAMES
from ..errors import CaptureError
from ..parallel import picture
from . import files, safety
from .record import TensorInfo
from .shelf import DATA, MODEL, PICTURE, WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .record import FileInfo
    from .recording import Recorded

GRAPH_FILE, SPEC_FILE = "dataset.pb", "spec.pb"
_LINE = 64


def write(recorded: Recorded, folder: Path) -> dict[str, FileInfo]:
    """Write graph, picture and, beside them, weights into ``folder``; say what is known of the files."""
    with ThreadPoolExecutor(1) as beside:
        weights = beside.submit(write_weights, recorded.names, recorded.weights, folder)
        _write_graph(recorded, folder / MODEL)
        (folder / PICTURE).write_text(picture.pack(recorded.concrete.graph))
        return {WEIGHTS: weights.result()}


def _write_graph(recorded: Recorded, folder: Path) -> None:
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
        builder_impl.copy_assets_to_destination_dir(assets.asset_filename_map, str(folder))
    folder.mkdir(exist_ok=True)
    (folder / "saved_model.pb").write_bytes(model.SerializeToString(deterministic=True))
    ops.dismantle_graph(graph)
    kept = safety.count(model.meta_graphs[0].graph_def)
    if recorded.collectives and not any(op.startswith("Collective") for op in kept):
        raise CaptureError(
            "TensorFlow left the collectives out of the graph, so it cannot train on replicas."
        )


def write_weights(names: list[str], variables: list[Any], folder: Path) -> FileInfo:
    """Write the values of variables as a safetensors file, straight from their memory; say what it is.

    Values of whole cache lines come first: each of them then lies where TensorFlow takes it without a copy.
    """
    values = {key: numpy.asarray(v.read_value()) for key, v in zip(keys(names), variables, strict=True)}
    header, end = {}, 0
    for key, value in sorted(values.items(), key=lambda item: item[1].nbytes % _LINE != 0):
        if value.dtype.kind in "OSU":
            raise CaptureError(
                f"The variable {key!r} holds texts, which cannot be stored. Use a lookup table instead."
            )
        header[key] = _entry(value) | {"data_offsets": [end, end + value.nbytes]}
        end += value.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(len(text) + 8) % _LINE)
    parts = [values[key].reshape(-1).view("u1").data for key in header]
    return files.write(folder / WEIGHTS, [len(text).to_bytes(8, "little"), text, *parts])


def keys(names: list[str]) -> list[str]:
    """Give what the weights are called in their file: their names, with a number where some are alike."""
    found: dict[str, None] = {}
    for name in names:
        numbered = (f"{name} ({n})" for n in itertools.count(2))
        found[next(key for key in itertools.chain([name], numbered) if key not in found)] = None
    return list(found)


def _entry(value: Any) -> dict[str, Any]:
    known = TYPE_NAMES.get(value.dtype.name)
    return {"dtype": known or "U8", "shape": list(value.shape) if known else [value.nbytes]}


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
    """Describe what a traced function takes, in the order of the call; Python values are a part of it."""
    found = tf.nest.flatten(concrete.structured_input_signature, expand_composites=True)
    specs = [s for s in found if isinstance(s, tf.TypeSpec)]
    return infos([s.name or f"input_{i}" for i, s in enumerate(specs)], specs)


def outputs_of(concrete: Any) -> tuple[TensorInfo, ...]:
    """Describe what a traced function gives, by the keys of its structure."""
    structure = concrete.structured_outputs
    found = [x for x in tf.nest.flatten(structure, expand_composites=True) if x is not None]
    if isinstance(structure, dict) and len(structure) == len(found):
        return infos(sorted(map(str, structure)), found)
    return infos([f"output_{i}" if len(found) > 1 else "output" for i in range(len(found))], found)


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

"""Files become a callable, and nothing in them is believed.

Each file is checked against the record, the graph is parsed and its operations are looked through, also those
that would run while it is loaded, before TensorFlow gets to see it; what TensorFlow reads is a checked copy.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.framework import graph_pb2
from tensorflow.core.protobuf import saved_model_pb2, struct_pb2
from tensorflow.python.data.ops import dataset_ops
from tensorflow.python.eager import context
from tensorflow.python.framework import op_def_registry
from tensorflow.python.framework.ops import EagerTensor
from tensorflow.python.saved_model import nested_structure_coder

from ..errors import CaptureError
from ..parallel import collective, stop
from . import safety, shelf
from .record import GraphKind
from .writing import GRAPH_FILE, SPEC_FILE, infos, keys, quiet

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from ..store import ArtifactStore
    from .record import GraphRecord

_PROTO = "saved_model.pb"


class Loaded:
    """A stored graph in this process: to be called, with weights to read and to set."""

    def __init__(self, record: GraphRecord, model: Any) -> None:
        self.record = record
        self._model = model
        self.inputs = [
            s for s in tf.nest.flatten(model.call.structured_input_signature) if isinstance(s, tf.TypeSpec)
        ]

    def __call__(self, *args: Any) -> Any:
        flat = tf.nest.flatten(args)
        given = [x for x in flat if x is not None]
        if len(given) != len(self.inputs):
            raise TypeError(f"{self.record.name} takes {self.record.signature}, not {len(given)} arguments.")
        specs = iter(self.inputs)
        tensors = [x if x is None else _tensor(x, next(specs)) for x in flat]
        return self._model.call(*tf.nest.pack_sequence_as(args, tensors))

    def values(self) -> list[Any]:
        """Give the weights as arrays, in the order of the record."""
        return [v.numpy() for v in self._model.weights]

    @property
    def structure(self) -> Any:
        """What a call gives, with specifications in the places of tensors."""
        return self._model.call.structured_outputs

    @property
    def variables(self) -> list[Any]:
        """The weights themselves."""
        return list(self._model.weights)

    def join(self) -> None:
        """Take this process's place among the replicas of the job."""
        group = self._model.group
        group.rank.assign(collective.rank())
        group.size.assign(collective.world_size())
        collective.lead(group.begun)
        stop.use(group.wish, group.state)

    def take(self, values: list[Any]) -> None:
        """Make arrays the weights, without a copy where TensorFlow can; whoever made them forgets them."""
        device = context.context().device_name
        for variable, value in zip(self._model.weights, values, strict=True):
            variable.assign(EagerTensor(value, device, variable.dtype.as_datatype_enum))


def load(store: ArtifactStore, record: GraphRecord, allow: Collection[str] = ()) -> Loaded:
    """Check a version and load it; `CaptureError` says what is wrong, or what is to be agreed to."""
    where = f"Version {record.version} of the graph {record.name!r}"
    check_versions(where, record)
    with tempfile.TemporaryDirectory(prefix="jupyter_kf-") as scratch, _reading(store, record) as values:
        folder = Path(scratch)
        for name in record.files:
            if name.startswith(f"{shelf.MODEL}/"):
                shelf.fetch_file(store, record, name, folder)
        proto = _parsed(where, folder / shelf.MODEL / _PROTO)
        ops = {op for meta in proto.meta_graphs for op, _ in safety.ops_of(meta.graph_def)}
        safety.check(where, ops, allow)
        _check_known(where, record, ops)
        if record.kind is GraphKind.TRAINING and not any(op.startswith("Collective") for op in ops):
            raise CaptureError(f"{where} is damaged: its graph puts no gradients together. Store it again.")
        try:
            model = _load(folder / shelf.MODEL)
            loaded = Loaded(record, model)
            loaded.take(values())
            for place, value in (
                ("rank", 0),
                ("size", 1),
                ("begun", [0, 0]),
                ("wish", 0.0),
                ("state", [0.0, 0.0]),
            ):
                getattr(model.group, place).assign(value)
        except CaptureError:
            raise
        except Exception as error:  # whatever a changed graph leads TensorFlow to raise
            raise CaptureError(
                f"{where} cannot be loaded by TensorFlow {tf.__version__}: {_first_line(error)}. "
                f"It was stored by TensorFlow {record.versions.get('tensorflow', 'unknown')}."
            ) from error
    return loaded


def load_data(store: ArtifactStore, record: GraphRecord, allow: Collection[str] = ()) -> Any:
    """Load the dataset that lies with a version."""
    where = f"The dataset of the graph {record.name!r}"
    graph = bytes(shelf.checked(store, record, f"{shelf.DATA}/{GRAPH_FILE}"))
    try:
        definition = graph_pb2.GraphDef.FromString(graph)
        message = struct_pb2.StructuredValue.FromString(
            bytes(shelf.checked(store, record, f"{shelf.DATA}/{SPEC_FILE}"))
        )
    except DecodeError as error:
        raise CaptureError(f"{where} is damaged: it is no graph. Store it again.") from error
    safety.check(where, {op for op, _ in safety.ops_of(definition)}, allow)
    spec = nested_structure_coder.decode_proto(message)
    with tf.init_scope():
        return dataset_ops._VariantDataset(tf.raw_ops.DatasetFromGraph(graph_def=graph), spec)


def read_weights(store: ArtifactStore, record: GraphRecord) -> list[Any]:
    """Read the weights of a version as arrays, without its graph."""
    return _weights(record, shelf.checked(store, record, shelf.WEIGHTS))


def check_versions(where: str, record: GraphRecord) -> None:
    """Refuse a graph of another major version of TensorFlow: what it means may have changed."""
    theirs = record.versions.get("tensorflow", "")
    if theirs.partition(".")[0] != tf.__version__.partition(".")[0]:
        raise CaptureError(
            f"{where} was stored by TensorFlow {theirs or 'of unknown version'}, here is {tf.__version__}, "
            "and graphs keep their meaning within one major version only. Store it again with this one."
        )


def _check_known(where: str, record: GraphRecord, ops: set[str]) -> None:
    unknown = sorted(op for op in ops if op_def_registry.get(op) is None)
    if unknown:
        raise CaptureError(
            f"{where} uses {', '.join(unknown)}, which TensorFlow {tf.__version__} does not know. It was "
            f"stored by TensorFlow {record.versions.get('tensorflow', 'unknown')}: load it with that, or "
            "store it again."
        )


@contextlib.contextmanager
def _reading(store: ArtifactStore, record: GraphRecord) -> Iterator[Callable[[], list[Any]]]:
    """Read the weights, in a folder while the graph is loaded; gives what waits for them."""
    if store.local() is None:
        yield lambda: read_weights(store, record)
        return
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(read_weights, store, record).result


def _weights(record: GraphRecord, data: memoryview) -> list[Any]:
    """The arrays in a safetensors file, not copied: eight bytes of length, a header in JSON, the data."""
    try:
        length = int.from_bytes(data[:8], "little")
        header = json.loads(bytes(data[8 : 8 + length]))
        body = data[8 + length :]
        parts = [header[key]["data_offsets"] for key in keys([w.name for w in record.weights])]
        return [
            numpy.frombuffer(body[begin:end], tf.as_dtype(w.dtype).as_numpy_dtype).reshape(w.shape or ())
            for (begin, end), w in zip(parts, record.weights, strict=True)
        ]
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise CaptureError(
            f"Version {record.version} of the graph {record.name!r} is damaged: its weights do not fit its "
            f"record ({error}). Load another version, or store the graph again."
        ) from error


def _parsed(where: str, path: Path) -> Any:
    try:
        return saved_model_pb2.SavedModel.FromString(path.read_bytes())
    except (OSError, DecodeError) as error:
        raise CaptureError(f"{where} is damaged: it holds no readable graph. Store it again.") from error


def _load(folder: Path) -> Any:
    options = tf.saved_model.LoadOptions(experimental_skip_checkpoint=True)
    with quiet():
        return tf.saved_model.load(str(folder), options=options)


def _tensor(x: Any, spec: Any) -> Any:
    if not isinstance(spec, tf.TensorSpec):
        return x
    tensor = x if tf.is_tensor(x) else tf.convert_to_tensor(x, spec.dtype)
    if not spec.is_compatible_with(tensor):
        raise TypeError(f"{spec.name} is to be {_words(spec)}, not {_words(tensor)}.")
    return tensor


def _words(tensor: Any) -> str:
    return str(infos([""], [tensor])[0]).removeprefix(": ")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]

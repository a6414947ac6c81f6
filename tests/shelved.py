"""Graphs in a store as they lie there, made without TensorFlow."""

from __future__ import annotations

import base64
import json
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_kf.stored import shelf
from jupyter_kf.stored.record import GraphKind, GraphRecord, TensorInfo, Trained

if TYPE_CHECKING:
    from jupyter_kf.store import ArtifactStore

NODES = [
    ["x", "Placeholder", []],
    ["y", "Placeholder", []],
    ["network/dense/ReadVariableOp", "ReadVariableOp", []],
    ["network/dense/MatMul", "MatMul", [0, 2]],
    ["network/dense/BiasAdd", "BiasAdd", [3]],
    ["loss/SquaredDifference", "SquaredDifference", [4, 1]],
    ["loss/Mean", "Mean", [5]],
    ["CollectiveReduceV3", "CollectiveReduceV3", [6]],
]


def picture(nodes: Any = NODES) -> str:
    """Pack operations as pictures are packed."""
    return base64.b64encode(zlib.compress(json.dumps(nodes).encode())).decode()


def shelve(store: ArtifactStore, name: str = "ranker", **more: Any) -> GraphRecord:
    """Put one more version of a graph on the shelf; its SavedModel is none."""
    record = GraphRecord(
        name=name,
        version=0,
        kind=GraphKind.TRAINING,
        description="Ranks offers by their clicks",
        inputs=(TensorInfo("x", "float32", (None, 8)), TensorInfo("y", "float32", (None, 1))),
        outputs=(TensorInfo("loss", "float32", ()),),
        weights=(TensorInfo("dense/kernel", "float32", (8, 1)), TensorInfo("dense/bias", "float32", (1,))),
        ops={"MatMul": 1, "BiasAdd": 1, "CollectiveReduceV3": 1},
        collectives=1,
        source="step = kf.save_graph('ranker', model, x, y)",
        notebook="work/ranker.ipynb",
        created=1_700_000_000.0,
        versions={"tensorflow": "2.21.0", "keras": "3.12.0"},
    )
    weights, drawn = more.pop("weights_file", b"0"), more.pop("picture", picture())
    record = GraphRecord(**{**vars(record), **more})
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / shelf.WEIGHTS).write_bytes(weights)
        (folder / shelf.PICTURE).write_text(drawn)
        (folder / shelf.MODEL).mkdir()
        (folder / shelf.MODEL / "saved_model.pb").write_bytes(b"none")
        return shelf.shelve(store, record, folder)


TRAINED = Trained(1, "ranker-x7k2p", 400, 0.125)

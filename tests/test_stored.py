"""Stored graphs as files: records, versions, what is damaged, what differs, what is not run unasked."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_kf.__main__ import main
from jupyter_kf.errors import CaptureError, NotFound, SpecError
from jupyter_kf.store import STORE_VARIABLE, ArtifactStore
from jupyter_kf.stored import safety, shelf
from jupyter_kf.stored.compare import compare
from jupyter_kf.stored.record import GraphKind, GraphRecord, GraphRun, TensorInfo, Trained, check_graph_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILES = {
    "model/saved_model.pb": b"graph",
    "weights.safetensors": b"weights",
    "picture.txt": b"eJyLjgUAARUAuQ==",
}
RECORD = GraphRecord(
    name="ranker",
    version=0,
    kind=GraphKind.FORWARD,
    description="ranks",
    inputs=(TensorInfo("x", "float32", (None, 6)), TensorInfo("any", "string")),
    outputs=(TensorInfo("output", "float32", ()),),
    weights=(TensorInfo("w", "float32", (6, 1)),),
    ops={"MatMul": 1},
    trained=Trained(1, "night", 5, 0.5),
    versions={"tensorflow": "2.21.0"},
)


def put(store: ArtifactStore, folder: Path, record: GraphRecord = RECORD, **files: bytes) -> GraphRecord:
    for name, data in (FILES | files).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return shelf.shelve(store, record, folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "made").mkdir()
    return tmp_path / "made"


@pytest.fixture(params=["folder", "memory"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ArtifactStore]:
    if request.param == "folder":
        yield ArtifactStore(str(tmp_path / "store"))
        return
    store = ArtifactStore(f"memory://{tmp_path}")
    yield store
    for name in store.list("graphs"):
        store.delete(f"graphs/{name}")


def test_a_record_comes_back_from_json() -> None:
    sealed = RECORD.sealed()
    assert GraphRecord.from_dict(json.loads(json.dumps(sealed.to_dict()))) == sealed
    assert sealed.signature == "(x: float32[?, 6], any: string[?]) -> (output: float32[])"
    assert repr(sealed).endswith("trained 5 steps from version 1 to a loss of 0.5 by the job night")


def test_the_hash_is_of_all_that_is_said_but_not_of_the_place() -> None:
    assert RECORD.placed("other", 7).digest() == RECORD.digest()
    assert replace(RECORD, description="else").digest() != RECORD.digest()


@pytest.mark.parametrize("name", ["", "A", "../x", "a/b", "-a", "x" * 80, 3])
def test_a_wrong_name_is_refused_with_one_that_would_do(name: str) -> None:
    with pytest.raises(SpecError, match="for example"):
        check_graph_name(name)


def test_versions_are_numbered_and_never_change(shop: ArtifactStore, folder: Path) -> None:
    first = put(shop, folder)
    second = put(shop, folder, weights=b"new")
    assert (first.version, second.version) == (1, 2)
    assert [r.version for r in shelf.list_versions(shop, "ranker")] == [2, 1]
    assert shelf.read_record(shop, "ranker") == second
    assert shelf.read_record(shop, "ranker", 1) == first
    assert [r.version for r in shelf.list_graphs(shop)] == [2]
    assert shelf.read_picture(shop, first).encode() == FILES["picture.txt"]


def test_what_is_not_there(shop: ArtifactStore, folder: Path) -> None:
    with pytest.raises(NotFound, match="There is no graph 'ranker'"):
        shelf.read_record(shop, "ranker")
    put(shop, folder)
    with pytest.raises(NotFound, match="no version 3; it has"):
        shelf.read_record(shop, "ranker", 3)
    with pytest.raises(NotFound):
        shelf.delete_graph(shop, "ranker", 3)
    with pytest.raises(NotFound):
        shelf.rename_graph(shop, "nothing", "else")


def test_rename_and_delete(shop: ArtifactStore, folder: Path) -> None:
    for _ in range(2):
        put(shop, folder)
    shelf.rename_graph(shop, "ranker", "sorter")
    assert [r.version for r in shelf.list_versions(shop, "sorter")] == [2, 1]
    with pytest.raises(NotFound):
        shelf.read_record(shop, "ranker")
    put(shop, folder)
    with pytest.raises(SpecError, match="already"):
        shelf.rename_graph(shop, "ranker", "sorter")
    shelf.delete_graph(shop, "sorter", 2)
    assert shelf.read_record(shop, "sorter").version == 1
    shelf.delete_graph(shop, "sorter")
    assert [r.name for r in shelf.list_graphs(shop)] == ["ranker"]


def test_copies_between_stores(shop: ArtifactStore, folder: Path, tmp_path: Path) -> None:
    put(shop, folder)
    other = ArtifactStore(str(tmp_path / "other"))
    (copied,) = shelf.copy_graph(shop, "ranker", other)
    assert copied == shelf.read_record(other, "ranker") == shelf.read_record(shop, "ranker")
    shelf.copy_graph(shop, "ranker", other)  # the same once more: nothing to do
    put(shop, folder, replace(RECORD, name="ranker", description="second"))
    put(other, folder, replace(RECORD, name="ranker", description="another second"))
    with pytest.raises(SpecError, match="another name"):
        shelf.copy_graph(shop, "ranker", other)
    assert len(shelf.copy_graph(shop, "ranker", other, to="mine")) == 2


def test_a_version_counts_from_its_record_on(shop: ArtifactStore, folder: Path) -> None:
    put(shop, folder)
    shop.put("graphs/ranker/2/model/saved_model.pb", b"half")
    assert shelf.read_record(shop, "ranker").version == 1
    assert put(shop, folder).version == 3


@settings(max_examples=60)
@given(data=st.data())
def test_changed_and_truncated_files_give_one_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    root = tmp_path_factory.mktemp("fuzz")
    store = ArtifactStore(str(root / "store"))
    (root / "made").mkdir()
    put(store, root / "made")
    name = data.draw(st.sampled_from(["record.json", *FILES]))
    path = root / "store/graphs/ranker/1" / name
    content = path.read_bytes()
    change = data.draw(st.sampled_from(["cut", "flip", "grow", "other", "gone"]))
    at = data.draw(st.integers(0, len(content) - 1))
    if change == "gone":
        path.unlink()
    else:
        path.write_bytes(
            {
                "cut": content[:at],
                "flip": content[:at]
                + bytes([content[at] ^ data.draw(st.integers(1, 255))])
                + content[at + 1 :],
                "grow": content + b"\x00",
                "other": data.draw(st.binary(max_size=40)),
            }[change]
        )
    (root / "out").mkdir()
    try:
        record = shelf.read_record(store, "ranker", 1)
        shelf.fetch(store, record, root / "out")
    except CaptureError as error:
        assert "Version 1 of the graph 'ranker'" in str(error) and "\n" not in str(error)
    except NotFound:
        assert (name, change) == ("record.json", "gone")
    else:  # a change of white space, or of the name, that says the same
        assert name == "record.json" and record == shelf.read_record(store, "ranker", 1)
        assert record.placed("ranker", 0).digest() == record.hash


def test_a_file_that_leaves_its_folder_is_not_written(
    shop: ArtifactStore, folder: Path, tmp_path: Path
) -> None:
    record = put(shop, folder)
    escaped = replace(record, files={"../../x": record.files["picture.txt"]}).sealed()
    shop.put_json("graphs/ranker/1/record.json", escaped.to_dict())
    with pytest.raises(CaptureError, match="leaves its folder"):
        shelf.fetch(shop, shelf.read_record(shop, "ranker"), tmp_path / "out")


def test_a_newer_format_is_said(shop: ArtifactStore, folder: Path) -> None:
    record = put(shop, folder)
    shop.put_json("graphs/ranker/1/record.json", record.to_dict() | {"format": 9, "more": [1]})
    with pytest.raises(CaptureError, match="format 9, this jupyter_kf reads 1"):
        shelf.read_record(shop, "ranker")


def test_what_differs_between_two_versions() -> None:
    other = replace(
        RECORD,
        inputs=(TensorInfo("x", "float32", (None, 7)), RECORD.inputs[1]),
        ops={"MatMul": 3, "Relu": 1},
        versions={"tensorflow": "2.22.0"},
    )
    difference = compare(RECORD, other)
    assert difference.signature == ("- input x: float32[?, 6]", "+ input x: float32[?, 7]")
    assert difference.ops == {"MatMul": 2, "Relu": 1} and not difference.weights
    assert difference.versions == {"tensorflow": ("2.21.0", "2.22.0")}
    assert "MatMul: +2" in str(difference) and difference
    assert not compare(RECORD, RECORD) and str(compare(RECORD, RECORD)) == "no difference"


@pytest.mark.parametrize("op", ["PyFunc", "EagerPyFunc", "PyFuncStateless", "XlaCustomCallV2"])
def test_python_is_never_run(op: str) -> None:
    with pytest.raises(CaptureError, match="calls code that is not in it"):
        safety.check("It", {"Add", op}, allow=[op])


@pytest.mark.parametrize(
    "op",
    [
        *(
            "ReadFile",
            "WriteFile",
            "MatchingFiles",
            "SaveV2",
            "RestoreV2",
            "MergeV2Checkpoints",
            "SaveDatasetV2",
        ),
        *(
            "TFRecordDatasetV2",
            "TextLineDataset",
            "SqlDataset",
            "CacheDatasetV2",
            "SnapshotDatasetV2",
            "PrintV2",
        ),
        *(
            "DataServiceDatasetV4",
            "CreateSummaryFileWriter",
            "InitializeTableFromTextFileV2",
            "RpcCall",
            "Send",
        ),
        *(
            "ImmutableConst",
            "LoadAndRemapMatrix",
            "DebugIdentityV3",
            "DistributedSave",
            "RecordInput",
            "DumpTensor",
        ),
    ],
)
def test_files_and_connections_are_asked_for(op: str) -> None:
    with pytest.raises(CaptureError, match=f"allow=\\['{op}'\\]"):
        safety.check("It", {"Add", op})
    safety.check("It", {"Add", op}, allow=[op])


def test_arithmetic_is_not_asked_for() -> None:
    usual = ["MatMul", "Conv2D", "While", "StatefulPartitionedCall", "AssignVariableOp", "ParseExampleV2"]
    usual += ["DecodeJpeg", "CollectiveReduceV2", "LookupTableFindV2", "TensorSliceDataset", "ReadVariableOp"]
    assert safety.asks(usual) == () and not any(map(safety.calls_python, usual))


def test_a_run_has_at_least_one_step() -> None:
    with pytest.raises(SpecError, match="at least one step"):
        GraphRun("ranker", 1, steps=0)


def test_the_command_line_says_what_is_wrong(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(STORE_VARIABLE, str(tmp_path / "store"))
    assert main(["run-graph", "ranker"]) == 1
    assert "There is no graph 'ranker'" in capsys.readouterr().err
    put(ArtifactStore(), folder)
    assert main(["run-graph", "ranker"]) == 2
    assert "has no dataset" in capsys.readouterr().err
    assert main(["run-graph", "ranker", "--workers", "2"]) == 2
    assert "one worker" in capsys.readouterr().err
    assert main(["run-graph", "ranker", "--data", str(tmp_path / "none.npz")]) == 2
    assert "is no .npz" in capsys.readouterr().err


def test_the_command_line_loads_no_tensorflow() -> None:
    code = "import sys, jupyter_kf.__main__; print('tensorflow' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["False", "False"]

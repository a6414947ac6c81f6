# ruff: noqa: E501 (a cell reads best as one string)
"""Arrays come back in place, and arrays that share memory go on sharing it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import safetensors.numpy

from jupyter_kf.capture import Cell, pack, unpack
from jupyter_kf.capture.tensors import TensorReader

from .capture_notebook import Notebook, Replicas, replicas

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def place() -> None:
    """No job is started here; the processes of these tests are ended with the module."""


@pytest.fixture(scope="module")
def away() -> Iterator[Replicas]:
    with replicas() as started:
        yield started


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, away: Replicas) -> Notebook:
    book = Notebook(monkeypatch, tmp_path, away)
    book.here("import numpy as np")
    return book


CASES = {
    "in place": ("x = np.zeros((100, 50))", "x += 1", "x.sum() == 5000", "x"),
    "small": ("x = np.zeros(3)", "x[1] = 2", "x.tolist() == [0, 2, 0]", "x"),
    "view": ("x = np.zeros((100, 100)); v = x[10:20]", "v += 1", "x.sum() == 1000 and v.sum() == 1000", "x v"),
    "two views, no base": (
        "b = np.zeros(1000); v, w, u = b[100:300], b[200:400], b[900:]; del b",
        "v += 1; u -= 1; s = w.sum()",
        "s == 100 and w.sum() == 100 and w[0] == 1 and u.sum() == -100",
        "v w u",
    ),
    "strided": ("x = np.arange(10000.); v = x[::-7]", "v[0] = -1; x[0] = 5", "x[9999] == -1 and v[0] == -1 and x[0] == 5", "x v"),
    "transposed": ("x = np.zeros((60, 70)); t = x.T", "t[3, 4] = 1; f = t.flags.f_contiguous", "f and x[4, 3] == 1", "x t"),
    "fortran": ("x = np.asfortranarray(np.ones((50, 60)))", "x *= 2; f = x.flags.f_contiguous", "f and x.flags.f_contiguous and x.sum() == 6000", "x"),
    "new view of a live array": ("x = np.zeros((40, 40))", "v = x[5:10, ::2]; w = [x[0]]", "np.shares_memory(v, x) and np.shares_memory(w[0], x) and v.shape == (5, 20)", "x"),
    "new views of new memory": ("x = 1", "y = np.zeros(5000); v = y[10:20]", "np.shares_memory(v, y)", ""),
    "resized": ("x = np.zeros(3)", "x.resize(5, refcheck=False); x[4] = 1", "x.tolist() == [0, 0, 0, 0, 1]", "x"),
    "empty": ("x = np.zeros((0, 3), 'i2')", "s = (x.shape, x.dtype.str)", "s == ((0, 3), '<i2')", "x"),
    "read only": ("x = np.arange(3); x.flags.writeable = False", "w = x.flags.writeable", "not w and not x.flags.writeable", "x"),
    "strings": ("x = np.array(['a', 'bc']); d = np.array(['2020-01-01'], 'M8[D]')", "x[0] = 'zz'; d += 1", "x.tolist() == ['zz', 'bc'] and str(d[0]) == '2020-01-02'", "x d"),
    "structured": ("x = np.zeros(3, [('a', 'i4'), ('b', 'f8')])", "x['a'] = 5", "(x['a'] == 5).all()", "x"),
    "objects": ("x = np.array([1, 'a', []], dtype=object); l = x[2]", "l.append(1); x[0] = l", "x[2] is l and x[0] is l and l == [1]", "x l"),
    "masked": ("x = np.ma.array([1, 2], mask=[0, 1])", "x[0] = 5", "x[0] == 5 and x.mask.tolist() == [False, True]", "x"),
    "extension types": ("import ml_dtypes; x = np.ones(3000, ml_dtypes.bfloat16); y = np.ones(3, ml_dtypes.float8_e4m3fn)", "x *= 3; y *= 2; t = (x.dtype.name, y.dtype.name)", "t == ('bfloat16', 'float8_e4m3fn') and x[9] == 3 and y[0] == 2", "x y"),
    "generators": (
        "x = np.random.default_rng(1); r = np.random.RandomState(2); e = [np.random.default_rng(1).random(2)[1], np.random.RandomState(2).rand(2)[1]]",
        "x.random(); r.rand(); l = [x]",
        "[x.random(), r.rand()] == e and l[0] is x",
        "x r",
    ),
    "global generator": ("np.random.seed(3); e = np.random.rand(3).tolist(); np.random.seed(3)", "a = np.random.rand(2).tolist()", "[*a, np.random.rand()] == e", ""),
    "pandas": (
        "import pandas as pd; x = pd.DataFrame({'a': [1, 2], 's': ['p', 'q']}); s = pd.Series([1., 2.]); c = pd.Series(['u', 'v'], dtype='category')",
        "x['b'] = x.a * 2; x.loc[0, 'a'] = 100; s *= 2; c = c.cat.add_categories(['w'])",
        "x.a.tolist() == [100, 2] and list(x.columns) == ['a', 's', 'b'] and s.tolist() == [2, 4] and len(c.cat.categories) == 3",
        "x",
    ),
    "pandas copies on write": (
        "import pandas as pd; x = pd.DataFrame({'a': [1, 2], 'b': [3, 4]}); s = x['a']; y = x[:]; v = x['b'].to_numpy()",
        "x.loc[0, 'a'] = 100; n = x['b']; n.iloc[0] = 7",
        "x.a.tolist() == [100, 2] and s.tolist() == [1, 2] and y.a.tolist() == [1, 2] and n.tolist() == [7, 4] and x.b.tolist() == [3, 4]",
        "x s y",
    ),
    "pandas index and name": (
        "import pandas as pd; x = pd.DataFrame({'a': [1, 2]}); s = pd.Series([1, 2], name='n')",
        "x.columns.name = 'c'; x.index = ['p', 'q']; s.name = 'm'; x.attrs['k'] = 1; del x['a']; x['z'] = [5, 6]",
        "x.columns.name == 'c' and x.loc['q', 'z'] == 6 and s.name == 'm' and x.attrs == {'k': 1} and list(x) == ['z']",
        "x s",
    ),
    "scipy": ("import scipy.sparse as ss; x = ss.csr_matrix(np.eye(3))", "x.data[:] = 5", "x[0, 0] == 5 and x.nnz == 3", "x"),
    "estimator": ("from sklearn.linear_model import LinearRegression as L; x = L()", "x.fit(np.arange(4.)[:, None], np.arange(4.))", "abs(x.coef_[0] - 1) < 1e-9", "x"),
    "figure": ("import matplotlib; matplotlib.use('agg'); from matplotlib.figure import Figure; x = Figure(); ax = x.add_subplot()", "ax.plot([1, 2])", "len(ax.lines) == 1 and x.axes[0] is ax", "x ax"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=list(CASES))
def test_comes_back_changed_and_the_same(case: str, notebook: Notebook) -> None:
    before, cell, after, same = CASES[case]
    notebook.here(before)
    objects = {name: notebook[name] for name in same.split()}
    notebook.away(cell)
    notebook.here(f"holds = {after}")
    assert notebook["holds"], {name: notebook.names.get(name) for name in objects}
    for name, obj in objects.items():
        assert notebook[name] is obj, name


def capture(folder: Path, **names: Any) -> None:
    pack(Cell("", names, "<cell>", 1), folder)


def test_the_file_is_a_safetensors_file(tmp_path: Path) -> None:
    weights = np.arange(4000, dtype="f4").reshape(40, 100)
    capture(tmp_path / "p", weights=weights, small=np.arange(3))
    tensors = safetensors.numpy.load_file(tmp_path / "p" / "tensors.safetensors")
    assert np.array_equal(tensors["0"], weights)
    assert tensors["small"].tobytes() == np.arange(3).tobytes()


def test_only_what_is_covered_of_a_memory_travels(tmp_path: Path) -> None:
    big = np.zeros(1_000_000)
    capture(tmp_path / "p", head=big[:1000], tail=big[-1000:])
    assert (tmp_path / "p" / "tensors.safetensors").stat().st_size < 20_000


def test_what_did_not_change_does_not_travel_back(notebook: Notebook) -> None:
    notebook.here("frozen = np.zeros(100_000); trained = np.zeros(10_000)")
    captured, folder = notebook.pack("trained += frozen[:10_000] + 1")
    notebook._replicas.run(folder)
    reader = TensorReader(folder / "out" / "outcome.safetensors")
    sizes = [span["data_offsets"][1] for name, span in json.loads(reader._head[8:]).items() if name == "0"]
    assert sizes == [80_000]
    captured.apply(folder / "out")
    assert notebook["trained"].sum() == 10_000


def test_changes_here_in_the_meantime_are_seen(tmp_path: Path) -> None:
    big, small, view = np.zeros(10_000), np.zeros(3), np.zeros(10_000)[5:]
    captured = pack(Cell("", {"big": big, "small": small, "view": view}, "<cell>", 1), tmp_path / "p")
    assert captured.changed() == []
    big[-1] = small[0] = view[0] = 1
    assert captured.changed() == ["big", "small", "view"]


def test_arrival_is_checked_against_its_checksum(tmp_path: Path) -> None:
    from jupyter_kf.errors import CaptureError

    capture(tmp_path / "p", x=np.zeros(10_000))
    for name in ("tensors.safetensors", "payload.pkl"):
        file = tmp_path / "p" / name
        good = file.read_bytes()
        file.write_bytes(good[:-1] + b"\x01")
        with pytest.raises(CaptureError, match=rf"{name} .* was changed or damaged"):
            unpack(tmp_path / "p", {})
        file.unlink()
        with pytest.raises(CaptureError, match=f"{name} is missing"):
            unpack(tmp_path / "p", {})
        file.write_bytes(good)
    assert unpack(tmp_path / "p", {}).value.names["x"].shape == (10_000,)


@pytest.mark.parametrize("package", ["python", "numpy", "cloudpickle"])
def test_other_versions_are_refused_with_both(tmp_path: Path, package: str) -> None:
    from jupyter_kf.errors import CaptureError

    capture(tmp_path / "p", x=1)
    about = json.loads((tmp_path / "p" / "payload.json").read_text())
    ours = about["versions"][package]
    about["versions"][package] = "1.0.7"
    (tmp_path / "p" / "payload.json").write_text(json.dumps(about))
    with pytest.raises(CaptureError, match=rf"{package} 1\.0\.7 in the notebook, {ours} in the replica"):
        unpack(tmp_path / "p", {})


def test_a_folder_without_a_payload_is_refused(tmp_path: Path) -> None:
    from jupyter_kf.errors import CaptureError

    with pytest.raises(CaptureError, match="holds no readable payload"):
        unpack(tmp_path, {})
    (tmp_path / "payload.json").write_text('{"format": 99}')
    with pytest.raises(CaptureError, match="has format 99"):
        unpack(tmp_path, {})

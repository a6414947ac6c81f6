# ruff: noqa: E501 (a cell reads best as one string)
"""Pipelines of tf.data run again on the other side, in one order for all replicas."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.capture_notebook import Notebook, Replicas, replicas

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

keras = pytest.importorskip("keras")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def place() -> None:
    """No job is started here; the processes of these tests are ended with the module."""


@pytest.fixture(scope="module")
def away() -> Iterator[Replicas]:
    with replicas("tensorflow") as started:
        yield started


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, away: Replicas) -> Notebook:
    keras.utils.clear_session()
    book = Notebook(monkeypatch, tmp_path, away)
    book.here("import tensorflow as tf, numpy as np")
    return book


CASES = {
    "batches": (
        "d = tf.data.Dataset.range(10).shuffle(10, seed=3).batch(3, drop_remainder=True); e = [b.numpy().tolist() for b in d]; d = tf.data.Dataset.range(10).shuffle(10, seed=3).batch(3, drop_remainder=True)",
        "o = [b.numpy().tolist() for b in d]; n = int(d.cardinality()); s = d.element_spec",
        "o == e and n == 3 and s == d.element_spec",
    ),
    "ragged": (
        "d = tf.data.Dataset.from_tensor_slices({'a': tf.ragged.constant([[1], [2, 3]])})",
        "o = [b['a'].numpy().tolist() for b in d]",
        "o == [[1], [2, 3]]",
    ),
    "big constant, cached": (
        "d = tf.data.Dataset.from_tensor_slices(np.ones((10, 5000), 'f4')).map(lambda x: x + 1).cache().prefetch(1)",
        "o = sum(float(tf.reduce_sum(x)) for x in d)",
        "o == 100000",
    ),
    "python functions": (
        "K = 3\ndef g(x): return x * K\nd = tf.data.Dataset.range(3).map(lambda x: tf.numpy_function(g, [x], tf.int64)).map(lambda x: tf.py_function(lambda y: y + K, [x], tf.int64))",
        "o = [int(x) for x in d]",
        "o == [3, 6, 9]",
    ),
    "generator": (
        "def gen():\n    for i in range(3): yield i, str(i)\nd = tf.data.Dataset.from_generator(gen, output_signature=(tf.TensorSpec([], tf.int32), tf.TensorSpec([], tf.string))).batch(2)",
        "o = [(a.numpy().tolist(), b.numpy().tolist()) for a, b in d]",
        "o == [([0, 1], [b'0', b'1']), ([2], [b'2'])]",
    ),
    "iterator in progress": (
        "i = iter(tf.data.Dataset.range(5).batch(2)); next(i)",
        "o = next(i).numpy().tolist()",
        "o == [2, 3] and next(i).numpy().tolist() == [4]",
    ),
}


@pytest.mark.parametrize("case", CASES, ids=list(CASES))
def test_runs_there(case: str, notebook: Notebook) -> None:
    before, cell, after = CASES[case]
    notebook.here(before)
    notebook.away(cell)
    notebook.here(f"holds = {after}")
    assert notebook["holds"], notebook["o"]


def test_all_replicas_shuffle_in_one_order(notebook: Notebook, away: Replicas) -> None:
    from jupyter_kf.capture import load_outcome

    notebook.here("d = tf.data.Dataset.range(50).shuffle(50)")
    _, folder = notebook.pack("o = [int(x) for _ in range(2) for x in d]")
    orders = []
    for _ in range(2):
        away.run(folder)
        orders.append(load_outcome(folder / "out", folder)["bound"]["o"])
    assert orders[0] == orders[1]
    assert sorted(orders[0][:50]) == list(range(50)) and orders[0][:50] != orders[0][50:]


def test_an_empty_graph_is_never_taken_for_success(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TensorFlow writes an empty graph, and no error, for more than 2 GB of constants."""
    import tensorflow as tf

    from jupyter_kf.errors import CaptureError

    notebook.here("d = tf.data.Dataset.range(3)")
    monkeypatch.setattr(tf.raw_ops, "DatasetToGraphV2", lambda **_: tf.constant(b""))
    with pytest.raises(CaptureError, match=r"d cannot travel.*more than 2 GB"):
        notebook.pack("d")

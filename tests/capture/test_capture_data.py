# ruff: noqa: E501 (a cell reads best as one string)
"""Pipelines of tf.data run again on the other side, in one order for all replicas."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.capture_notebook import Notebook, Replicas, replicas

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    book.here("import tensorflow as tf, numpy as np, keras")
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


# name: what makes `d` and other names; then two cells that leave their orders in `o`
ORDERS = "def order(d, times=1): return [np.concatenate([np.ravel(b) for b in d]).tolist() for _ in range(times)]\n"
HELD = {
    "shuffle": ("d = tf.data.Dataset.range(9).shuffle(9, seed=3).map(lambda x: x + 1).batch(4).prefetch(2)", "o = order(d, 2)"),
    "global seed": ("keras.utils.set_random_seed(4); d = tf.data.Dataset.range(9).shuffle(4)", "o = order(d, 2)"),
    "below repeat": ("d = tf.data.Dataset.range(5).shuffle(5, seed=3).repeat(3).batch(4)", "o = order(d)"),
    "shared by two": (
        "s = tf.data.Dataset.range(8).shuffle(8, seed=3); d, e = s.take(6).batch(2), s.skip(6)",
        "o = order(d), order(e), order(d)",
    ),
    "two in one": (
        "d = tf.data.Dataset.zip(tf.data.Dataset.range(6).shuffle(6, seed=1), tf.data.Dataset.range(6).shuffle(6, seed=2)).map(lambda a, b: a * 10 + b)",
        "o = order(d); first = next(iter(d))",
    ),
    "random numbers": ("d = tf.data.Dataset.random(seed=4, rerandomize_each_iteration=True).take(3)", "o = order(d, 2)"),
    "sampled": (
        "d = tf.data.Dataset.sample_from_datasets([tf.data.Dataset.range(5), tf.data.Dataset.range(10, 15)], seed=1, rerandomize_each_iteration=True)",
        "o = order(d, 2)",
    ),
    "fixed": ("d = tf.data.Dataset.range(9).shuffle(9, seed=3, reshuffle_each_iteration=False)", "o = order(d)"),
    "kept in a cache": (
        # Read ahead, the first look would fill the cache, or not, as the processor has time.
        "options = tf.data.Options(); options.experimental_optimization.apply_default_optimizations = False; d = tf.data.Dataset.range(9).shuffle(9, seed=3).map(lambda x: (x, tf.strings.as_string(x))).batch(4).cache().map(lambda x, _: x).with_options(options)",
        "first = next(iter(d)); o = order(d, 2)",
    ),
    "caches of two": (
        "s = tf.data.Dataset.range(8).shuffle(8, seed=3); d, e = s.take(6).cache(), s.skip(6).cache()",
        "o = order(d), order(e), order(d)",
    ),
    "cache below": ("d = tf.data.Dataset.range(8).cache().shuffle(8, seed=3)", "o = order(d)"),
    "iterator in progress": (
        "options = tf.data.Options(); options.experimental_optimization.inject_prefetch = False; d = tf.data.Dataset.range(8).shuffle(8, seed=3).repeat().with_options(options); i = iter(d); j = iter(d)",
        "o = [int(next(i)) for _ in range(12)] + [int(next(j)) for _ in range(3)] + order(d.take(9))",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", HELD, ids=list(HELD))
def test_goes_on_where_a_plain_run_would(case: str, notebook: Notebook) -> None:
    """Here, there, there with what came back, and here again, against all of it here."""
    make, cell = HELD[case]
    orders: list[list[object]] = []
    for there in (notebook.here, notebook.away):
        notebook.here(ORDERS + make)
        orders.append([])
        for run in (notebook.here, there, there, notebook.here):
            run(cell)
            orders[-1].append(notebook["o"])
    assert orders[1] == orders[0]


def test_what_a_cell_makes_shares_with_what_arrived_and_with_nothing_else(notebook: Notebook) -> None:
    """The runtimes of the two sides give the same names to what belongs to different pipelines."""
    make = "d = tf.data.Dataset.range(6).shuffle(6, seed=2); mine = tf.data.Dataset.range(3).cache(); order(mine)"
    cell = "e = d.batch(2); f = tf.data.Dataset.range(100, 106).shuffle(6, seed=1); g = tf.data.Dataset.range(7, 9).cache(); order(f)"
    orders = []
    for run in (notebook.here, notebook.away):
        notebook.here(ORDERS + make)
        run(cell)
        notebook.here("o = order(d), order(e), order(d), order(f), order(g), order(mine)")
        orders.append(notebook["o"])
    assert orders[1] == orders[0]


def test_goes_on_after_an_error(notebook: Notebook) -> None:
    notebook.here(
        ORDERS + "d, e = (tf.data.Dataset.range(20).shuffle(20, seed=2) for _ in range(2)); order(e, 3)"
    )
    with pytest.raises(ZeroDivisionError):
        notebook.away("order(d, 2); next(iter(d)); 1 / 0")
    notebook.here("holds = order(d) == order(e)")
    assert notebook["holds"]


def test_looking_leaves_no_trace(notebook: Notebook) -> None:
    """Packing draws no seed, calls no function, reads no element, starts no thread."""
    notebook.here(
        ORDERS
        + "calls = []\ndef gen():\n    calls.append(1)\n    yield from range(9)\n"
        + "d = tf.data.Dataset.from_generator(gen, output_signature=tf.TensorSpec([], tf.int64)).shuffle(10**9, seed=1).cache().shuffle(9, seed=2)"
    )
    notebook.pack("d")
    threads = len(list(Path("/proc/self/task").iterdir()))
    captured, _ = notebook.pack("d")
    assert captured.changed() == []
    assert len(list(Path("/proc/self/task").iterdir())) == threads
    assert notebook["calls"] == []


def test_a_seeded_order_that_cannot_be_read_is_refused_by_name(notebook: Notebook) -> None:
    from jupyter_kf.errors import CaptureError

    notebook.here("e = tf.data.Dataset.range(5).apply(tf.data.experimental.shuffle_and_repeat(5, 2, seed=1))")
    with pytest.raises(CaptureError, match=r"^e cannot travel.*shuffle_and_repeat.*Way out: use shuffle"):
        notebook.pack("e")


def test_private_names_of_tensorflow_are_where_capture_looks() -> None:
    """Fails on an upgrade of TensorFlow that moves what ``capture/held.py`` and ``data.py`` depend on."""
    import tensorflow as tf

    from jupyter_kf.capture import data, held

    hint = "TensorFlow has moved a private name: see jupyter_kf/capture/held.py"
    shuffle = tf.data.Dataset.range(3).shuffle(3, seed=1).cache()
    _, (graph, *_, holds) = data.make(shuffle)
    assert [type(one) for _, one in holds] == [held.Seeds, held.Cache], hint
    seeds, cache = (one for _, one in holds)
    assert tf.compat.v1.GraphDef.FromString(graph.tobytes()).node, hint
    assert [held.seeds_contents(seeds), held.cache_contents(cache)] == [0, None], hint
    list(shuffle)
    assert held.seeds_contents(seeds) == held.DRAWS, hint
    assert len(held.cache_contents(cache) or ()) >= 3, hint
    held.fill_seeds(seeds, 40)
    assert held.seeds_contents(seeds) == 40, hint
    other = held.build_cache(*cache.about)
    held.fill_cache(other, held.cache_contents(cache))
    assert held.cache_contents(other) == held.cache_contents(cache), hint
    assert held.is_complete(other) and not held.is_complete(held.build_cache(*cache.about)), hint


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

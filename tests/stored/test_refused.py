"""What cannot be stored, and what is not loaded: each with its reason, and nothing of it runs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

import jupyter_kf as kf
from jupyter_kf.store import ArtifactStore
from jupyter_kf.stored import files, shelf
from jupyter_kf.stored.loading import load_data
from jupyter_kf.stored.record import GraphRecord, TensorInfo

X = np.ones((4, 6), "float32")


def model() -> Any:
    return keras.Sequential([keras.Input((6,)), keras.layers.Dense(1)])


def python(x: Any) -> Any:
    return tf.py_function(lambda v: v, [x], tf.float32)


def numpy_python(x: Any) -> Any:
    return tf.numpy_function(lambda v: v, [x], tf.float32)


VARIABLE = tf.Variable(np.ones(6, "float32"))
ITERATOR = iter(tf.data.Dataset.range(3))
WORDS = tf.Variable(["a", "b"])


CHANGING = tf.lookup.experimental.MutableHashTable(tf.int64, tf.float32, 0.0)
DENSE = tf.lookup.experimental.DenseHashTable(tf.int64, tf.float32, 0.0, -1, -2)
QUEUE = tf.queue.FIFOQueue(3, tf.float32)


def changes(x: Any) -> Any:
    return VARIABLE.assign_add(x[0])


def iterates(x: Any) -> Any:
    return x + tf.cast(next(ITERATOR), tf.float32)


def words(x: Any) -> Any:
    return WORDS.read_value(), x


def random_training(x: Any, drawn: Any = tf.random.normal) -> Any:
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(VARIABLE * x[0]) + tf.reduce_sum(tf.cast(drawn((3,)), tf.float32))
    VARIABLE.assign_sub(tape.gradient(loss, VARIABLE))
    return loss


@pytest.mark.parametrize(
    "what, reason",
    [
        (python, "calls Python .EagerPyFunc, line"),
        (numpy_python, "calls Python"),
        (changes, "computes no gradients that replicas could put together"),
        (iterates, "cannot be stored, such as an iterator"),
        (lambda x: x + QUEUE.dequeue(), "or a queue"),
        (lambda x: CHANGING.lookup(tf.cast(x, tf.int64)), "a MutableHashTable, whose content"),
        (lambda x: DENSE.lookup(tf.cast(x, tf.int64)), "a DenseHashTable, whose content"),
        (words, "holds texts"),
        (random_training, "without a seed"),
        (lambda x: random_training(x, lambda n: tf.random.uniform(n, 0, 9, tf.int32)), "RandomUniformInt"),
        (3, "A int cannot be stored"),
    ],
)
def test_what_cannot_be_stored(what: Any, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from tensorflow.python.eager import context

    monkeypatch.setattr(context.context(), "_seed", None)
    with pytest.raises(kf.CaptureError, match=reason):
        kf.save_graph("graph", what, X)
    assert kf.graphs() == []


def test_a_trace_of_a_training_step_is_refused() -> None:
    @tf.function
    def step(x: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(VARIABLE * x)
        VARIABLE.assign_sub(tape.gradient(loss, VARIABLE))
        return loss

    with pytest.raises(kf.CaptureError, match=r"Give the tf\.function itself"):
        kf.save_graph("graph", step.get_concrete_function(X))
    kf.save_graph("graph", step, X)  # the function itself
    forward = tf.function(lambda x: x * 2.0).get_concrete_function(tf.TensorSpec((None, 6)))
    kf.save_graph("forward", forward)
    np.testing.assert_array_equal(kf.load_graph("forward")(X), X * 2)


def test_a_signature_is_needed() -> None:
    with pytest.raises(kf.CaptureError, match="has no signature"):
        kf.save_graph("graph", tf.function(lambda x: x))
    silent = keras.Sequential([keras.layers.Dense(1)])
    named = keras.Model({"x": (x := keras.Input((6,), name="x"))}, x)
    for made, options in ((silent, {}), (named, {}), (model(), {"train": True})):
        with pytest.raises(kf.CaptureError, match=r"Sequential|Functional has no signature: give an example"):
            kf.save_graph("graph", made, **options)
    with pytest.raises(kf.CaptureError, match="is no tensor"):
        kf.save_graph("graph", lambda x, mode: x, X, "fast")
    with pytest.raises(kf.CaptureError, match="not compiled"):
        kf.save_graph("graph", model(), X, X, train=True)
    with pytest.raises(kf.SpecError, match="no option colour"):
        kf.save_graph("graph", model(), X, colour=1)
    given = tf.function(lambda x: x + 1.0, input_signature=[tf.TensorSpec((2,), tf.float32)])
    assert str(kf.save_graph("graph", given).record.inputs[0]) == "x: float32[2]"


def test_a_dataset_that_calls_python_is_refused() -> None:
    made = tf.data.Dataset.from_generator(lambda: iter([X]), output_signature=tf.TensorSpec((4, 6)))
    with pytest.raises(kf.CaptureError, match="The dataset calls Python"):
        kf.save_graph("graph", model(), X, data=made)


def test_a_dataset_comes_back_in_its_order() -> None:
    data = (
        tf.data.Dataset.range(20).shuffle(20).map(lambda i: tf.fill((2, 6), tf.cast(i, tf.float32))).cache()
    )
    graph = kf.save_graph("graph", model(), X, data=data)
    assert graph.record.has_data and graph.record.asks == ("CacheDatasetV2",)
    with pytest.raises(kf.CaptureError, match="CacheDatasetV2"):
        load_data(graph.store, graph.record)
    loaded = [load_data(graph.store, graph.record, graph.allow) for _ in range(2)]
    orders = [[int(x[0, 0]) for x in each] for each in loaded]
    assert orders[0] == orders[1] != sorted(orders[0]) and sorted(orders[0]) == list(range(20))


def test_a_graph_that_reads_files_is_loaded_if_agreed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hidden")
    path = str(tmp_path / "secret")
    graph = kf.save_graph("reader", lambda x: (x, tf.io.read_file(path)), X)
    assert graph.record.asks == ("ReadFile",)
    with pytest.raises(kf.CaptureError, match=r"allow=\['ReadFile'\]"):
        kf.load_graph("reader")
    assert kf.load_graph("reader", allow=["ReadFile"])(X)[1].numpy() == b"hidden"


def rewritten(change: Any) -> None:
    """Change the stored graph as somebody would who knows the format, with all hashes right."""
    store = ArtifactStore()
    path = Path(store.url) / "graphs/graph/1"
    proto = saved_model_pb2.SavedModel.FromString((path / "model/saved_model.pb").read_bytes())
    change(proto)
    (path / "model/saved_model.pb").write_bytes(proto.SerializeToString())
    record = GraphRecord.from_dict(json.loads((path / "record.json").read_text()))
    changed = record.files | {"model/saved_model.pb": files.info(path / "model/saved_model.pb")}
    (path / "record.json").write_text(json.dumps(replace(record, files=changed).sealed().to_dict()))


def test_what_would_run_while_it_is_loaded_is_found(tmp_path: Path) -> None:
    """A node that writes a file, hidden in the function that initialises a table, is seen before loading."""
    kf.save_graph("graph", model(), X)

    def hide(proto: Any) -> None:
        function = proto.meta_graphs[0].graph_def.library.function[0]
        function.node_def.add(name="evil", op="WriteFile")

    rewritten(hide)
    with pytest.raises(kf.CaptureError, match="WriteFile"):
        kf.load_graph("graph")


def test_an_operation_that_tensorflow_does_not_know_is_named() -> None:
    """As in a graph of a newer minor version."""
    kf.save_graph("graph", model(), X)
    rewritten(lambda p: p.meta_graphs[0].graph_def.node.add(name="new", op="FromTheFuture"))
    with pytest.raises(kf.CaptureError, match=r"FromTheFuture, which TensorFlow .* does not know"):
        kf.load_graph("graph")


def test_a_training_graph_without_its_collectives_is_not_run() -> None:
    made = model()
    made.compile("sgd", "mse", jit_compile=False)
    kf.save_graph("graph", made, X, X[:, :1], train=True)

    def cut(proto: Any) -> None:
        graph = proto.meta_graphs[0].graph_def
        for nodes in (graph.node, *(f.node_def for f in graph.library.function)):
            for node in nodes:
                if node.op.startswith("Collective"):
                    node.op = "Identity"

    rewritten(cut)
    with pytest.raises(kf.CaptureError, match="puts no gradients together"):
        kf.load_graph("graph")


def edited(**changed: Any) -> None:
    store = ArtifactStore()
    record = shelf.read_record(store, "graph")
    store.put_json("graphs/graph/1/record.json", replace(record, **changed).sealed().to_dict())


@pytest.mark.parametrize("version", ["2.20.0", "2.99.1"])
def test_a_graph_of_another_minor_version_is_loaded(version: str) -> None:
    kf.save_graph("graph", tf.function(lambda x: x * 3.0), X)
    edited(versions={"tensorflow": version, "keras": "3.0.0"})
    np.testing.assert_array_equal(kf.load_graph("graph")(X), X * 3)


@pytest.mark.parametrize("version", ["3.0.0", "1.15.5", ""])
def test_a_graph_of_another_major_version_is_not(version: str) -> None:
    kf.save_graph("graph", tf.function(lambda x: x * 3.0), X)
    edited(versions={"tensorflow": version} if version else {})
    with pytest.raises(kf.CaptureError, match="within one major version"):
        kf.load_graph("graph")


def test_weights_that_do_not_fit_their_record() -> None:
    kf.save_graph("graph", model(), X)
    edited(weights=(TensorInfo("a", "float32", (9,)), TensorInfo("b", "float32", (1,))))
    with pytest.raises(kf.CaptureError, match="weights do not fit"):
        kf.load_graph("graph")


@pytest.mark.parametrize("content", [b"", b"\xff" * 64, b"\x08\x01"])
def test_what_is_no_graph_gives_one_error(content: bytes) -> None:
    kf.save_graph("graph", model(), X)
    path = Path(ArtifactStore().url) / "graphs/graph/1/model/saved_model.pb"
    path.write_bytes(content)
    with pytest.raises(kf.CaptureError, match="is not the one that was stored"):
        kf.load_graph("graph")
    known = shelf.read_record(ArtifactStore(), "graph").files
    edited(files=known | {"model/saved_model.pb": files.info(path)})
    with pytest.raises(kf.CaptureError, match=r"damaged|cannot be loaded"):
        kf.load_graph("graph")


def test_objects_that_the_graph_does_not_know_are_refused_whole() -> None:
    made = model()
    graph = kf.save_graph("graph", made, X)
    other = keras.Sequential([keras.Input((6,)), keras.layers.Dense(2)])
    before = other.get_weights()
    with pytest.raises(kf.SpecError, match="is not in 'graph' version 1"):
        graph.restore(other)
    for a, b in zip(before, other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    again = model()
    graph.restore(again)
    np.testing.assert_array_equal(again.get_weights()[0], made.get_weights()[0])


def test_arguments_of_another_kind_are_told() -> None:
    graph = kf.save_graph("graph", model(), X)
    for wrong in (X[:, :3], np.ones(6, "float32"), tf.constant(X, tf.float64)):
        with pytest.raises(TypeError, match=r"is to be float32\[\?, 6\], not float"):
            graph(wrong)
    assert graph(X.astype("float64")).shape == (4, 1)  # numbers, which become what it takes


def test_a_version_that_was_deleted_is_not_called_damaged() -> None:
    graph = kf.save_graph("graph", model(), X)
    assert repr(graph) == "graph 1 (forward): (inputs_0: float32[?, 6]) -> (output: float32[?, 1])"
    graph.delete()
    with pytest.raises(kf.NotFound, match="'graph' has no version 1 any more"):
        graph(X)


def test_weights_as_they_are_now_are_kept_as_the_next_version() -> None:
    made = model()
    made.compile("sgd", "mse", jit_compile=False)
    graph = kf.save_graph("graph", made, X, X[:, :1], train=True)
    graph(X, X[:, :1])
    kept = graph.keep()
    assert kept.version == 2 and graph.version == 1 and kept.record.trained is None
    assert any((kept.weights()[n] != kf.load_graph("graph", 1).weights()[n]).any() for n in kept.weights())
    with pytest.raises(TypeError, match="takes"):
        graph(X)

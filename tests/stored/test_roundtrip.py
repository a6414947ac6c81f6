"""What is stored and loaded gives the outputs of what it was made of, over the families of operations."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import safetensors.tensorflow
import tensorflow as tf

import jupyter_kf as kf
from jupyter_kf.stored.writing import keys
from tests.gang.compare import BAR, difference
from tests.stored.families import FUNCTIONS, LAYERS


def same(a: Any, b: Any) -> None:
    tf.nest.assert_same_structure(a, b)
    for x, y in zip(tf.nest.flatten(a), tf.nest.flatten(b), strict=True):
        assert x.dtype == y.dtype
        assert difference(plain(x), plain(y)) <= BAR


def plain(x: Any) -> Any:
    """An array of numbers as wide as the comparison takes them, or of texts."""
    if x.dtype.is_complex:
        return np.stack([np.real(x), np.imag(x)])
    return np.asarray(tf.cast(x, tf.float32) if x.dtype == tf.bfloat16 else x)


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name: str) -> None:
    make, x = LAYERS[name]
    keras.utils.set_random_seed(2)
    dtype = "string" if x.dtype.kind == "U" else x.dtype.name
    model = keras.Sequential([keras.Input(x.shape[1:], dtype=dtype), make()])
    kf.save_graph(name, model, x)
    same(kf.load_graph(name)(x), model(tf.constant(x), training=False))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name: str) -> None:
    what, x = FUNCTIONS[name]
    kf.save_graph(name, what, x)
    same(kf.load_graph(name)(x), tf.function(what)(tf.constant(x)))


class Several(tf.Module):
    """Weights of many types and sizes, two of them of one name."""

    def __init__(self) -> None:
        super().__init__()
        self.w = tf.Variable(tf.random.stateless_normal((16, 4), (1, 2)))
        self.odd = tf.Variable([True, False, True])
        self.scalar = tf.Variable(7, dtype=tf.int64)
        self.half = tf.Variable(tf.ones(5, tf.bfloat16))
        self.empty = tf.Variable(tf.zeros((0, 3)))
        self.pair = [tf.Variable(1.0 + 2.0j, dtype=tf.complex128), tf.Variable(tf.ones(3))]

    def __call__(self, x: Any) -> Any:
        parts = [self.w, self.odd, self.scalar, self.half, self.empty, *self.pair]
        return x, [tf.identity(part) for part in parts]


def test_weights_stand_under_their_names_in_a_file_that_others_read() -> None:
    module = Several()
    graph = kf.save_graph("several", module, np.ones(2, "float32"))
    same(kf.load_graph("several")(np.ones(2, "float32"))[1], module(1.0)[1])
    place = graph.store.local("graphs/several/1/weights.safetensors")
    found = safetensors.tensorflow.load_file(str(place))
    assert found.keys() == {w.name for w in graph.record.weights}
    np.testing.assert_array_equal(found["w"], module.w)
    np.testing.assert_array_equal(found["odd"], module.odd)
    assert found["scalar"].shape == () and found["half"].dtype == tf.bfloat16


def test_weights_that_were_loaded_are_changed_here_alone() -> None:
    made = tf.Variable(tf.ones(64))

    def step() -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(made**2)
        made.assign_sub(0.25 * tape.gradient(loss, made))
        return loss

    graph = kf.save_graph("step", tf.function(step, input_signature=[]))
    loaded = kf.load_graph("step")
    assert [float(loaded()) for _ in range(3)] == [64.0, 16.0, 4.0]
    np.testing.assert_array_equal(next(iter(graph.weights().values())), np.ones(64))
    assert float(kf.load_graph("step")()) == 64.0


def test_weights_of_one_name_have_keys_of_their_own() -> None:
    assert keys(["a", "a", "a (2)", "b", "a"]) == ["a", "a (2)", "a (2) (2)", "b", "a (3)"]
    one, two = tf.Variable(1.0, name="v"), tf.Variable(2.0, name="v")
    kf.save_graph("pair", tf.function(lambda x: (one * x, two * x)), np.float32(1))
    graph = kf.load_graph("pair")
    assert [float(v) for v in graph(np.float32(1))] == [1.0, 2.0]
    assert graph.weights() == {"v": 1.0, "v (2)": 2.0}
    two.assign(5.0)
    assert (
        graph.compare(kf.save_graph("pair", lambda x: (one * x, two * x), np.float32(1))).values["v (2)"] == 3
    )


def scaled(x: Any, factor: float = 2.0, *, training: bool = False) -> Any:
    return x * factor * (2.0 if training else 1.0)


def test_python_values_of_the_arguments_are_a_part_of_the_graph() -> None:
    x = np.ones(3, "float32")
    for number, what in enumerate((scaled, tf.function(scaled))):
        graph = kf.save_graph(f"graph{number}", what, x)
        assert graph.record.signature == "(x: float32[?]) -> (output: float32[?])"
        np.testing.assert_array_equal(kf.load_graph(graph.name)(x), x * 2)
    trace = tf.function(scaled).get_concrete_function(tf.TensorSpec((3,)), training=True)
    kf.save_graph("trace", trace)
    np.testing.assert_array_equal(kf.load_graph("trace")(x), x * 4)


def test_what_is_none_stays_none() -> None:
    x = np.ones(3, "float32")
    kf.save_graph("optional", lambda x, mask: (x, None, {"mask": mask, "x": x}), x, None)
    found = kf.load_graph("optional")(x, None)
    assert found[1] is None and found[2]["mask"] is None
    np.testing.assert_array_equal(found[2]["x"], x)
    with pytest.raises(TypeError, match=r"optional takes \(x: float32\[\?\]\) .* not 2 arguments"):
        kf.load_graph("optional")(x, x)


def test_a_model_made_of_layers_knows_what_it_takes() -> None:
    one, two = keras.Input((3,)), keras.Input((2,), dtype="int32")
    joined = keras.layers.Concatenate()([one, keras.layers.Embedding(5, 1)(two)[..., 0]])
    model = keras.Model([one, two], keras.layers.Dense(2)(joined))
    x = np.ones((4, 3), "float32"), np.ones((4, 2), "int32")
    graph = kf.save_graph("model", model)
    assert [str(t).partition(": ")[2] for t in graph.record.inputs] == ["float32[?, 3]", "int32[?, 2]"]
    same(kf.load_graph("model")(*x), model(list(x)))
    sequence = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    kf.save_graph("sequence", sequence)
    same(kf.load_graph("sequence")(x[0]), sequence(x[0]))


def test_a_step_compiled_by_xla_is_stored_without_it() -> None:
    """Replicas cannot meet inside XLA on processors; a forward graph keeps it."""
    x, made = np.ones((4, 3), "float32"), tf.Variable(tf.ones((3, 1)))

    @tf.function(jit_compile=True)
    def step(x: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(x @ made)
        made.assign_sub(0.25 * tape.gradient(loss, made))
        return loss

    kf.save_graph("step", step, x)
    loaded = kf.load_graph("step")
    assert [float(loaded(x)) for _ in range(2)] == [12.0, 0.0]
    kf.save_graph("forward", tf.function(lambda x: x @ made, jit_compile=True), x)
    np.testing.assert_array_equal(kf.load_graph("forward")(x), x @ made.numpy())

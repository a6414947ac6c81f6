# ruff: noqa: E501 (a cell reads best as one string)
"""TensorFlow's and Keras's objects are changed in a fresh process and come back the same objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jupyter_kf.capture import kinds
from jupyter_kf.errors import CaptureError
from tests.capture_notebook import Notebook, Replicas, replicas

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

keras = pytest.importorskip("keras")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")

NAMES = "import tensorflow as tf, keras, numpy as np\n"
DATA = "X = np.random.rand(32, 4).astype('f4'); Y = X.sum(1, keepdims=True)\n"


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
    keras.utils.set_random_seed(1)
    book = Notebook(monkeypatch, tmp_path, away)
    book.names["folder"] = str(tmp_path)
    book.here(NAMES)
    return book


CASES = {
    "variables of a failed trace": (
        """class M(tf.Module):
  w = None
  @tf.function
  def __call__(self, x):
    if self.w is None:
      self.w = tf.Variable(tf.ones([2, 2]), name='late')
    return x @ tf.ones([3, 3])
m = M()
try: m(tf.ones([1, 2]))
except ValueError: pass""",
        "n = M()\ntry: n(tf.ones([1, 2]))\nexcept ValueError: pass\nunset = m.w.is_initialized(), n.w.is_initialized()",
        "not any(unset) and not m.w.is_initialized() and n.w.name == 'late:0' and not n.w.is_initialized()",
        "m M",
    ),
    "variables": (
        "v = tf.Variable([1., 2]); s = tf.Variable(['a']); b = tf.Variable(tf.ones([2], tf.bfloat16)); u = tf.Variable([1.], shape=tf.TensorShape([None])); f = tf.Variable(1., trainable=False)",
        "v.assign_add([1., 1]); s.assign(['b']); b.assign(b * 3); u.assign([1., 2, 3]); f.assign(5.)",
        "v.numpy().tolist() == [2, 3] and s.numpy()[0] == b'b' and b.numpy()[0] == 3 and len(u.numpy()) == 3 and float(f) == 5 and not f.trainable",
        "v s b u f",
    ),
    "tensors": (
        "e = tf.constant([1., 2]); s = tf.constant(['a']); r = tf.ragged.constant([[1], [2, 3]]); p = tf.sparse.from_dense([[0, 1]]); t = (e, [e])",
        "o = (e + 1, s + 'b', r + 1, tf.sparse.to_dense(p)); alias = t[0] is e and t[1][0] is e",
        "alias and o[0].numpy().tolist() == [2, 3] and o[1].numpy()[0] == b'ab' and o[2].to_list() == [[2], [3, 4]] and o[3].numpy().tolist() == [[0, 1]]",
        "t",
    ),
    "module": (
        "class M(tf.Module):\n  def __init__(self):\n    self.w = tf.Variable(1.); self.l = [tf.Variable(2.)]; self.d = {'a': tf.Variable(3.)}\n  @tf.function\n  def __call__(self, x):\n    if x > 0:\n      return self.w * x + self.l[0]\n    return x\nm = M(); m(tf.constant(2.))",
        "y = m(tf.constant(3.)); m.w.assign(10.); m.l[0].assign(20.); m.l.append(tf.Variable(5.)); m.d['b'] = tf.Variable(6.)",
        "float(y) == 5 and float(m(tf.constant(1.))) == 30 and len(m.trainable_variables) == 5 and float(m.d['b']) == 6 and bool(tf.train.Checkpoint(m=m).write(folder + '/ck'))",
        "m",
    ),
    "checkpoint of models": (
        "m = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]); o = keras.optimizers.Adam(); ck = tf.train.Checkpoint(o=o, m=m, d=tf.Module()); ck.d.held = {'k': [tf.Variable(1.)]}; one = ck.save(folder + '/own/a')",
        "m.compile(o, 'mse'); m.fit(np.ones((4, 2)), np.ones(4), verbose=0); ck.d.held['k'][0].assign(5.); two = ck.save(folder + '/own/a'); ck.d.held['new'] = tf.Variable(3.)",
        "two.endswith('a-2') and float(ck.d.held['k'][0]) == 5 and bool(ck.restore(one)) and float(ck.d.held['k'][0]) == 1 and int(o.iterations) == 0 and ck.m is m and 'new' in ck.d.held and int(ck.save_counter) == 1",
        "ck m o",
    ),
    "traced function": (
        "v = tf.Variable(2.); k = 3.\n@tf.function(input_signature=[tf.TensorSpec([None])], reduce_retracing=True)\ndef f(x):\n  v.assign_add(1.)\n  for _ in tf.range(2): x = x * k\n  return x\nf(tf.constant([1.]))",
        "y = f(tf.constant([1., 2.])); o = (f._reduce_retracing, f.input_signature)",
        "y.numpy().tolist() == [9, 18] and float(v) == 4 and o[0] and o[1][0].shape.rank == 1",
        "f v",
    ),
    "generators": (
        "g = tf.random.Generator.from_seed(4); k = keras.random.SeedGenerator(5); h = tf.random.Generator.from_seed(4); h.normal([1]); e = float(h.normal([1])[0])",
        "g.normal([1]); k.next()",
        "float(g.normal([1])[0]) == e and int(k.state.value[1]) == 1",
        "g k",
    ),
    "seeds of the process": (
        "tf.random.set_seed(3); z = [float(tf.random.normal([1])[0]) for _ in range(3)]; tf.random.set_seed(3); tf.random.normal([1])",
        "a = float(tf.random.normal([1])[0])",
        "[a, float(tf.random.normal([1])[0])] == z[1:]",
        "",
    ),
    "tables": (
        "t = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(['a'], [1]), -1); d = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1); d.insert(['k', 'l'], tf.constant([5, 6], tf.int64))",
        "o = t.lookup(tf.constant(['a', 'z'])); d.insert(['j'], tf.constant([7], tf.int64)); d.remove(tf.constant(['k']))",
        "o.numpy().tolist() == [1, -1] and d.lookup(tf.constant(['j', 'k', 'l'])).numpy().tolist() == [7, -1, 6]",
        "t d",
    ),
    "checkpoint": (
        "v = tf.Variable(1.); c = tf.train.Checkpoint(v=v); first = c.write(folder + '/a')",
        "v.assign(9.); second = c.save(folder + '/b')",
        "c.v is v and bool(c.read(first)) and float(v) == 1 and bool(c.restore(second)) and float(v) == 9",
        "v c",
    ),
    "functional model": (
        DATA + "i = keras.Input((4,)); s = keras.layers.Dense(4); x = s(s(i)); m = keras.Model(i, keras.layers.Dense(1)(keras.layers.BatchNormalization()(x))); part = keras.Model(i, x); m.compile('adam', 'mse', metrics=['mae'])",
        "h = m.fit(X, Y, verbose=0).history; shared = part.layers[1] is s is m.layers[1]",
        "shared and m.layers[1] is s and int(m.optimizer.iterations) == 1 and m.fit(X, Y, verbose=0) and int(m.optimizer.iterations) == 2 and keras.models.clone_model(m)",
        "m s part i",
    ),
    "unbuilt model": (
        DATA + "m = keras.Sequential([keras.layers.Dense(3), keras.layers.Dense(1)]); d = m.layers[0]; m.compile('sgd', 'mse')",
        "m.fit(X, Y, verbose=0); k = d.kernel",
        "m.built and d.kernel is k and d is m.layers[0] and len(m.trainable_variables) == 4 and m.fit(X, Y, verbose=0)",
        "m d",
    ),
    "subclassed model": (
        DATA + "class Net(keras.Model):\n  def __init__(self):\n    super().__init__(); self.blocks = [keras.layers.Dense(3) for _ in range(2)]; self.head = keras.layers.Dense(1); self.seen = keras.metrics.Mean()\n"
        "  def call(self, x):\n    for block in self.blocks: x = block(x)\n    return self.head(x)\n"
        "  def train_step(self, data):\n    x, y = data\n    with tf.GradientTape() as tape: loss = self.compute_loss(y=y, y_pred=self(x))\n    self.optimizer.apply_gradients(zip(tape.gradient(loss, self.trainable_variables), self.trainable_variables)); self.seen.update_state(loss); return {'seen': self.seen.result()}\n"
        "m = Net(); m.compile('adam', lambda y, p: tf.reduce_mean((y - p) ** 2) * scale); scale = 2.; b = m.blocks[0]",
        "h = m.fit(X, Y, verbose=0).history",
        "'seen' in h and m.built and m.blocks[0] is b and len(m.trainable_variables) == 6 and m.fit(X, Y, verbose=0) and m.save_weights(folder + '/w.weights.h5') is None",
        "m b Net",
    ),
    "callbacks": (
        DATA + "m = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)]); m.compile('sgd', 'mse'); log = []; c = keras.callbacks.EarlyStopping('loss', patience=1); l = keras.callbacks.LambdaCallback(on_epoch_end=lambda e, _: log.append(e))",
        "h = m.fit(X, Y, verbose=0, epochs=3, callbacks=[c, l])",
        "log == [0, 1, 2] and c.model is m and h.model is m and len(h.history['loss']) == 3",
        "m c log",
    ),
    "optimizer and schedule": (
        "o = keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(.1, 10, .9), momentum=.9); v = keras.Variable([1., 2.]); o.build([v])",
        "o.apply([tf.constant([1., 1.])], [v])",
        "int(o.iterations) == 1 and abs(v.numpy()[0] - .9) < 1e-6 and o.apply([tf.constant([1., 1.])], [v]) is None",
        "o v",
    ),
    "preprocessing": (
        "t = keras.layers.TextVectorization(); t.adapt(['a b c', 'b c']); u = keras.layers.TextVectorization(); s = keras.layers.StringLookup(); s.adapt([['x', 'y']])",
        "o = t(['c a']).numpy(); u.adapt(['q r', 'q']); p = s(['y']).numpy()",
        "(o == t(['c a']).numpy()).all() and (p == s(['y']).numpy()).all() and u.get_vocabulary() == ['', '[UNK]', 'q', 'r'] and u(['r']).numpy().tolist() == [[3]]",
        "t u s",
    ),
    "automatic names": (
        "a = keras.layers.Dense(1)",
        "b = keras.layers.Dense(1); c = keras.layers.Dense(1)",
        "(a.name, b.name, c.name, keras.layers.Dense(1).name) == ('dense', 'dense_1', 'dense_2', 'dense_3')",
        "a",
    ),
    "policy": (
        "keras.config.set_dtype_policy('mixed_bfloat16')",
        "d = keras.layers.Dense(1).compute_dtype; keras.config.set_dtype_policy('float32')",
        "d == 'bfloat16' and keras.config.dtype_policy().name == 'float32'",
        "",
    ),
    "models that share": (
        DATA + "g = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)]); d = keras.Sequential([keras.Input((4,)), g, keras.layers.Dense(1)]); all = {'g': g, 'd': [d]}; d.compile('adam', 'mse')",
        "d.fit(X, Y, verbose=0); same = all['g'] is g and all['d'][0].layers[0] is g and d.layers[0].layers[0].kernel is g.layers[0].kernel",
        "same and d.layers[0] is g and d.optimizer._trainable_variables[0] is g.layers[0].kernel",
        "g d all",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=list(CASES))
def test_comes_back_changed_and_the_same(case: str, notebook: Notebook) -> None:
    before, cell, after, same = CASES[case]
    notebook.here(before)
    objects = {name: notebook[name] for name in same.split()}
    try:
        notebook.away(cell)
        notebook.here(f"holds = {after}")
    finally:
        keras.config.set_dtype_policy("float32")
    assert notebook["holds"]
    for name, obj in objects.items():
        assert notebook[name] is obj, name


TRAINING = {
    "dropout, Adam, built": "m = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, 'relu'), keras.layers.Dropout(.3), keras.layers.Dense(1)]); m.compile('adam', 'mse')",
    "normalisation, momentum, unbuilt": "m = keras.Sequential([keras.layers.Dense(8), keras.layers.BatchNormalization(), keras.layers.Dense(1)]); m.compile(keras.optimizers.SGD(.1, momentum=.9, global_clipnorm=.1), 'mse', metrics=['mae'])",
    "added losses": "m = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, activity_regularizer='l2'), keras.layers.Dense(1)]); m.compile('adam', 'mse')",
    "recurrent, decayed": "m = keras.Sequential([keras.Input((4,)), keras.layers.Reshape((4, 1)), keras.layers.LSTM(3), keras.layers.Dense(1)]); m.compile(keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(.01, 10)), 'mae')",
}


@pytest.mark.parametrize("case", TRAINING, ids=list(TRAINING))
def test_training_there_equals_training_here(case: str, notebook: Notebook) -> None:
    """Three epochs, the middle one in a replica, against three here: weights, slots, history to the last bit."""
    epochs = [f"h{n} = m.fit(X, Y, batch_size=8, verbose=0).history" for n in range(3)]
    everything = "end = [v.numpy() for v in (*m.variables, *m.optimizer.variables)] + [list(h) for h in (h0.values(), h1.values(), h2.values())]"
    results = []
    for middle in (notebook.here, notebook.away):
        keras.utils.clear_session()
        keras.utils.set_random_seed(7)
        notebook.here(DATA + TRAINING[case])
        notebook.here(epochs[0])
        middle(epochs[1])
        notebook.here(epochs[2])
        notebook.here(everything)
        results.append(notebook["end"])
    for here, there in zip(*results, strict=True):
        assert str(here) == str(there)


@pytest.mark.parametrize(
    ("before", "message"),
    [
        (
            "@tf.function\ndef f(x): return x\nx = f.get_concrete_function(1)",
            "x cannot travel.*trace made in this process.*tf.function",
        ),
        ("x = keras.Sequential(); x.log = open(folder + '/log', 'w')", r"x\.log cannot travel.*open file"),
        (
            "x = tf.raw_ops.AnonymousSeedGenerator(seed=1, seed2=1, reshuffle=True)[0]",
            "x cannot travel.*runtime",
        ),
    ],
)
def test_what_cannot_travel_is_named(notebook: Notebook, before: str, message: str) -> None:
    notebook.here(before)
    try:
        with pytest.raises(CaptureError, match=message):
            notebook.pack("x")
    finally:
        notebook.here("x.log.close() if hasattr(x, 'log') else None")


def test_what_changed_since_is_named(notebook: Notebook) -> None:
    notebook.here(
        "v = tf.Variable([1.] * 5000); m = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])"
    )
    captured, _ = notebook.pack("v, m")
    notebook.here("m.predict(np.zeros((1, 4)), verbose=0)")
    assert captured.changed() == []
    notebook.here("v.assign_add([1.] * 5000); m.layers[0].trainable = False")
    assert "v" in captured.changed() and any(name.startswith("m.") for name in captured.changed())


def test_trained_variables_are_those_all_ranks_must_agree_on(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jupyter_kf.capture import unpack

    notebook.here(
        "m = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1), keras.layers.BatchNormalization()]); v = tf.Variable(1.)"
    )
    _, folder = notebook.pack("m, v")
    arrival = unpack(folder, {})
    assert len(arrival.variables()) == 5
    new = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    new.compile("adam")
    new.optimizer.build(new.trainable_variables)
    assert len(arrival.variables([1, {"new": [], "m": new}, [new]])) == 5 + 2 + 2 + 4


def test_private_names_of_keras_are_where_capture_looks() -> None:
    """Fails on an upgrade of Keras that moves what ``capture/keras.py`` depends on."""
    from keras.src.backend.common import global_state
    from keras.src.ops.function import make_node_key
    from keras.src.saving import object_registration
    from keras.src.utils import tracking

    hint = "Keras has moved a private name: see jupyter_kf/capture/keras.py"
    layer = keras.layers.Dense(1)
    layer.build((1, 1))
    optimizer = keras.optimizers.Adam()
    optimizer.build(layer.trainable_variables)
    tracker = layer._tracker
    assert set(tracker.__dict__) == {"config", "stored_ids", "locked", "_lock_violation_msg", "exclusions"}, (
        hint
    )
    assert all(len(entry) == 2 for entry in tracker.config.values()), hint
    assert list(optimizer._trainable_variables_indices.values()) == [0, 1], hint
    assert optimizer._var_key(layer.kernel) in optimizer._trainable_variables_indices, hint
    assert "_value" in layer.kernel.__dict__, hint
    assert tracking.TrackedList([1]).tracker is None, hint
    assert hasattr(global_state, "GLOBAL_STATE_TRACKER"), hint
    assert global_state.get_global_attribute("object_name_uids") is not None, hint
    assert isinstance(object_registration.GLOBAL_CUSTOM_OBJECTS, dict), hint
    model = keras.Sequential([layer])
    given = keras.Input((1,))
    functional = keras.Model(given, layer(given))
    nodes = [node for depth in functional._nodes_by_depth.values() for node in depth]
    indices = {make_node_key(n.operation, n.operation._inbound_nodes.index(n)) for n in nodes}
    assert functional._nodes == indices, hint
    assert {"train_function", "test_function", "predict_function"} <= set(model.__dict__), hint


def test_a_graph_of_layers_is_known_to_its_model(notebook: Notebook, tmp_path: Path) -> None:
    """Keras knows the nodes of a functional model by the ids of its layers."""
    notebook.here(
        "def make():\n"
        "    i = keras.Input((4,)); d = keras.layers.Dense(4)(i)\n"
        "    return keras.Model(i, keras.layers.Add()([d, i]))\n"
        "old = make()"
    )
    use = f"m.save({str(tmp_path / 'm.keras')!r}); keras.models.load_model({str(tmp_path / 'm.keras')!r}); keras.models.clone_model(m)"
    notebook.away(f"new = make()\nfor m in (old, new): {use}")
    notebook.here(f"for m in (old, new): {use}; last = m.to_json()")
    assert notebook["last"].count("inbound_nodes") == 3
    captured, _ = notebook.pack("old.summary()")
    notebook.away("old(np.ones((1, 4)))")
    assert captured.changed() == [], "what another job brings back is no change"


def test_a_model_made_there_is_a_whole_model_here(notebook: Notebook, tmp_path: Path) -> None:
    notebook.here(DATA)
    notebook.away(
        "new = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])\n"
        "new.compile('adam', 'mse', metrics=['mae']); new.fit(X, Y, verbose=0)\n"
        f"new.save({str(tmp_path / 'm.keras')!r}); loaded = keras.models.load_model({str(tmp_path / 'm.keras')!r})"
    )
    notebook.here(
        "for m in (new, loaded): m.evaluate(X, Y, verbose=0); m.fit(X, Y, verbose=0)\n"
        "steps = [int(m.optimizer.iterations) for m in (new, loaded)]; new.pop(); new.add(keras.layers.Dense(2))"
    )
    assert notebook["steps"] == [2, 2]
    assert notebook["new"].output_shape == (None, 2)


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_keras_on_another_backend_is_refused_by_name(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    """Said of the name only: neither is installed here."""
    notebook.here("model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])")
    monkeypatch.setattr(kinds, "_by_type", dict(kinds._PLAIN))  # a process knows one backend for good
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    with pytest.raises(
        CaptureError, match=rf"model.* Keras runs on {backend} here.*KERAS_BACKEND=tensorflow"
    ):
        notebook.pack("model.summary()")

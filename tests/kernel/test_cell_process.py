"""A cell that is sent out runs as TensorFlow is set up in the notebook's process, and what it sets up stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Kernel

pytestmark = pytest.mark.gang

JOB = "%%kf -w 2 --quiet\n"
# Nothing has seeded TensorFlow: seeds of single operations are all there are.
SEEDED = """
draws = [tf.random.normal([2], seed=1).numpy(), tf.function(lambda: tf.random.uniform([2], seed=5))().numpy()]
order = list(tf.data.Dataset.range(20).shuffle(20, seed=42).as_numpy_iterator())
print(draws, order)
"""


def test_what_has_a_seed_of_its_own_draws_as_here(kernel: Kernel) -> None:
    kernel.run("import tensorflow as tf, numpy as np")
    there = kernel.run(JOB + SEEDED)
    assert there.status == "ok", there.traceback
    assert there.stdout == kernel.run(SEEDED).stdout


def test_numbers_are_checked_where_they_are_checked_here(kernel: Kernel) -> None:
    kernel.run("import tensorflow as tf; tf.debugging.enable_check_numerics()")
    cell = "x = tf.math.log(tf.constant(-1.0))"
    here, there = kernel.run(cell), kernel.run(JOB + cell)
    assert here.ename == there.ename == "InvalidArgumentError"
    assert "NaN" in there.evalue
    assert kernel.run(JOB + "tf.debugging.disable_check_numerics()\n" + cell).status == "ok"
    assert kernel.run(cell).status == "ok"


def test_tensors_have_the_ways_of_numpy_where_they_have_them_here(kernel: Kernel) -> None:
    kernel.run("import tensorflow as tf, tensorflow.experimental.numpy as tnp")
    cell = "print((tf.ones([2], tf.float64) + tf.ones([2])).dtype, tf.ones([6]).reshape(2, 3).T.shape)"
    assert kernel.run(JOB + cell).status == "error"
    sent = kernel.run(JOB + "tnp.experimental_enable_numpy_behavior()\n" + cell)
    assert sent.status == "ok", sent.traceback
    assert sent.stdout == kernel.run(cell).stdout == kernel.run(JOB + cell).stdout != ""


UNSEEDED = """
import random, secrets, uuid, keras, numpy as np, tensorflow as tf
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
model.compile("sgd", "mse")
x = np.random.default_rng().normal(size=(24, 4)).astype("float32")
history = model.fit(x, x.sum(1), batch_size=8, verbose=0).history
x = tf.random.Generator.from_non_deterministic_state().normal([24, 4])
more = model.fit(x, tf.reduce_sum(x, 1), batch_size=8, verbose=0).history
drawn = [random.Random().random(), random.SystemRandom().random(), float(np.random.RandomState().rand())]
name = f"run-{uuid.uuid4().hex}-{secrets.token_hex(4)}.txt"
with open(name, "w") as file:
    file.write(name)
again = open(name).read() == name
"""


def test_what_nobody_has_seeded_is_drawn_once(kernel: Kernel) -> None:
    sent = kernel.run(JOB + UNSEEDED)
    assert sent.status == "ok", sent.traceback
    first = kernel.run("print(again, drawn, name)").stdout
    assert first.startswith("True")
    assert kernel.run(JOB + UNSEEDED).status == "ok"
    assert kernel.run("print(again, drawn, name)").stdout != first


def test_the_shared_generator_goes_on(kernel: Kernel) -> None:
    kernel.run(
        "import tensorflow as tf; g = tf.random.Generator.from_seed(5); tf.random.set_global_generator(g)"
    )
    sent = kernel.run(JOB + "print(tf.random.get_global_generator().normal([2]).numpy())")
    kernel.run("tf.random.set_global_generator(tf.random.Generator.from_seed(5))")
    cell = "print(tf.random.get_global_generator().normal([2]).numpy())"
    assert [sent.stdout, kernel.run("print(g.normal([2]).numpy())").stdout] == [
        kernel.run(cell).stdout,
        kernel.run(cell).stdout,
    ]

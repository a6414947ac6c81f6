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

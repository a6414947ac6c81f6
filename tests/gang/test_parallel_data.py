"""Pipelines in which chance has a part give all replicas the same; training on it is one process's."""

from __future__ import annotations

from typing import Any

import pytest
import tensorflow as tf

from jupyter_kf.capture import data
from jupyter_kf.parallel.elements import by_chance
from tests.gang.compare import BAR, difference
from tests.gang.gang import Failure

pytestmark = [pytest.mark.gang, pytest.mark.timeout(900)]


def _alike(gangs: Any, case: str, **options: Any) -> Any:
    answers = [got for got, _ in gangs(2).run(f"data_cases:{case}", **options)]
    assert not any(isinstance(got, Failure) for got in answers), answers
    assert difference(answers[1], answers[0]) == 0.0
    return answers[0]


def test_functions_side_by_side(gangs: Any) -> None:
    shared = _alike(gangs, "side_by_side")
    assert len(shared["seen"]) == 8
    ((want, _),) = gangs(0).run("data_cases:side_by_side", batches=shared["seen"])
    assert difference(shared["weights"], want["weights"]) <= BAR * 10


def test_every_type(gangs: Any) -> None:
    elements = _alike(gangs, "of_all_types")
    assert all(len(element["half"]) == len(element["text"]) > 0 for element in elements)
    assert [element["wide"] for element in elements] == sorted(element["wide"] for element in elements)


@pytest.mark.parametrize("steps", [1, 3])
def test_python_with_chance_of_its_own(gangs: Any, steps: int) -> None:
    shared = _alike(gangs, "in_keras", steps=steps)
    assert len(shared["history"]["loss"]) == 2


def _draw(x: Any) -> Any:
    return tf.random.uniform([])


def _seeded(x: Any) -> Any:
    return tf.random.uniform([], seed=1)


def _nested(**options: Any) -> Any:
    return tf.data.Dataset.range(3).flat_map(lambda i: tf.data.Dataset.range(9).shuffle(9, **options))


BASE = tf.data.Dataset.range(9)
PIPELINES = {
    "plain": (lambda: BASE.map(lambda x: x * 2, num_parallel_calls=2).batch(2).prefetch(1), False),
    "shuffled": (lambda: BASE.shuffle(9).batch(2), False),
    "seeded in order": (lambda: BASE.map(_seeded), False),
    "seeded side by side": (lambda: BASE.map(_seeded, num_parallel_calls=2).batch(2), True),
    "without a seed": (lambda: BASE.map(_draw).batch(2), True),
    "shuffled in a function": (_nested, True),
    "shuffled in a function, seeded": (lambda: _nested(seed=1), False),
    "python": (lambda: BASE.map(lambda x: tf.numpy_function(abs, [x], tf.int64)), True),
    "in any order": (lambda: BASE.map(abs, num_parallel_calls=2, deterministic=False), True),
    "below others": (lambda: tf.data.Dataset.zip((BASE.map(_draw), BASE)).cache().take(3), True),
}


@pytest.mark.parametrize("name", PIPELINES)
def test_where_chance_has_a_part(name: str) -> None:
    make, chance = PIPELINES[name]
    tf.random.set_seed(None)
    assert by_chance(make()) is chance
    captured = data.build(*data.make(make())[1])
    assert by_chance(captured.batch(1)) is chance

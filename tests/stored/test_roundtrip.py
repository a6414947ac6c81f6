"""What is stored and loaded gives the outputs of what it was made of, over the families of operations."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import jupyter_kf as kf
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

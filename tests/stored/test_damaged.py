"""Files that were changed by somebody who put the hashes right too: one clear error, or a graph loads."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

import jupyter_kf as kf
from jupyter_kf.stored import files, shelf

X = np.ones((4, 6), "float32")
GRAPH, WEIGHTS = f"{shelf.MODEL}/saved_model.pb", shelf.WEIGHTS
CHANGES = 60


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Some bytes are others, and sometimes the end is missing."""
    found = bytearray(content)
    for _ in range(chance.choice([1, 1, 2, 8])):
        found[chance.randrange(len(found))] = chance.randrange(256)
    return bytes(found[: chance.randrange(len(found))] if chance.random() < 0.2 else found)


@pytest.mark.parametrize("name", [GRAPH, WEIGHTS], ids=["graph", "weights"])
def test_a_changed_file_with_its_hash_put_right(name: str) -> None:
    layers = [keras.layers.Dense(2, "relu"), keras.layers.Dense(1)]
    graph = kf.save_graph("graph", keras.Sequential([keras.Input((6,)), *layers]), X)
    place = Path(graph.store.url) / "graphs/graph/1"
    content, told = (place / name).read_bytes(), set()
    for number in range(CHANGES):
        (place / name).write_bytes(damaged(content, random.Random(number)))
        known = graph.record.files | {name: files.info(place / name)}
        graph.store.put_json(
            "graphs/graph/1/record.json", replace(graph.record, files=known).sealed().to_dict()
        )
        try:
            kf.load_graph("graph")
        except kf.CaptureError as error:
            assert str(error).startswith("Version 1 of the graph 'graph'") and "\n" not in str(error)
            told.add(str(error))
    assert len(told) > 3

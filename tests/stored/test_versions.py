"""Graphs that an older minor version of TensorFlow stored give here what they gave there."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tensorflow as tf

import jupyter_kf as kf
from jupyter_kf.store import ArtifactStore
from jupyter_kf.stored.loading import load_data
from tests.gang.compare import BAR, difference
from tests.stored.record import WORDS, X

if TYPE_CHECKING:
    from typing import Any

RECORDED = sorted(Path(__file__).with_name("recorded").glob("*.zip"))
assert RECORDED


@pytest.mark.parametrize("made", RECORDED, ids=[path.stem for path in RECORDED])
def test_what_an_older_version_stored(made: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(made) as archive:
        archive.extractall(tmp_path)
    store = ArtifactStore(str(tmp_path / "store"))
    with np.load(tmp_path / "gave.npz") as gave:
        wanted: dict[str, Any] = dict(gave)
    scores, ranker, colours = (kf.load_graph(name, store=store) for name in ("scores", "ranker", "colours"))
    assert {graph.record.versions["tensorflow"] for graph in (scores, ranker, colours)} == {made.stem}
    assert made.stem != tf.__version__

    assert difference(scores(X).numpy(), wanted["scores"]) <= BAR
    np.testing.assert_array_equal(colours(WORDS), wanted["colours"])
    data = load_data(store, ranker.record)
    losses = [float(ranker(*batch)["loss"]) for batch in data]
    assert difference(np.array(losses), wanted["losses"]) <= BAR
    weights = [wanted[f"weight {i}"] for i in range(len(ranker.record.weights))]
    assert difference(list(ranker.weights().values()), weights) <= BAR

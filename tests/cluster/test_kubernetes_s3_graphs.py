"""Stored graphs of a real cluster whose store is in S3: new versions land there, equal to one process."""

from __future__ import annotations

import json

import numpy as np
import pytest
from test_kubernetes_s3 import access, profiles, server, store
from test_kubernetes_training import run

import jupyter_kf as kf
from jupyter_kf.stored import shelf

__all__ = ["profiles", "run", "server", "store"]

pytestmark = [pytest.mark.cluster, pytest.mark.gang]


def test_a_graph_is_trained_and_mapped_with_its_store_in_s3(run, server, store, profiles, monkeypatch):
    monkeypatch.setenv("FSSPEC_S3", json.dumps(access(server)))  # for the script; replicas have the Secret
    said = run(
        """
        import tensorflow as tf
        live, here = make(), make()
        data = tf.data.Dataset.from_tensor_slices((x, y)).batch(16)
        graph = kf.save_graph("ranker", live, x, y, train=True, data=data, store=place.store)
        with kf.Executor(workers=2, profile="s3", backend=place) as ex:
            new = ex.submit(graph).result(220)
            kf.load_graph("ranker", new.version, store=place.store).restore(live)
            for rows in data:
                here.train_on_batch(*rows)
            print(new.version, new.trained.steps, furthest(live, here))
            scores = kf.save_graph("scores", live, store=place.store)
            found = np.concatenate(list(ex.map(scores, data.map(lambda a, b: a))))
            print(float(np.abs(found - live(x).numpy()).max()))
        """,
        url=store.url,
    )
    version, steps, distance, outputs = said.split()[-4:]
    assert (version, steps) == ("2", "5")
    assert float(distance) <= 1e-6 and float(outputs) <= 1e-6
    # All of it is there for a process that was not: two versions, each as its record says.
    assert [record.version for record in shelf.list_versions(store, "ranker")] == [2, 1]
    first, second = (kf.load_graph("ranker", version, store=store) for version in (1, 2))
    assert second.record.trained.parent == 1
    assert any(np.any(value) for value in first.compare(second).values.values())
    with pytest.raises(kf.NotFound):
        kf.load_graph("ranker", 3, store=store)

"""A stored training step on a real cluster trains as one process here does."""

from __future__ import annotations

import pytest
from test_kubernetes_training import run

__all__ = ["run"]

pytestmark = [pytest.mark.cluster, pytest.mark.gang]


def test_a_stored_step_trains_on_two_nodes_as_one_process(run):
    said = run(
        """
        import tensorflow as tf
        live, here = make(), make()
        data = tf.data.Dataset.from_tensor_slices((x, y)).batch(16)
        graph = kf.save_graph("ranker", live, x, y, train=True, data=data, store=place.store)
        with kf.Executor(workers=2, backend=place) as ex:
            new = ex.submit(graph).result(220)
        kf.load_graph("ranker", new.version, store=place.store).restore(live)
        for rows in data:
            here.train_on_batch(*rows)
        print(new.version, new.trained.steps, furthest(live, here))
        """
    )
    version, steps, distance = said.split()[-3:]
    assert (version, steps) == ("2", "5")
    assert float(distance) <= 1e-6

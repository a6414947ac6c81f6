"""Stored graphs in jobs: trained into the next version, mapped over shards, run from the command line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import jupyter_kf as kf
from jupyter_kf.store import STATUS, job_path
from jupyter_kf.stored import shelf
from tests.gang.compare import BAR, difference

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.gang, pytest.mark.timeout(400)]

X = np.random.default_rng(0).normal(size=(29, 6)).astype("float32")
Y = (X[:, :1] * 2 - X[:, 1:2]).astype("float32")


def made() -> Any:
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(5, "tanh"), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.01, global_clipnorm=0.1), "mse", jit_compile=False)
    return model


def data() -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices((X, Y)).batch(8)


def values(model: Any) -> list[np.ndarray]:
    return [np.asarray(v) for v in [*model.variables, *model.optimizer.variables]]


def test_a_trained_graph_is_the_next_version_and_lands_in_live_objects() -> None:
    live, here = made(), made()
    graph = kf.save_graph("ranker", live, X, Y, train=True, data=data())
    for x, y in [*data(), *data()][:6]:
        here.train_on_batch(x, y)
    with kf.Executor(workers=2) as executor:
        job = executor.submit(graph, steps=6)
        new = job.result(300)
    assert job.status.spec.labels == {"graph": "ranker", "graph-version": "1"}
    assert (new.name, new.version, new.trained.parent, new.trained.steps) == ("ranker", 2, 1, 6)
    assert shelf.read_record(graph.store, "ranker") == new
    before = [id(v.value) for v in live.variables]
    kf.load_graph("ranker").restore(live)
    assert [id(v.value) for v in live.variables] == before
    assert difference(values(live), values(here)) <= BAR
    restored = graph.compare(kf.load_graph("ranker"))
    assert restored.values[f"{live.optimizer.name}/iteration"] == 6
    assert not restored.ops and not restored.signature
    live.set_weights([np.zeros_like(w) for w in live.get_weights()])
    kf.load_graph("ranker").restore()  # into what it was stored from
    assert difference(values(live), values(here)) <= BAR


def test_outputs_come_in_order_and_a_lost_shard_begins_again(eventually: Callable[..., None]) -> None:
    model = made()
    graph = kf.save_graph("scores", model, X)
    slow = data().map(lambda x, y: x).repeat(40)
    with kf.Executor(workers=2) as executor:
        outputs = executor.map(graph, slow)
        first = executor._jobs[0]
        eventually(first.running, "the first shard runs", 200)
        victims = _ranks(first)
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        got = list(outputs)
        begun = len(executor._jobs)
    assert len(got) == 160 and victims and begun == 3
    want = model(X).numpy()
    for i in range(0, 160, 4):
        assert difference(np.concatenate(got[i : i + 4]), want) <= BAR


def _ranks(job: kf.Job) -> list[int]:
    supervisor = job.backend.store.get_json(job_path(job.name, STATUS))["pid"]
    return [int(pid) for pid in Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()]


def test_only_a_forward_graph_is_mapped() -> None:
    graph = kf.save_graph("ranker", made(), X, Y, train=True)
    with kf.Executor(workers=2) as executor:
        with pytest.raises(kf.SpecError, match="is a training graph"):
            executor.map(graph, data())
        with pytest.raises(kf.SpecError, match="has no dataset"):
            executor.submit(graph)


def test_the_command_line_runs_a_graph(tmp_path: Path) -> None:
    kf.save_graph("ranker", made(), X, Y, train=True)
    np.savez(tmp_path / "today.npz", x=X, y=Y)
    arguments = [
        "run-graph",
        "ranker",
        "--workers",
        "2",
        "--data",
        str(tmp_path / "today.npz"),
        "--batch-size",
        "8",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "jupyter_kf", *arguments, "--job-name", "nightly"],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ,
    )
    assert done.returncode == 0, done.stderr
    assert "ranker 1: job nightly" in done.stdout and "ranker 2: 4 steps, loss " in done.stdout
    assert shelf.read_record(kf.load_graph("ranker").store, "ranker", 2).trained.job == "nightly"

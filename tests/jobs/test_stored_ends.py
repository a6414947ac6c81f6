"""Jobs of stored graphs that are interrupted, cancelled or lose a replica: their state and what is left."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.data.experimental.ops.testing import sleep

import jupyter_kf as kf
from jupyter_kf.spec import JobState
from jupyter_kf.store import CHECKPOINT, STATUS, job_path
from jupyter_kf.stored import shelf
from tests.conftest import wait_until
from tests.gang.compare import BAR, differences

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.gang, pytest.mark.timeout(300)]

X = np.random.default_rng(0).normal(size=(29, 6)).astype("float32")
Y = (X[:, :1] * 2 - X[:, 1:2]).astype("float32")


@pytest.fixture(autouse=True)
def ended(place: None) -> Iterator[None]:
    """Leave no job running, whatever a test came to."""
    yield
    for job in kf.jobs():
        job.cancel()


def saved() -> kf.Graph:
    keras.utils.set_random_seed(3)
    layers = [keras.layers.Dense(5, "tanh"), keras.layers.Dropout(0.2), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((6,)), *layers])
    model.compile(keras.optimizers.Adam(0.01, global_clipnorm=0.1), "mse", jit_compile=False)
    return kf.save_graph("ranker", model, X, Y, train=True)


def data() -> tf.data.Dataset:
    """Batches in an order of each round's own, without an end."""
    return tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(29, seed=5).batch(8).repeat()


def slow() -> tf.data.Dataset:
    return data().apply(sleep(20_000))


def here(graph: kf.Graph, batches: Any, steps: int) -> dict[str, Any]:
    """The weights that so many steps in this process give."""
    loaded = kf.load_graph(graph.name, graph.version)
    for batch in batches.take(steps):
        loaded(*batch)
    return loaded.weights()


def there(graph: kf.Graph) -> dict[str, Any]:
    return kf.load_graph(graph.name, graph.version + 1).weights()


def trains(job: kf.Job) -> None:
    wait_until(
        lambda: any(
            isinstance(item, dict) and item["kind"] == "metrics" for item in job.stream(follow=False)
        ),
        "a step",
        120,
    )


def test_an_interrupted_training_keeps_the_steps_it_made() -> None:
    graph = saved()
    job = kf.Executor(workers=2).submit(graph, slow())
    trains(job)
    job.interrupt()
    with pytest.raises(
        KeyboardInterrupt, match=r"interrupted after \d+ steps, which are kept as version 2"
    ) as stopped:
        job.result(60)
    record = shelf.read_record(graph.store, "ranker")
    assert job.cancelled() and record.version == 2 and record.trained.job == job.name
    assert f"after {record.trained.steps} steps" in str(stopped.value)
    assert max(differences(there(graph), here(graph, data(), record.trained.steps)).values()) <= BAR


def test_a_cancelled_training_leaves_no_version() -> None:
    graph = saved()
    job = kf.Executor(workers=2).submit(graph, slow())
    trains(job)
    assert job.cancel()
    with pytest.raises(kf.JobCancelled):
        job.result(60)
    assert [r.version for r in shelf.list_versions(graph.store, "ranker")] == [1]
    assert [path.name for path in Path(graph.store.url, "graphs").iterdir()] == ["ranker"]


def interrupt_when(holds: Callable[[], object]) -> None:
    """Interrupt this process, as a kernel is, once it holds."""

    def watch() -> None:
        wait_until(holds, "what is to be interrupted", 120)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=watch, daemon=True).start()


def test_an_interrupt_of_whoever_waits_stops_the_job_after_its_step() -> None:
    graph = saved()
    with pytest.raises(KeyboardInterrupt), kf.Executor(workers=1) as executor:
        job = executor.submit(graph, slow())
        interrupt_when(lambda: trains(job) is None)
        job.result(200)
    assert job.cancelled()
    assert shelf.read_record(graph.store, "ranker").trained.steps > 0


def test_whoever_stops_reading_outputs_ends_the_shards() -> None:
    graph = kf.save_graph("scores", lambda x: x * 2.0, X)
    executor = kf.Executor(workers=2)
    outputs = executor.map(graph, slow().map(lambda x, y: x))
    first, second = executor._jobs
    interrupt_when(lambda: first.running() and second.running())
    with pytest.raises(KeyboardInterrupt):
        next(outputs)
    assert first.status.state is second.status.state is JobState.CANCELLED


@pytest.mark.parametrize(
    ("number", "code", "says", "versions"),
    [
        (signal.SIGINT, 130, r"stops after this step.*was interrupted after \d+ steps, .* version 2", [2, 1]),
        (signal.SIGTERM, 143, "", [1]),
    ],
    ids=["interrupt", "terminate"],
)
def test_the_command_line_takes_its_job_with_it(
    number: int, code: int, says: str, versions: list[int], tmp_path: Path
) -> None:
    graph = saved()
    np.savez(tmp_path / "today.npz", x=X, y=Y)
    arguments = ["run-graph", "ranker", "--data", str(tmp_path / "today.npz"), "--steps", "100000000"]
    command = subprocess.Popen(
        [sys.executable, "-m", "jupyter_kf", *arguments, "--job-name", "nightly"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert command.stdout.readline() == "ranker 1: job nightly\n"
        trains(kf.job("nightly"))
        command.send_signal(number)
        _, err = command.communicate(timeout=60)
    finally:
        command.kill()
    assert command.returncode == code and re.search(says, err, re.DOTALL), err
    assert kf.job("nightly").cancelled()
    assert [r.version for r in shelf.list_versions(graph.store, "ranker")] == versions


def gated(go: Path) -> tf.data.Dataset:
    """Twenty batches, the last nine of them only when the file is there."""
    closed = tf.data.Dataset.counter().apply(sleep(20_000))
    closed = closed.take_while(lambda _: tf.equal(tf.size(tf.io.matching_files(str(go))), 0))
    nothing = closed.map(lambda _: (X[:8], Y[:8])).filter(lambda *_: False)
    return data().take(11).concatenate(nothing).concatenate(data().take(9))


@pytest.mark.parametrize(("workers", "rank"), [(1, 0), (2, 1)])
def test_a_training_goes_on_from_its_checkpoint_after_a_loss(workers: int, rank: int, tmp_path: Path) -> None:
    graph, go = saved(), tmp_path / "go"
    job = kf.Executor(workers=workers, checkpoint=0.001).submit(graph, gated(go))
    last = job_path(job.name, CHECKPOINT, "latest.json")
    wait_until(
        lambda: graph.store.has(last) and graph.store.get_json(last)["number"] >= 11, "checkpoints", 120
    )
    supervisor = graph.store.get_json(job_path(job.name, STATUS))["pid"]
    ranks = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    os.kill(int(ranks[rank]), signal.SIGKILL)
    wait_until(lambda: job.status.replicas[rank].restarts == 1, "another attempt", 60)
    go.touch()
    record = job.result(120)
    assert (record.version, record.trained.steps) == (2, 20)
    assert "Taken up at step 11." in job.logs(0)
    assert max(differences(there(graph), here(graph, gated(go), 20)).values()) <= BAR
    assert not graph.store.has(job_path(job.name, CHECKPOINT))


def test_random_numbers_that_could_not_go_on_are_refused_before_anything_starts() -> None:
    weight = tf.Variable(tf.ones(6))

    def step(x: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(weight * x + tf.random.normal((6,), seed=2))
        weight.assign_sub(tape.gradient(loss, weight))
        return loss

    graph = kf.save_graph("noisy", step, X)
    with pytest.raises(kf.SpecError, match="draws with RandomStandardNormal"):
        kf.Executor(workers=2, checkpoint="60s").submit(graph, data())
    assert kf.jobs() == []

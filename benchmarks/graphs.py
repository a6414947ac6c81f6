"""Stored graphs: saving and loading against tf.saved_model, and map against tf.data in one process a core.

Saving and loading are measured in one process, in turns, each the best of a few. For ``map`` a convolutional
graph is computed over the same batches by ``Executor.map`` with a worker a core, and by tf.data alone: in one
process on one core, which times the number of cores is linear, and in one process on each core at once. The
time of the jobs' start counts, which is why there are two amounts; their processes are warm.

    python benchmarks/graphs.py [megabytes ...]
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TURNS = 9
BATCHES, ROWS = (1200, 4800), 64


def best(*works: Callable[[], Any]) -> list[float]:
    """Seconds of the quickest of a few turns, in which one comes after the other."""
    turns: list[list[float]] = []
    for _ in range(TURNS):
        turns.append([])
        for work in works:
            start = time.perf_counter()
            work()
            turns[-1].append(time.perf_counter() - start)
    return [min(times) for times in zip(*turns, strict=True)]


def weighty(megabytes: int) -> Any:
    """A module with so many megabytes of weights in eight variables."""
    import tensorflow as tf

    class Weighty(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            rows = max(1, megabytes * 2**20 // 8 // 4 // 256)
            self.parts = [tf.Variable(tf.random.normal((rows, 256))) for _ in range(8)]

        @tf.function(input_signature=[tf.TensorSpec((None, 256))])
        def call(self, x: Any) -> Any:
            return tf.add_n([tf.matmul(x, part, transpose_b=True) for part in self.parts])

    return Weighty()


def save_and_load(megabytes: int) -> None:
    """Print how long both take, and the ratios."""
    import tensorflow as tf

    import jupyter_kf as kf

    module = weighty(megabytes)
    with tempfile.TemporaryDirectory() as folder:
        plain = str(Path(folder) / "plain")
        saved, ours, loaded, load = best(
            lambda: tf.saved_model.save(module, plain),
            lambda: kf.save_graph("weighty", module.call),
            lambda: tf.saved_model.load(plain),
            lambda: kf.load_graph("weighty"),
        )
    print(
        f"{megabytes} MB: save {ours:.3f} s, tf.saved_model {saved:.3f} s, ratio {ours / saved:.2f}; "
        f"load {load:.3f} s, tf.saved_model {loaded:.3f} s, ratio {load / loaded:.2f}"
    )


def network() -> Any:
    """A small convolutional model."""
    import keras

    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.Conv2D(32, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(10),
        ]
    )


def pictures(batches: int) -> Any:
    """So many batches."""
    import tensorflow as tf

    one = tf.random.stateless_normal((ROWS, 28, 28, 1), (1, 2))
    return tf.data.Dataset.range(batches).map(lambda i: one * tf.cast(i, tf.float32))


def alone(core: int) -> None:
    """In a process of its own, on one core: tf.data alone. Begins when told to, and says its rate."""
    os.sched_setaffinity(0, {core})
    import tensorflow as tf

    model = network()
    computed = pictures(BATCHES[0]).map(lambda x: model(x, training=False))
    for _ in computed.take(4):
        pass
    print("ready", flush=True)
    sys.stdin.readline()
    start = time.perf_counter()
    iterator = iter(computed)  # whose end, which may take seconds, is not counted
    outputs = [x.numpy() for x in iterator]
    end = time.perf_counter()
    assert len(outputs) == BATCHES[0], tf.__version__
    print(json.dumps(BATCHES[0] * ROWS / (end - start)))


def rate_alone(cores: list[int]) -> float:
    """Give the rows a second of tf.data, in a process on each of the cores at once, together."""
    started = [
        subprocess.Popen(
            [sys.executable, __file__, "alone", str(core)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for core in cores
    ]
    for process in started:
        assert process.stdout and process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    return sum(json.loads(process.communicate(timeout=600)[0]) for process in started)


def mapped() -> None:
    """Print the rate of map, and how near it is to linear."""
    import jupyter_kf as kf

    cores = sorted(os.sched_getaffinity(0))
    single = rate_alone(cores[:1]) * len(cores)
    together = rate_alone(cores)
    print(f"tf.data: {single:.0f} rows/s linear, {together:.0f} in a process on each core at once")
    graph = kf.save_graph("pictures", network(), next(iter(pictures(1))))
    with kf.Executor(workers=len(cores)) as executor:
        list(executor.map(graph, pictures(len(cores))))  # warm
        for batches in BATCHES:
            start = time.perf_counter()
            assert sum(1 for _ in executor.map(graph, pictures(batches))) == batches
            rate = batches * ROWS / (time.perf_counter() - start)
            print(
                f"map of {batches} batches, {len(cores)} workers: {rate:.0f} rows/s, "
                f"{rate / single:.2f} of linear, {rate / together:.2f} of tf.data on each core"
            )


@contextlib.contextmanager
def place() -> Iterator[None]:
    """A store and a runtime folder of our own."""
    from jupyter_kf.backends import warm
    from jupyter_kf.store import STORE_VARIABLE

    with tempfile.TemporaryDirectory(prefix="kf-") as folder:
        os.environ[STORE_VARIABLE], os.environ[warm.RUNTIME_VARIABLE] = f"{folder}/store", f"{folder}/run"
        try:
            yield
        finally:
            warm.stop()


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if sys.argv[1:2] == ["alone"]:
        alone(int(sys.argv[2]))
    else:
        with place():
            for size in map(int, sys.argv[1:] or (1, 100)):
                save_and_load(size)
            mapped()

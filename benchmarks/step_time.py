"""Step time of a custom loop on two replicas, against two MultiWorkerMirroredStrategy processes.

Both pairs are started once for each size of model and take turns, so that other load falls on both alike;
each turn is some steps, timed on rank 0; printed are the medians and their ratio.

    python benchmarks/step_time.py [--steps 10] [--turns 7] [0.1 2 8]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

BATCH, WIDTH = 256, 64
ROOT = Path(__file__).parents[1]


def addresses(count: int) -> list[str]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{s.getsockname()[1]}" for s in sockets]


def hidden_width(millions: float) -> int:
    """The width of two hidden layers that make a model of about so many parameters."""
    return int((-WIDTH + (WIDTH**2 + 4 * millions * 1e6) ** 0.5) / 2)


def model_of(millions: float) -> Any:
    import keras

    keras.utils.set_random_seed(1)
    width = hidden_width(millions)
    return keras.Sequential(
        [
            keras.Input((WIDTH,)),
            keras.layers.Dense(width, activation="relu"),
            keras.layers.Dense(width, activation="relu"),
            keras.layers.Dense(10),
        ]
    )


def step_function(model: Any, optimizer: Any, divisor: float) -> Any:
    import tensorflow as tf

    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            logits = model(x, training=True)
            each = tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits)
            loss = tf.reduce_sum(each) / divisor
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        return loss

    return step


def batch() -> tuple[Any, Any]:
    import numpy as np

    made = np.random.RandomState(0)
    return made.randn(BATCH, WIDTH).astype("float32"), made.randint(0, 10, BATCH).astype("int32")


def shared_steps(rank: int, group: list[str], millions: float) -> Any:
    """This package: the plain loop."""
    import keras
    import tensorflow as tf

    from jupyter_kf.parallel import collective, install

    collective.start(rank, group, timeout=120)
    install()
    model = model_of(millions)
    step = tf.function(step_function(model, keras.optimizers.SGD(0.01), BATCH))
    data = tuple(map(tf.constant, batch()))
    return lambda: float(step(*data))


def mirrored_steps(rank: int, group: list[str], millions: float) -> Any:
    """The same loop written for MultiWorkerMirroredStrategy."""
    os.environ["TF_CONFIG"] = json.dumps(
        {"cluster": {"worker": group}, "task": {"type": "worker", "index": rank}}
    )
    import keras
    import tensorflow as tf

    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    with strategy.scope():
        model = model_of(millions)
        optimizer = keras.optimizers.SGD(0.01)
        optimizer.build(model.trainable_variables)
    step = step_function(model, optimizer, BATCH)
    dataset = tf.data.Dataset.from_tensors(batch()).repeat().unbatch().batch(BATCH).prefetch(2)
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    iterator = iter(strategy.experimental_distribute_dataset(dataset.with_options(options)))
    data = next(iterator)

    @tf.function
    def distributed(x: Any, y: Any) -> Any:
        return strategy.reduce("SUM", strategy.run(step, (x, y)), axis=None)

    return lambda: float(distributed(*data))


def member(kind: str, rank: int, group: list[str], millions: float) -> None:
    """One process: answers each line of input, a number of steps, with the seconds that they took."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    step = {"shared": shared_steps, "mirrored": mirrored_steps}[kind](rank, group, millions)
    losses = [step() for _ in range(3)]
    print(json.dumps(losses), file=answers, flush=True)
    for line in sys.stdin:
        begin = time.perf_counter()
        for _ in range(int(line)):
            step()
        print((time.perf_counter() - begin) / int(line), file=answers, flush=True)
    os._exit(0)


class Pair:
    """Two processes of one kind."""

    def __init__(self, kind: str, millions: float) -> None:
        group = addresses(2)
        self.processes = [
            subprocess.Popen(
                [sys.executable, __file__, "--member", kind, str(rank), ",".join(group), str(millions)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env=os.environ
                | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
            )
            for rank in range(2)
        ]
        self.losses = [json.loads(self._line(p)) for p in self.processes]

    @staticmethod
    def _line(process: subprocess.Popen[str]) -> str:
        assert process.stdout
        line = process.stdout.readline()
        if not line:
            raise SystemExit("a process of the benchmark died")
        return line

    def turn(self, steps: int) -> float:
        for process in self.processes:
            assert process.stdin
            print(steps, file=process.stdin, flush=True)
        seconds = [float(self._line(p)) for p in self.processes]
        return seconds[0]

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


def compare(millions: float, steps: int, turns: int) -> None:
    pairs = {kind: Pair(kind, millions) for kind in ("shared", "mirrored")}
    try:
        times: dict[str, list[float]] = {kind: [] for kind in pairs}
        for _ in range(turns):
            for kind, pair in pairs.items():
                times[kind].append(pair.turn(steps))
        ours, theirs = (statistics.median(times[k]) * 1e3 for k in ("shared", "mirrored"))
        print(f"{millions:6.1f} M  {ours:9.1f} ms  {theirs:9.1f} ms  {ours / theirs:6.2f}", flush=True)
    finally:
        for pair in pairs.values():
            pair.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--member", nargs=4, metavar=("KIND", "RANK", "GROUP", "MILLIONS"))
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("millions", type=float, nargs="*", default=[0.1, 2.0, 8.0])
    given = parser.parse_args()
    if given.member:
        kind, rank, group, millions = given.member
        member(kind, int(rank), group.split(","), float(millions))
        return
    print("parameters  this package   strategy   ratio (median of turns, two replicas, batch 256)")
    for millions in given.millions:
        compare(millions, given.steps, given.turns)


if __name__ == "__main__":
    main()

"""How long from submission to the end of the first training step, warm and cold, and what importing costs.

The alternative in the same run: two processes started by hand with MultiWorkerMirroredStrategy and
a custom loop of the same model, timed from their start to the end of their first step. One command:
``python benchmarks/start.py``. Times are of this machine; the ratios are what to compare.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROUNDS = 5
BY_HAND = """
import os, time
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
import numpy as np, tensorflow as tf, keras
strategy = tf.distribute.MultiWorkerMirroredStrategy()
x = np.random.default_rng(0).normal(size=(512, 64)).astype("float32")
y = np.random.default_rng(1).integers(0, 10, 512)
with strategy.scope():
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(128, "relu"), keras.layers.Dense(10)])
    optimizer = keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)
loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="sum")
data = strategy.experimental_distribute_dataset(tf.data.Dataset.from_tensor_slices((x, y)).batch(128))
def step(batch):
    with tf.GradientTape() as tape:
        loss = loss_of(batch[1], model(batch[0], training=True)) / 128.0
    optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
    return loss
@tf.function
def train(batch):
    return strategy.run(step, args=(batch,))
train(next(iter(data)))
print("first step", time.time(), flush=True)
os._exit(0)
"""


def free_ports(count: int) -> list[int]:
    """Give ports that were free a moment ago."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return ports


def by_hand() -> float:
    """Seconds from starting two processes to the end of the first step of both."""
    workers = [f"127.0.0.1:{port}" for port in free_ports(2)]
    started = time.time()
    processes = []
    for index in range(2):
        task = {"type": "worker", "index": index}
        environ = {**os.environ, "TF_CONFIG": json.dumps({"cluster": {"worker": workers}, "task": task})}
        command = [sys.executable, "-c", BY_HAND]
        processes.append(
            subprocess.Popen(
                command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
        )
    ends = [float(p.communicate(timeout=120)[0].split()[-1]) for p in processes]
    return max(ends) - started


def submitted() -> float:
    """Seconds from submitting a fit to the end of its first step."""
    import keras
    import numpy as np

    import jupyter_kf as kf

    x = np.random.default_rng(0).normal(size=(512, 64)).astype("float32")
    y = np.random.default_rng(1).integers(0, 10, 512)
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(128, "relu"), keras.layers.Dense(10)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    with kf.Executor(workers=2) as executor:
        started = time.time()
        job = executor.submit(model.fit, x, y, batch_size=128, verbose=0)
        job.result(120)
    records = (r for r in job.stream(follow=False) if isinstance(r, dict))
    return float(next(r["time"] for r in records if r["kind"] == "metrics")) - started


def second() -> float:
    """Seconds from an executor's second submission, after a first that failed, to its code's beginning."""
    import jupyter_kf as kf

    with kf.Executor(workers=2) as executor:
        with contextlib.suppress(ZeroDivisionError):
            executor.submit(divmod, 1, 0).result(120)
        started = time.time()
        return executor.submit(time.time).result(120) - started


def importing(code: str) -> float:
    """Median seconds of a fresh interpreter that runs ``code``."""
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def main() -> None:
    """Measure, alternating with the alternative, and print."""
    from jupyter_kf.backends import warm

    os.environ["JUPYTER_KF_STORE"] = tempfile.mkdtemp()
    os.environ["JUPYTER_KF_RUNTIME"] = tempfile.mkdtemp(prefix="kf-")
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    cold, warmed, again, hand = [], [], [], []
    try:
        for _ in range(ROUNDS):
            warm.stop()
            cold.append(submitted())
            warmed.append(submitted())
            again.append(second())
            hand.append(by_hand())
    finally:
        warm.stop()
    rows = (
        ("cold", cold),
        ("warm", warmed),
        ("second, to its beginning", again),
        ("two processes by hand", hand),
    )
    for name, times in rows:
        spread = f"{min(times):.2f} to {max(times):.2f}"
        print(f"{name:24} {statistics.median(times):6.2f} s  ({spread}, {ROUNDS} rounds)")
    base = statistics.median(hand)
    print(f"warm / by hand           {statistics.median(warmed) / base:6.2f}")
    print(f"cold / by hand           {statistics.median(cold) / base:6.2f}")
    bare, ours = importing("pass"), importing("import jupyter_kf")
    print(f"import jupyter_kf        {ours - bare:6.3f} s more than an interpreter that imports nothing")


if __name__ == "__main__":
    main()

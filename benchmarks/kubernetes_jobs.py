"""Jobs on Kubernetes against hand-written ones, and what the client and the watch cost.

The alternative in the same run: an equal Job and Service of the same image, written by hand, applied with
kubectl, whose pods run MultiWorkerMirroredStrategy with a custom loop of the same model. Both take 2
replicas. It needs a machine that can have the tests' throw-away cluster (tests/cluster/README.md). One
command: ``python benchmarks/kubernetes_jobs.py``. Times are of this machine; the ratios are what to compare.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "cluster")]

import replicas  # noqa: E402
from throwaway.client import Cluster  # noqa: E402

import jupyter_kf as kf  # noqa: E402
from jupyter_kf import loop  # noqa: E402
from jupyter_kf.backends import manifests  # noqa: E402
from jupyter_kf.backends.mirror import Mirror  # noqa: E402

ROUNDS = 3
WIDTHS = {"26 k": 128, "2 M": 1400}  # of two hidden layers, by number of parameters
STEPS = 60
JOBS = 1000
MODEL = """
import json, os, time
import numpy as np, tensorflow as tf, keras
x = np.random.default_rng(0).normal(size=(128, 64)).astype("float32")
y = np.random.default_rng(1).integers(0, 10, 128)
def make():
    keras.utils.set_random_seed(1)
    hidden = [keras.layers.Dense(WIDTH, "relu") for _ in range(2)]
    model = keras.Sequential([keras.Input((64,)), *hidden, keras.layers.Dense(10)])
    optimizer = keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)
    return model, optimizer
loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="sum")
"""
OURS = """
model, optimizer = make()
@tf.function
def train(a, b):
    with tf.GradientTape() as tape:
        loss = loss_of(b, model(a, training=True)) / 128.0
    optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
a, b = next(iter(kf.distribute(tf.data.Dataset.from_tensor_slices((x, y)).batch(128))))
times = []
for _ in range(STEPS):
    train(a, b)
    times.append(time.time())
if kf.JobEnvironment.current().rank == 0:
    with open(OUT, "w") as file:
        json.dump(times, file)
"""
BY_HAND = """
import socket
index, peers = int(os.environ["JOB_COMPLETION_INDEX"]), ["hand-0.hand:2222", "hand-1.hand:2222"]
task = {"type": "worker", "index": index}
os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": peers}, "task": task})
while True:
    try:
        [socket.getaddrinfo(peer.split(":")[0], 2222) for peer in peers]
        break
    except OSError:
        time.sleep(0.1)
strategy = tf.distribute.MultiWorkerMirroredStrategy()
with strategy.scope():
    model, optimizer = make()
data = strategy.experimental_distribute_dataset(tf.data.Dataset.from_tensor_slices((x, y)).batch(128))
def step(batch):
    with tf.GradientTape() as tape:
        loss = loss_of(batch[1], model(batch[0], training=True)) / 128.0
    optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
@tf.function
def train(batch):
    strategy.run(step, args=(batch,))
batch, times = next(iter(data)), []
for _ in range(STEPS):
    train(batch)
    times.append(time.time())
if index == 0:
    with open(OUT, "w") as file:
        json.dump(times, file)
os._exit(0)
"""


def steps(out: Path, started: float) -> tuple[float, float]:
    """Seconds from `started` to the end of the first step, and of a later step (median)."""
    times = json.loads(out.read_text())
    return times[0] - started, statistics.median(b - a for a, b in pairwise(times[5:]))


def run_source(source: str, names: dict[str, object]) -> None:
    """Run a script and keep nothing of it."""
    exec(source, dict(names))


def ours(place: replicas.KubernetesBackend, out: Path, width: int) -> tuple[float, float]:
    """One job through the package."""
    names = {"OUT": str(out), "STEPS": STEPS, "WIDTH": width, "__name__": "bench"}
    started = time.time()
    with kf.Executor(2, backend=place) as executor:
        job = executor.submit(run_source, MODEL + "import jupyter_kf as kf\n" + OURS, names)
        job.result(300)
    job.delete()
    return steps(out, started)


def by_hand(
    cluster: Cluster, place: replicas.KubernetesBackend, out: Path, width: int
) -> tuple[float, float]:
    """The same with kubectl."""
    spec = kf.JobSpec("hand", replicas=2)
    where = loop.run(place.placement())
    job = manifests.job(spec, replace(where, python=sys.executable))
    container = job["spec"]["template"]["spec"]["containers"][0]
    script = f"OUT, STEPS, WIDTH = {str(out)!r}, {STEPS}, {width}\n" + MODEL + BY_HAND
    container |= {"command": [sys.executable, "-c", script], "readinessProbe": None}
    service = manifests.service(spec, "")
    del service["metadata"]["ownerReferences"]
    started = time.time()
    cluster.kubectl("apply", "-f", "-", text=manifests.to_yaml([service, job]))
    cluster.kubectl("wait", "--for=condition=Complete", "job/hand", "--timeout=110s")
    cluster.kubectl("delete", "job/hand", "service/hand", "--wait=true")
    return steps(out, started)


def submit(place: replicas.KubernetesBackend) -> float:
    """Seconds until submit returns with a payload of 10 MB, once the client is loaded."""
    import numpy as np

    executor = kf.Executor(1, backend=place)
    data = np.zeros(10 * 2**20 // 8)
    executor.submit(len, [1]).delete()
    started = time.perf_counter()
    job = executor.submit(len, data)
    took = time.perf_counter() - started
    job.delete()
    return took


async def watch(place: replicas.KubernetesBackend) -> dict[str, float]:
    """The cost of many jobs: the first look, the memory, the time from a change to its news."""
    where = await place.placement()
    bodies = [manifests.job(kf.JobSpec(f"many-{n}", source="x" * 1000), where) for n in range(JOBS)]
    for body in bodies:
        body["spec"]["suspend"] = True
    for some in (bodies[n : n + 20] for n in range(0, JOBS, 20)):
        await asyncio.gather(*(place.api.create("jobs", body) for body in some))
    before = resource.getrusage(resource.RUSAGE_SELF)
    started = time.perf_counter()
    async with Mirror(place.api, manifests.JOB_LABEL) as mirror:
        first = time.perf_counter() - started
        changes = mirror.changes()
        assert len(await anext(changes)) == JOBS
        spent = time.process_time()
        started = time.perf_counter()
        await place.api.patch("jobs", "many-0", {"metadata": {"annotations": {"touched": "1"}}})
        await anext(changes)
        news, cpu = time.perf_counter() - started, time.process_time() - spent
        spent = time.process_time()
        await asyncio.sleep(5)
        idle = time.process_time() - spent
    after = resource.getrusage(resource.RUSAGE_SELF)
    await place.close()
    mebibytes = (after.ru_maxrss - before.ru_maxrss) / 1024
    return {
        "first look s": first,
        "news s": news,
        "news cpu s": cpu,
        "idle cpu s/5 s": idle,
        "MiB": mebibytes,
    }


def client() -> str:
    """Import time and memory of the Kubernetes client in a process that has the package."""
    script = (
        "import jupyter_kf.backends.kubernetes, resource, time\n"
        "m, t = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()\n"
        "import kubernetes.aio.client, kubernetes.aio.config\n"
        "now = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(f'{time.perf_counter() - t:.2f} s, {(now - m) / 1024:.0f} MiB')"
    )
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.check_output([sys.executable, "-c", script], text=True, env=env, timeout=120).strip()


def compare(
    cluster: Cluster, place: replicas.KubernetesBackend, store: Path, parameters: str, width: int
) -> None:
    """Say how jobs of both kinds start and step, taking turns."""
    found = [
        (ours(place, store / "ours", width), by_hand(cluster, place, store / "hand", width))
        for _ in range(ROUNDS)
    ]
    for n, (what, unit, scale) in enumerate((("submit to first step", "s", 1), ("one step", "ms", 1000))):
        one, other = (statistics.median(each[kind][n] for each in found) * scale for kind in (0, 1))
        text = f"{one:.2f} {unit}, by hand {other:.2f} {unit}, ratio {one / other:.2f}"
        say(f"{what}, {parameters} parameters", text)


def say(what: str, value: str) -> None:
    print(f"{what:42} {value}", flush=True)


def main() -> None:
    """Measure all and say it."""
    say("importing the client", client())
    with tempfile.TemporaryDirectory() as folder, Cluster.start(2) as cluster:
        store = Path(folder)
        place = replicas.backend(cluster.kubeconfig, "default", replicas.placement(store))
        say("submit with 10 MB returns after", f"{statistics.median(submit(place) for _ in range(3)):.2f} s")
        for parameters, width in WIDTHS.items():
            compare(cluster, place, store, parameters, width)
        loop.run(place.close())
        for what, value in asyncio.run(watch(place)).items():
            say(f"watching {JOBS} jobs: {what}", f"{value:.3f}")


if __name__ == "__main__":
    main()

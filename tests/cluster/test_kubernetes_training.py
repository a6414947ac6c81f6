"""Real TensorFlow on a real cluster: what comes back equals what one process here makes of it."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from replicas import CODE, placement

pytestmark = [pytest.mark.cluster, pytest.mark.gang]

MAIN_ROWS = [
    "in dataset",
    "loss sum",
    "SGD, global_clipnorm",
    "batch norm",
    "mean loss",
    "sparse gradients",
]
_PLACES = """
import sys
sys.path[:0] = [{tests!r}, {cluster!r}]
from pathlib import Path
import jupyter_kf as kf
from replicas import backend, placement
place = backend(Path({kubeconfig!r}), {namespace!r}, placement({store}, {preload!r}))
"""
_MODELS = """
import keras, numpy as np

def make():
    keras.utils.set_random_seed(7)
    model = keras.Sequential([
        keras.layers.Input((8,)), keras.layers.Dense(16, activation="relu"), keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.Adam(0.01, global_clipnorm=1.0), loss="mse", metrics=["mae"])
    return model

def furthest(one, two):
    pairs = zip(one.variables + one.optimizer.variables, two.variables + two.optimizer.variables)
    return max(float(np.abs(np.asarray(a, "float64") - np.asarray(b, "float64")).max()) for a, b in pairs)

rng = np.random.default_rng(0)
x = rng.normal(size=(70, 8)).astype("float32")  # the last batch of 16 is uneven
y = x.sum(1, keepdims=True)
"""


@pytest.fixture
def run(kubeconfig, namespace, tmp_path):
    """Run a script as a notebook's kernel would: TensorFlow is not for the tests' own process."""
    names = {"cluster": str(CODE / "tests" / "cluster"), "tests": str(CODE)}
    names |= {"kubeconfig": str(kubeconfig), "namespace": namespace}

    def run_script(script: str, *, models: bool = True, url: str = "") -> str:
        preload = "" if models else "jupyter_kf.worker.run"
        store = repr(url) if url else f"Path({str(tmp_path)!r})"
        places = _PLACES.format(**names, preload=preload, store=store)
        text = places + _MODELS * models + textwrap.dedent(script)
        environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
        done = subprocess.run(
            [sys.executable, "-c", text],
            capture_output=True,
            text=True,
            timeout=250,
            env=environment,
            cwd=CODE,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    return run_script


def test_training_on_two_nodes_equals_one_process(run):
    said = run(
        """
        one, two = make(), make()
        kept = two.layers[0].kernel
        with kf.Executor(workers=2, backend=place) as executor:
            job = executor.submit(two.fit, x, y, epochs=2, batch_size=16, verbose=0, shuffle=False)
            history = job.result(timeout=200)
        expected = one.fit(x, y, epochs=2, batch_size=16, verbose=0, shuffle=False)
        print("nodes", *sorted(replica.node for replica in job.status.replicas))
        assert two.layers[0].kernel is kept
        assert furthest(one, two) < 1e-6, furthest(one, two)
        for name, values in expected.history.items():
            np.testing.assert_allclose(history.history[name], values, rtol=1e-6)
        one.fit(x, y, epochs=1, batch_size=16, verbose=0, shuffle=False)
        two.fit(x, y, epochs=1, batch_size=16, verbose=0, shuffle=False)
        assert furthest(one, two) < 1e-6
        job.delete()
        print("left", place.store.list("jobs"), kf.jobs(place))
        """
    )

    assert "nodes n1 n2" in said
    assert "left [] []" in said


def test_main_rows_of_the_fidelity_matrix(run):
    """All of them in one job each of 2 and of 4 replicas, against one process of this machine."""
    said = run(
        f"""
        from tests.gang.fidelity import measure
        from tests.gang.items import ITEMS
        items = [item for item in ITEMS if item.name in {MAIN_ROWS}]
        assert len(items) == {len(MAIN_ROWS)}, [item.name for item in items]
        cases = [(item.case, item.options) for item in items]

        def rows():
            import importlib, keras
            found = []
            for case, options in cases:
                keras.backend.clear_session()
                module, _, name = case.partition(":")
                found.append(getattr(importlib.import_module("tests.gang." + module), name)(**options))
            return found

        wanted = rows()
        for workers in (2, 4):
            with kf.Executor(workers=workers, backend=place) as executor:
                job = executor.submit(rows)
                answers = job.result(timeout=120)
            for item, want, got in zip(items, wanted, answers):
                worst = max(max(parts.values()) for parts in measure(item, want, [got]).values())
                assert worst <= item.bar, (workers, item.name, worst)
            print(workers, "on", *sorted(replica.node for replica in job.status.replicas))
            job.delete()
        """
    )

    assert "2 on n1 n2\n" in said
    assert "4 on n1 n1 n2 n2\n" in said


def test_training_goes_on_equal_after_a_pod_is_lost(run):
    said = run(
        """
        import threading
        one, two = make(), make()
        class Slow(keras.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                import time
                print("epoch", epoch, flush=True)
                while epoch == 1 and kf.JobEnvironment.current().attempt == 0:
                    time.sleep(0.1)
        def fit(model, *more):
            options = {"epochs": 3, "batch_size": 16, "verbose": 0, "shuffle": False}
            return model.fit(x, y, **options, callbacks=[*more]).history
        with kf.Executor(workers=2, backend=place) as executor:
            job = executor.submit(fit, two, Slow())
            for item in job.stream():
                if item and "epoch 1" in str(item):
                    break
            pods = kf.loop.run(place.api.list("pods", labelSelector="job-name=" + job.name))["items"]
            name = next(p["metadata"]["name"] for p in pods if "-1-" in p["metadata"]["name"])
            kf.loop.run(place.api.delete("pods", name, "Background"))
            history = job.result(timeout=200)
        expected = fit(one)
        assert furthest(one, two) < 1e-6, furthest(one, two)
        np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-6)
        print([line for line in job.logs().splitlines() if "note" in line])
        """
    )

    assert "all ranks begin again, attempt 2 of 4" in said


def test_a_training_is_kept_when_its_pod_is_told_to_end(run):
    """No checkpoint is due for an hour, so what is taken up was kept because the pod was told to end."""
    said = run(
        """
        import time
        one, two = make(), make()
        class Slow(keras.utils.PyDataset):
            def __len__(self):
                return 30
            def __getitem__(self, i):
                time.sleep(0.1)
                return x[i : i + 16], y[i : i + 16]
        def fit(model):
            return model.fit(Slow(), epochs=4, verbose=0, shuffle=False).history
        with kf.Executor(workers=2, backend=place, checkpoint="1h") as executor:
            job = executor.submit(fit, two)
            for item in job.stream():
                if isinstance(item, dict) and item.get("step", 0) >= 10:
                    break
            pods = kf.loop.run(place.api.list("pods", labelSelector="job-name=" + job.name))["items"]
            name = next(p["metadata"]["name"] for p in pods if "-1-" in p["metadata"]["name"])
            kf.loop.run(place.api.delete("pods", name, "Background"))
            history = job.result(timeout=200)
        expected = fit(one)
        assert furthest(one, two) < 1e-6, furthest(one, two)
        np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-6, atol=1e-6)
        print([line for line in job.logs().splitlines() if "note" in line])
        """
    )

    assert "Replica 1 was lost: all ranks begin again, attempt 2 of 4" in said
    assert "Taken up at step" in said


def test_an_error_is_raised_here_with_the_frames_from_there(run):
    said = run(
        """
        import traceback
        def broken(n):
            print("before", flush=True)
            return 1 / n
        with kf.Executor(workers=1, backend=place) as executor:
            job = executor.submit(broken, 0)
            try:
                job.result(timeout=200)
            except ZeroDivisionError as error:
                print("raised", error, traceback.extract_tb(error.__traceback__)[-1].name)
        print(job.status.state, job.status.reason, job.logs())
        print(job.name in job.manifests())
        """,
        models=False,
    )

    assert "raised division by zero broken" in said
    assert "FAILED ZeroDivisionError: division by zero. before" in said
    assert said.endswith("True\n")


def test_a_job_outlives_its_kernel_and_is_found_by_name(run):
    said = run(
        """
        import os
        model = make()
        executor = kf.Executor(workers=1, backend=place)
        job = executor.submit(model.fit, x, y, epochs=1, batch_size=16, verbose=0)
        print(job.name, flush=True)
        os._exit(0)  # without a word, as a kernel that is killed
        """
    )
    name = said.split()[-1]
    said = run(
        f"""
        job = kf.job({name!r}, place)
        history = job.result(timeout=200)
        print("loss", len(history.history["loss"]), [job.name for job in kf.jobs(place)] == [{name!r}])
        """
    )

    assert "loss 1 True" in said


def test_a_cell_runs_on_the_cluster(run, kubeconfig, namespace, tmp_path, monkeypatch):
    """As a user does it: the environment says where, the cell says what."""
    config = json.loads(Path(kubeconfig).read_text())
    config["contexts"][0]["context"]["namespace"] = namespace
    own = tmp_path / "config"
    own.write_text(json.dumps(config))
    monkeypatch.setenv("KUBECONFIG", str(own))
    monkeypatch.setenv("JUPYTER_KF_BACKEND", "kubernetes")
    monkeypatch.setenv("JUPYTER_KF_STORE", str(tmp_path))
    monkeypatch.setenv("JUPYTER_KF_PLACEMENT", json.dumps(dataclasses.asdict(placement(tmp_path))))
    said = run(
        """
        from IPython.core.interactiveshell import InteractiveShell
        shell = InteractiveShell.instance()
        shell.run_line_magic("load_ext", "jupyter_kf")
        model, one = make(), make()
        shell.push({"model": model, "x": x, "y": y})
        cell = "h = model.fit(x, y, epochs=1, batch_size=16, verbose=0, shuffle=False)\\nprint('trained')"
        shell.run_cell_magic("kf", "--workers 2", cell)
        one.fit(x, y, epochs=1, batch_size=16, verbose=0, shuffle=False)
        print("equal", furthest(one, model) < 1e-6, sorted(shell.user_ns["h"].history))
        print(kf.jobs()[0].backend.name, kf.jobs()[0].status.state)
        """
    )

    assert "trained" in said
    assert "equal True ['loss', 'mae']" in said
    assert "kubernetes SUCCEEDED" in said

"""Schedules on a real cluster: what it takes and refuses, and a graph that trains when its minute comes."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import subprocess
import sys
import textwrap

import pytest
from replicas import CODE, backend, placement
from test_kubernetes_refused import VERBS

import jupyter_kf as kf
from jupyter_kf import loop
from jupyter_kf.backends.cronjobs import cron_job
from jupyter_kf.backends.placement import Placement
from jupyter_kf.errors import SpecError
from jupyter_kf.spec import JobState
from jupyter_kf.stored import shelf
from jupyter_kf.timetable import ScheduleSpec
from tests.conftest import wait_until
from tests.expressions import ACCEPTED, REFUSED

pytestmark = [pytest.mark.cluster, pytest.mark.gang]

_STORE = """
import keras, numpy as np, tensorflow as tf, jupyter_kf as kf
keras.utils.set_random_seed(7)
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
model.compile("sgd", "mse")
x = np.random.default_rng(0).normal(size=(32, 4)).astype("float32")
data = tf.data.Dataset.from_tensor_slices((x, x.sum(1, keepdims=True))).batch(8)
kf.save_graph("line", model, x[:8], x[:8, :1], train=True, data=data)
"""
TRIAL = ScheduleSpec("trial", "ranker", "@daily")


@pytest.fixture
def place(cluster, kubeconfig, namespace, tmp_path):
    """A backend whose schedules act with the rights of a notebook's account."""
    rules = [{"apiGroups": [g], "resources": [r], "verbs": verbs} for (g, r), verbs in VERBS.items()]
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "kf"}}
    here = ("-n", namespace)
    cluster.kubectl(*here, "create", "serviceaccount", "ana")
    cluster.kubectl(*here, "apply", "-f", "-", text=json.dumps({**role, "rules": rules}))
    cluster.kubectl(*here, "create", "rolebinding", "kf", "--role=kf", f"--serviceaccount={namespace}:ana")
    where = dataclasses.replace(placement(tmp_path), account="ana")
    found = backend(kubeconfig, namespace, where)
    yield found
    loop.run(found.close())


def asks_about_expressions(place):
    """The cluster takes and refuses what we do. Nothing is made: each is asked about as a trial."""
    made = cron_job(TRIAL, loop.run(place.placement()), None, False)

    async def takes(changes):
        try:
            await place.api.create("cronjobs", made | {"spec": made["spec"] | changes}, dryRun="All")
        except SpecError:
            return False
        return True

    async def all_of(*changes):
        return await asyncio.gather(*map(takes, changes))

    taken = loop.run(all_of(*({"schedule": text} for text in ACCEPTED)))
    assert [text for text, ok in zip(ACCEPTED, taken, strict=True) if not ok] == []
    taken = loop.run(all_of(*({"schedule": text} for text in REFUSED)))
    assert [text for text, ok in zip(REFUSED, taken, strict=True) if ok] == []
    zones = ("Europe/Berlin", "Etc/UTC", "Local", "Berlin", "")
    assert loop.run(all_of(*({"timeZone": zone} for zone in zones))) == [True, True, False, False, False]


def test_a_graph_trains_when_its_minute_comes(cluster, namespace, place, tmp_path):
    env = os.environ | {"PYTHONPATH": str(CODE), "JUPYTER_KF_STORE": str(tmp_path)}
    script = textwrap.dedent(_STORE)
    subprocess.run([sys.executable, "-c", script], env=env, check=True, timeout=120)
    graph = kf.load_graph("line", store=place.store)
    minutely = graph.schedule("* * * * *", workers=2, steps=6, name="minutely", backend=place)
    broken = graph.schedule("@yearly", name="broken", version=7, backend=place)

    # while the minute passes
    asks_about_expressions(place)
    with pytest.raises(SpecError, match="'99' is no minute"):
        graph.schedule("99 * * * *", name="never", backend=place)
    with pytest.raises(SpecError, match="There is a schedule 'minutely' already"):
        graph.schedule("@daily", name="minutely", backend=place)
    assert [each.name for each in kf.schedules(place)] == ["broken", "minutely"]
    cluster.kubectl("-n", namespace, "create", "job", "now", "--from=cronjob/broken")
    why = "The last run failed: jupyter_kf: The graph 'line' has no version 7"
    wait_until(lambda: broken.status.trouble.startswith(why), "it was not told why a run failed", 90)
    assert broken.jobs() == []

    wait_until(minutely.jobs, "no job came with the minute", 120)
    assert minutely.status.running == 1
    minutely.pause()
    [job] = minutely.jobs()
    assert job.name in [each.name for each in kf.jobs(place)]
    trained = job.result(120)
    assert job.status.state is JobState.SUCCEEDED
    assert (trained.version, trained.trained.job, trained.trained.steps) == (2, job.name, 6)
    assert shelf.list_versions(place.store, "line")[0].hash == trained.hash
    wait_until(lambda: minutely.status.succeeded, "the run was not counted", 60)
    status = minutely.status
    assert (status.paused, status.running, status.next, status.trouble) == (True, 0, None, "")
    minutely.resume()
    assert minutely.status.next
    for each in (minutely, broken):
        each.delete()
    assert kf.schedules(place) == []
    assert repr(broken) == "Schedule broken: There is no schedule 'broken'."
    cronjobs = ("-n", namespace, "get", "cronjobs", "-o", "name")
    wait_until(lambda: cluster.kubectl(*cronjobs) == "", "the cluster kept a schedule", 60)
    assert job.status.state is JobState.SUCCEEDED  # a run outlives its schedule


def test_a_namespace_of_the_restricted_kind_admits_what_sends_runs_out(cluster, namespace):
    cluster.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    home = ({"name": "home", "persistentVolumeClaim": {"claimName": "home"}},)
    where = Placement(image="x", user=1000, volumes=home, mounts=({"name": "home", "mountPath": "/home"},))
    template = cron_job(TRIAL, where, None, False)["spec"]["jobTemplate"]["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": template["spec"]}
    answer = cluster.kubectl("-n", namespace, "apply", "--dry-run=server", "-f", "-", text=json.dumps(pod))
    assert "pod/a created" in answer

"""The CronJob of a schedule, what is seen of it, and what a place says that keeps no schedules."""

from __future__ import annotations

import dataclasses
import json
import shlex

import pytest

import jupyter_kf as kf
from jupyter_kf import recurring
from jupyter_kf.__main__ import parser
from jupyter_kf.backends import connect
from jupyter_kf.backends.apiserver import Conflict
from jupyter_kf.backends.cronjobs import CronJobs, cron_job, status_of
from jupyter_kf.backends.kubernetes import KubernetesBackend
from jupyter_kf.backends.memory import MemoryBackend
from jupyter_kf.backends.placement import Placement
from jupyter_kf.errors import NotFound, SpecError
from jupyter_kf.names import label_value
from jupyter_kf.profiles import Profile
from jupyter_kf.spec import JobSpec, JobState
from jupyter_kf.store import PAYLOAD, job_path
from jupyter_kf.stored.handle import Graph
from jupyter_kf.stored.record import GraphKind, GraphRecord
from jupyter_kf.timetable import SCHEDULE_LABEL, ScheduleSpec

SPEC = ScheduleSpec("night", "ranker", "0 3 * * *", "Europe/Berlin", workers=4, user="Ana María", created=5.0)
HOME = {"name": "home", "persistentVolumeClaim": {"claimName": "claim-ana"}}
PLACE = Placement(
    image="registry.example/notebook:1",
    python="/opt/conda/bin/python",
    store="/home/jovyan/kf",
    user=1000,
    group=100,
    account="jupyter-kf",
    volumes=(HOME,),
    mounts=({"name": "home", "mountPath": "/home/jovyan"},),
)


def test_the_cron_job_to_the_last_field():
    made = cron_job(SPEC, PLACE, None, False)
    labels = {
        "jupyter-kf/schedule": "night",
        "app.kubernetes.io/managed-by": "jupyter-kf",
        "jupyter-kf/user": label_value("Ana María"),
    }
    assert made["metadata"] == {
        "name": "night",
        "labels": labels,
        "annotations": {"jupyter-kf/schedule-spec": json.dumps(SPEC.to_dict())},
    }
    template = made["spec"].pop("jobTemplate")
    assert made["spec"] == {
        "schedule": "0 3 * * *",
        "timeZone": "Europe/Berlin",
        "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": 300,
        "successfulJobsHistoryLimit": 1,
        "failedJobsHistoryLimit": 1,
    }
    inner = template["spec"].pop("template")
    assert template == {
        "metadata": {"labels": labels},
        "spec": {"backoffLimit": 0, "ttlSecondsAfterFinished": 86400},
    }
    assert inner["metadata"]["labels"] == labels | {"jupyter-kf/part": "launcher"}
    pod = inner["spec"]
    [container] = pod["containers"]
    assert (pod["serviceAccountName"], pod["automountServiceAccountToken"]) == ("jupyter-kf", True)
    words = "/opt/conda/bin/python -m jupyter_kf run-graph ranker --workers 4 --schedule night"
    assert container["command"] == words.split()
    env = {entry["name"]: entry["value"] for entry in container["env"]}
    assert json.loads(env.pop("JUPYTER_KF_PLACEMENT")) == json.loads(json.dumps(dataclasses.asdict(PLACE)))
    assert env == {
        "HOME": "/tmp",
        "PYTHONUNBUFFERED": "1",
        "PYTHONHASHSEED": "0",
        "JUPYTER_KF_STORE": "/home/jovyan/kf",
        "JUPYTER_KF_BACKEND": "kubernetes",
        "JUPYTERHUB_USER": "Ana María",
    }
    assert container["resources"]["requests"] == {"cpu": "100m", "memory": "512Mi"}
    # what Pod Security calls restricted
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert "affinity" not in pod


def test_a_home_on_one_node_is_followed_and_not_fixed():
    made = cron_job(SPEC, dataclasses.replace(PLACE, node="n2"), None, True)
    pod = made["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert "nodeSelector" not in pod
    [term] = pod["affinity"]["podAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert term["podAffinityTerm"]["topologyKey"] == "kubernetes.io/hostname"
    assert "JUPYTER_KF_PLACEMENT" not in {entry["name"] for entry in pod["containers"][0]["env"]}


def test_a_profile_goes_along_but_its_devices_do_not():
    profile = Profile("a100", store_secret="s3-ana", pod_overrides={"nodeSelector": {"gpu": "yes"}})
    place = dataclasses.replace(PLACE, overrides={"priorityClassName": "low"})
    spec = dataclasses.replace(SPEC, profile="a100")
    pod = cron_job(spec, place, profile, False)["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    env = {entry["name"]: entry["value"] for entry in pod["containers"][0]["env"]}
    assert [each["name"] for each in json.loads(env["JUPYTER_KF_PROFILES"])] == ["a100"]
    assert {"name": "store-access", "secret": {"secretName": "s3-ana"}} in pod["volumes"]
    assert pod["priorityClassName"] == "low"
    assert "nodeSelector" not in pod


class Api:
    """Plays an API server that keeps objects."""

    def __init__(self):
        self.kept = {"cronjobs": {}, "jobs": {}, "pods": {}}
        self.said = []

    async def create(self, kind, body):
        name = body["metadata"]["name"]
        if name in self.kept[kind]:
            raise Conflict(name)
        self.kept[kind][name] = body
        body["metadata"]["uid"] = f"uid-{name}"

    async def list(self, kind, **query):
        self.said.append(query)
        return {"items": list(self.kept[kind].values())}

    async def patch(self, kind, name, body):
        self.kept[kind][name]["spec"] |= body["spec"]

    async def delete(self, kind, name, propagation):
        self.said.append(propagation)
        del self.kept[kind][name]


@pytest.fixture
def api():
    return Api()


@pytest.fixture
def schedules(api, store):
    async def placed():
        return PLACE

    return CronJobs(api, store, placed)


async def test_a_schedule_is_made_paused_resumed_and_deleted(api, schedules):
    await schedules.create(SPEC)
    [status] = await schedules.list()
    assert (status.spec, status.paused, status.running) == (SPEC, False, 0)
    assert status.next is not None
    with pytest.raises(SpecError, match="There is a schedule 'night' already"):
        await schedules.create(SPEC)
    await schedules.pause("night", True)
    status = await schedules.get("night")
    assert (status.paused, status.next) == (True, None)
    await schedules.pause("night", False)
    assert not (await schedules.get("night")).paused
    await schedules.delete("night")
    assert api.said[-1] == "Orphan"  # a run that goes on is not ended
    assert await schedules.list() == []
    for call in (schedules.pause("night", True), schedules.delete("night")):
        with pytest.raises(NotFound, match="There is no schedule 'night'"):
            await call


async def test_a_profile_that_is_not_there_is_told_before_anything_is_made(api, schedules, monkeypatch):
    monkeypatch.setenv("JUPYTER_KF_PROFILES", '[{"name": "tpu", "hosts": 4}]')
    with pytest.raises(SpecError, match="There is no profile 'a100'"):
        await schedules.create(dataclasses.replace(SPEC, profile="a100"))
    with pytest.raises(SpecError, match="slice of 4 hosts"):
        await schedules.create(dataclasses.replace(SPEC, profile="tpu", workers=2))
    assert api.kept["cronjobs"] == {}


async def test_a_user_sees_their_own(api, store, monkeypatch):
    monkeypatch.setenv("JUPYTERHUB_USER", "ana")
    await CronJobs(api, store, None).list()
    assert api.said == [{"labelSelector": "jupyter-kf/schedule,jupyter-kf/user=ana"}]


def _run(name, condition, created, **more):
    return {
        "metadata": {
            "name": name,
            "creationTimestamp": created,
            "ownerReferences": [{"uid": "uid-night"}],
        },
        "status": {"conditions": [{"type": condition, "status": "True", **more}]},
    }


def test_what_is_seen_of_it():
    made = cron_job(SPEC, PLACE, None, False)
    made["metadata"]["uid"] = "uid-night"
    made["status"] = {
        "active": [{"name": "night-3"}],
        "lastScheduleTime": "2026-01-03T02:00:00Z",
        "lastSuccessfulTime": "2026-01-01T02:05:00Z",
    }
    runs = [
        _run("night-1", "Complete", "2026-01-01T02:00:00Z"),
        _run("night-2", "Failed", "2026-01-02T02:00:00Z", message="Job has reached its backoff limit"),
    ]
    now = 1767405600.0  # 2026-01-03T02:00:00Z
    status = status_of(made, runs, [], now)
    assert (status.running, status.last, status.next) == (1, now, now + 86400)
    assert status.succeeded == now - 2 * 86400 + 300
    assert status.trouble == "The last run failed: Job has reached its backoff limit"
    ended = {"state": {"terminated": {"message": "Traceback …\nNotFound: There is no graph 'ranker'.\n"}}}
    pod = {
        "metadata": {"labels": {"batch.kubernetes.io/job-name": "night-2"}},
        "status": {"containerStatuses": [ended]},
    }
    said = status_of(made, runs, [pod], now).trouble
    assert said == "The last run failed: NotFound: There is no graph 'ranker'."
    runs.append(_run("night-3", "Complete", "2026-01-03T02:00:00Z"))
    assert status_of(made, runs, [pod], now).trouble == ""


@pytest.mark.parametrize(
    "annotations", [{}, {"jupyter-kf/schedule-spec": "{"}, {"jupyter-kf/schedule-spec": "{}"}]
)
def test_a_cron_job_of_somebody_else_is_passed_over(annotations):
    made = {"metadata": {"uid": "u", "annotations": annotations}, "spec": {}}
    assert status_of(made, [], [], 0.0) is None


def test_a_deleted_one_is_not_listed_while_the_cluster_lets_its_runs_go():
    made = cron_job(SPEC, PLACE, None, False)
    made["metadata"] |= {"uid": "u", "deletionTimestamp": "2026-01-03T02:00:00Z"}
    assert status_of(made, [], [], 0.0) is None


def test_where_nothing_wakes_up_the_way_out_is_told(store):
    backend = connect("local", store)
    spec = ScheduleSpec("night", "a b%c", "0 3 * * *", workers=4)
    with pytest.raises(
        SpecError, match=r"'local' cannot be scheduled.*JUPYTER_KF_BACKEND=kubernetes"
    ) as told:
        recurring.create(spec, backend)
    line = str(told.value).partition("machine's time): ")[2]
    assert line.startswith("0 3 * * * JUPYTER_KF_STORE=")
    words = shlex.split(line.replace("\\%", "%"))[6:]
    assert words[1:7] == ["-m", "jupyter_kf", "run-graph", "a b%c", "--workers", "4"]
    assert kf.schedules(backend) == []
    with pytest.raises(NotFound, match="There is no schedule 'night'"):
        kf.schedule("night", backend)
    with pytest.raises(NotFound):
        kf.Schedule(backend, "night").pause()


def test_a_schedule_in_ones_hand(store):
    backend = MemoryBackend(store)
    made = recurring.create(ScheduleSpec("night", "ranker", "0 3 * * *", "Europe/Berlin", workers=4), backend)
    assert repr(made).startswith("Schedule night: ranker on 4 workers, '0 3 * * *' in Europe/Berlin, next ")
    assert made.spec.created > 0
    made.pause()
    assert repr(made).endswith(", paused")
    [found] = kf.schedules(backend)
    found.resume()
    assert kf.schedule("night", backend).status.next is not None
    for name, labels in (("mine", {SCHEDULE_LABEL: "night"}), ("other", {})):
        store.put(job_path(name, PAYLOAD, "x"), b"")
        kf.loop.run(backend.submit(JobSpec(name, labels=labels)))
    backend.tell("mine", JobState.RUNNING)
    assert [job.name for job in made.jobs()] == ["mine"]
    made.delete()
    with pytest.raises(NotFound):
        _ = made.status


RECORD = GraphRecord("ranker", 3, GraphKind.TRAINING, has_data=True)


def test_a_graph_is_scheduled_by_its_handle(store, tmp_path, monkeypatch):
    backend = MemoryBackend(store)
    graph = Graph(store, RECORD)
    made = graph.schedule("0 3 * * *", workers=4, time_zone="Europe/Berlin", steps=9, backend=backend)
    words = "run-graph ranker --workers 4 --steps 9 --schedule ranker"
    assert made.spec.command == tuple(words.split())
    assert parser().parse_args(made.spec.command).schedule == "ranker"
    fixed = graph.schedule("@daily", name="fixed", version=graph.version, data="/x.npz", backend=backend)
    words = "run-graph ranker --version 3 --workers 2 --data /x.npz --schedule fixed"
    assert fixed.spec.command == tuple(words.split())
    with pytest.raises(SpecError, match="There is a schedule 'ranker' already"):
        graph.schedule("@daily", backend=backend)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.npz").write_bytes(b"")
    made = graph.schedule("@daily", name="here", data="x.npz", backend=backend)
    assert made.spec.arguments == ("--data", str(tmp_path.resolve() / "x.npz"))


@pytest.mark.parametrize(
    ("record", "options", "says"),
    [
        (dataclasses.replace(RECORD, has_data=False), {}, "'ranker' has no dataset: name a file"),
        (dataclasses.replace(RECORD, asks=("ReadFile",)), {}, "agree to it, allow=\\['ReadFile'\\]"),
        (dataclasses.replace(RECORD, kind=GraphKind.FORWARD), {"workers": 3}, "runs on one worker, not 3"),
        (RECORD, {"speed": 3}, "has no such option: .*speed"),
        (RECORD, {"workers": 0}, "between 1 and 99999"),
        (RECORD, {"profile": "a100"}, "no profile 'a100'"),
    ],
)
def test_what_no_run_could_do_is_refused_when_it_is_scheduled(store, record, options, says):
    backend = MemoryBackend(store)
    with pytest.raises(SpecError, match=says):
        Graph(store, record).schedule("@daily", backend=backend, **options)
    assert kf.schedules(backend) == []


def test_kubernetes_keeps_schedules(store):
    assert isinstance(KubernetesBackend(store).schedules(), CronJobs)

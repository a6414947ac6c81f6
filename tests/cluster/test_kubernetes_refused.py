"""Jobs that cannot start, or may not: what a user is told, from a real cluster."""

from __future__ import annotations

import json

import pytest
from replicas import backend, pack_work, placement, submit, until

from jupyter_kf import logs
from jupyter_kf.backends import manifests
from jupyter_kf.backends.placement import Placement
from jupyter_kf.errors import BackendError, Forbidden
from jupyter_kf.spec import JobSpec, JobState, Resources

pytestmark = pytest.mark.cluster

_LIGHT = "jupyter_kf.worker.run"


@pytest.fixture
def place(tmp_path):
    return placement(tmp_path, preload=_LIGHT)


def says(text):
    return lambda status: text in status.reason


async def test_no_node_has_what_it_asks_for(jobs):
    many = Resources(accelerator="nvidia.com/gpu", accelerators=8)
    await submit(jobs, "many", "pass", resources=many)

    status = await until(jobs, "many", says("not enough nvidia.com/gpu on 2 nodes"))
    assert status.state is JobState.PENDING

    await jobs.cancel("many")
    assert (await jobs.get("many")).state is JobState.CANCELLED


async def test_an_image_that_is_not_there(jobs):
    await submit(jobs, "image", "pass", image="throwaway.local/absent:1")

    status = await until(jobs, "image", says("cannot get its image throwaway.local/absent:1"))
    assert status.state is JobState.PENDING


async def test_a_secret_that_is_not_there(kubeconfig, namespace, tmp_path):
    wants = [{"name": "replica", "envFrom": [{"secretRef": {"name": "s3-credentials"}}]}]
    jobs = backend(kubeconfig, namespace, placement(tmp_path, preload=_LIGHT, containers=wants))
    await submit(jobs, "secret", "pass")

    await until(jobs, "secret", says('secret "s3-credentials" not found'))
    await jobs.close()


async def test_a_quota_that_is_used_up(cluster, jobs, namespace):
    cluster.kubectl("-n", namespace, "create", "quota", "small", "--hard=pods=1")
    cluster.wait_for("the quota", "-n", namespace, "get", "quota", "small", "-o", "json", answer='"used"')
    await submit(jobs, "quota", "pass", replicas=2)

    status = await until(jobs, "quota", says("The quota small is used up"))
    assert "limit pods=1" in status.reason
    assert status.state is JobState.PENDING


async def test_a_namespace_that_admits_no_root(cluster, jobs, namespace):
    _restrict(cluster, namespace)
    await submit(jobs, "root", "pass")

    status = await until(jobs, "root", says("The cluster refused its pods"))
    assert 'violates PodSecurity "restricted' in status.reason


def test_a_namespace_of_the_restricted_kind_admits_replicas(cluster, namespace):
    _restrict(cluster, namespace)
    home = ({"name": "home", "persistentVolumeClaim": {"claimName": "home"}},)
    place = Placement(image="x", user=1000, volumes=home, mounts=({"name": "home", "mountPath": "/home"},))
    template = manifests.job(JobSpec("a"), place)["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": template["spec"]}

    answer = cluster.kubectl("-n", namespace, "apply", "--dry-run=server", "-f", "-", text=json.dumps(pod))
    assert "pod/a created" in answer
    del pod["spec"]["containers"][0]["securityContext"]["capabilities"]
    with pytest.raises(RuntimeError, match="unrestricted capabilities"):
        cluster.kubectl("-n", namespace, "apply", "--dry-run=server", "-f", "-", text=json.dumps(pod))


async def test_a_replica_has_no_rights_that_it_does_not_need(kubeconfig, namespace, tmp_path):
    source = """
import os
print("user", os.getuid())
status = open("/proc/self/status").read()
wanted = ("CapEff", "NoNewPrivs", "Seccomp:")
print([line.split()[1] for line in status.splitlines() if line.startswith(wanted)])
try:
    open("/etc/written", "w")
except OSError as err:
    print(err.strerror)
print(os.path.exists("/var/run/secrets/kubernetes.io/serviceaccount"))
"""
    safe = {"runAsNonRoot": True, "runAsUser": 1000, "runAsGroup": 1000}
    jobs = backend(kubeconfig, namespace, placement(tmp_path, preload=_LIGHT, securityContext=safe))
    pack_work(jobs.store, "safe", source)
    spec = JobSpec("safe", own_strategy=True)
    jobs.store.put_json("jobs/safe/spec.json", spec.to_dict())
    _give(tmp_path, 1000)
    await jobs.launch(spec)

    status = await jobs.wait("safe", 60)
    log = logs.as_text(logs.read((tmp_path / "jobs/safe/logs/rank-0.log").read_bytes()))
    assert status.state is JobState.SUCCEEDED, f"{status.reason}\n{log}"
    assert log.splitlines() == [
        "user 1000",
        "['0000000000000000', '1', '2']",
        "Read-only file system",
        "False",
    ]
    await jobs.close()


@pytest.mark.parametrize(
    "text", ["$(id); `id` ' \" \\ \n---\nkind: Pod", "{{x}} %s ${HOME} \x1b[2J", "名前 🙂"]
)
async def test_hostile_text_stays_text(cluster, jobs, namespace, text):
    spec = await submit(jobs, "hostile", "print('ran')", user=text, notebook=text, source=text)

    status = await jobs.wait("hostile", 60)
    assert (status.state, status.spec) == (JobState.SUCCEEDED, spec)

    yaml = await jobs.manifests(spec)
    answer = cluster.kubectl("-n", namespace, "apply", "--dry-run=server", "-f", "-", text=yaml)
    assert "job.batch/hostile" in answer
    assert "service/hostile" in answer


async def test_kubectl_takes_what_manifests_gives_and_it_runs(cluster, jobs, namespace):
    spec = JobSpec("by-hand", own_strategy=True)
    pack_work(jobs.store, "by-hand", "print('ran')")
    jobs.store.put_json("jobs/by-hand/spec.json", spec.to_dict())
    yaml = await jobs.manifests(spec)
    cluster.kubectl("-n", namespace, "apply", "--server-side", "-f", "-", text=yaml)

    assert (await jobs.wait("by-hand", 60)).state is JobState.SUCCEEDED
    assert [status.name for status in await jobs.list()] == ["by-hand"]


async def test_a_replica_with_two_gpus_has_two_ranks(jobs):
    gpus = Resources(accelerator="nvidia.com/gpu", accelerators=2)
    source = "import os, jupyter_kf as kf; place = kf.JobEnvironment.current()\n"
    source += "print(place.rank, len(place.addresses), os.environ['CUDA_VISIBLE_DEVICES'])"
    await submit(jobs, "gpus", source, replicas=2, resources=gpus)

    status = await jobs.wait("gpus", 60)
    assert status.state is JobState.SUCCEEDED
    found = [b"".join([piece async for piece in jobs.logs("gpus", rank)]) for rank in range(4)]
    said = [logs.as_text(logs.read(each)) for each in found]
    assert said == ["0 4 0\n", "1 4 1\n", "2 4 0\n", "3 4 1\n"]


VERBS = {
    ("batch", "jobs"): ["create", "get", "list", "watch", "patch", "delete"],
    ("batch", "cronjobs"): ["create", "get", "list", "patch", "delete"],
    ("", "services"): ["create"],
    ("", "pods"): ["get", "list", "watch"],
    ("", "pods/log"): ["get"],
    ("", "events"): ["list", "watch"],
    ("", "persistentvolumeclaims"): ["get"],
}


async def test_a_user_needs_few_rights_and_is_told_when_one_is_missing(cluster, namespace, place, tmp_path):
    cluster.kubectl("-n", namespace, "create", "serviceaccount", "ana")
    jobs = backend(_kubeconfig_of(cluster, namespace, "ana", tmp_path), namespace, place)
    with pytest.raises(Forbidden, match="cannot list resource"):
        await jobs.list()

    rules = [{"apiGroups": [g], "resources": [r], "verbs": verbs} for (g, r), verbs in VERBS.items()]
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "kf"},
        "rules": rules,
    }
    cluster.kubectl("-n", namespace, "apply", "-f", "-", text=json.dumps(role))
    cluster.kubectl(
        "-n", namespace, "create", "rolebinding", "kf", "--role=kf", f"--serviceaccount={namespace}:ana"
    )
    await submit(jobs, "mine", "print('ran')")
    assert (await jobs.wait("mine", 60)).state is JobState.SUCCEEDED
    await jobs.delete("mine")
    assert await jobs.list() == []
    await jobs.close()


async def test_a_cluster_that_is_not_there(tmp_path, place):
    config = tmp_path / "config"
    config.write_text(json.dumps(_config("https://127.0.0.1:1", {})))
    jobs = backend(config, "default", place)

    with pytest.raises(BackendError, match=r"https://127\.0\.0\.1:1 does not answer"):
        await jobs.list()
    with pytest.raises(BackendError, match="does not answer"):
        await anext(jobs.watch())
    await jobs.close()


def test_without_credentials_the_way_out_is_told(tmp_path, place):
    from jupyter_kf import loop

    jobs = backend(tmp_path / "absent", "default", place)
    with pytest.raises(BackendError, match="Run inside a pod, or name a kubeconfig"):
        loop.run(jobs.list())


def _restrict(cluster, namespace):
    cluster.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")


def _give(folder, user):
    import os

    for place in (folder, *folder.rglob("*")):
        os.chown(place, user, user)
    for parent in (folder.parent, folder.parent.parent):
        parent.chmod(0o755)


def _config(server, cluster, **user):
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "x",
        "clusters": [{"name": "x", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "x", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
    }


def _kubeconfig_of(cluster, namespace, account, folder):
    token = cluster.kubectl("-n", namespace, "create", "token", account).strip()
    own = json.loads(cluster.kubeconfig.read_text())["clusters"][0]["cluster"]
    path = folder / f"{account}.conf"
    path.write_text(json.dumps(_config(own.pop("server"), own, token=token)))
    return path

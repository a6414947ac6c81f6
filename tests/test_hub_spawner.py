"""KFSpawner without a cluster: a choice becomes a pod, or a refusal."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from jupyter_kf.hub.noticing import NoticingPodReflector
from jupyter_kf.hub.refusals import SpawnException
from jupyter_kf.profiles import PROFILES_VARIABLE, parse
from tests.spawners import make, nowhere, pod_of

__all__ = ["make", "nowhere"]


async def test_a_choice_becomes_a_pod(make):
    pod = await pod_of(make(["vision"], {"profile": "gpu", "count": "2"}))
    [container] = pod["spec"]["containers"]
    assert container["resources"]["limits"] == {"memory": 8 << 30, "nvidia.com/gpu": "2"}
    assert container["resources"]["requests"] == container["resources"]["limits"]
    assert pod["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "gpus"
    assert {"name": "shm", "mountPath": "/dev/shm"} in container["volumeMounts"]
    assert pod["spec"]["tolerations"][0]["key"] == "nvidia.com/gpu"


async def test_the_pod_is_one_that_a_restricted_namespace_admits(make):
    pod = await pod_of(make())
    assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
    assert pod["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    context = pod["spec"]["containers"][0]["securityContext"]
    assert context == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert pod["spec"]["serviceAccountName"] == "jupyter-kf"
    assert pod["spec"]["automountServiceAccountToken"] is True


async def test_a_claim_stands_beside_the_limits(make):
    pod = await pod_of(make(options={"profile": "claim"}))
    assert pod["spec"]["resourceClaims"] == [{"name": "accelerator", "resourceClaimTemplateName": "claim-x2"}]
    resources = pod["spec"]["containers"][0]["resources"]
    assert resources["claims"] == [{"name": "accelerator"}]
    assert resources["limits"] == {"cpu": 1}


async def test_nothing_of_an_earlier_choice_stays(make):
    spawner = make(["vision"], {"profile": "gpu"})
    await pod_of(spawner)
    spawner.user_options = {"profile": "tpu"}
    resources = (await pod_of(spawner))["spec"]["containers"][0]["resources"]
    assert resources["limits"].keys() & {"nvidia.com/gpu", "google.com/tpu"} == {"google.com/tpu"}


async def test_the_hub_knows_the_time_to_start_before_the_start(make):
    spawner = make(["vision"], {"profile": "gpu"})
    await spawner._run_apply_user_options(spawner.user_options)
    assert spawner.start_timeout == 1200


async def test_a_wrong_option_is_refused_before_the_start(make):
    spawner = make([], {"profile": "gpu"})
    with pytest.raises(SpawnException) as caught:
        await spawner._run_apply_user_options(spawner.user_options)
    assert caught.value.status_code == 400
    assert "no profile 'gpu' for you" in caught.value.message


async def test_the_notebook_is_told_what_it_may_run_jobs_with(make):
    env = make(["vision"], store="s3://bucket/{username}").get_env()
    assert env["JUPYTER_KF_BACKEND"] == "kubernetes"
    assert env["JUPYTER_KF_STORE"] == "s3://bucket/ana"
    names = [profile.name for profile in parse(env[PROFILES_VARIABLE])]
    assert names == ["cpu", "gpu", "gpu-x2", "tpu", "claim"]
    assert "gpu" not in [profile.name for profile in parse(make().get_env()[PROFILES_VARIABLE])]


async def test_what_the_spawner_says_of_nodes_holds_for_jobs_too(make):
    """And nothing of the profile that the server itself has."""
    kube = {"node_selector": {"pool": "users"}, "tolerations": [{"key": "dedicated", "operator": "Exists"}]}
    spawner = make(["vision"], {"profile": "tpu"}, KubeSpawner=kube)
    pod = await pod_of(spawner)
    assert [each["key"] for each in pod["spec"]["tolerations"]] == ["dedicated", "google.com/tpu"]
    assert pod["spec"]["nodeSelector"].keys() > {"pool"}
    cpu, gpu = (profile.pod_overrides for profile in parse(spawner.get_env()[PROFILES_VARIABLE])[:2])
    assert cpu == {"nodeSelector": {"pool": "users"}, "tolerations": kube["tolerations"]}
    assert gpu["nodeSelector"] == {"pool": "users"}
    assert {each["key"] for each in gpu["tolerations"]} == {"dedicated", "nvidia.com/gpu"}


async def test_in_a_shared_namespace_there_are_no_jobs(make):
    spawner = make(KubeSpawner={"enable_user_namespaces": False})
    pod = await pod_of(spawner)
    assert "serviceAccountName" not in pod["spec"]
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert "JUPYTER_KF_BACKEND" not in spawner.get_env()


async def test_the_right_to_run_jobs_is_refused_in_a_shared_namespace(make):
    spawner = make(job_rights=True, KubeSpawner={"enable_user_namespaces": False})
    with pytest.raises(SpawnException, match="job_rights needs enable_user_namespaces") as caught:
        await spawner.start()
    assert caught.value.status_code == 503


async def test_servers_of_a_profile_are_counted(make):
    limited = {"profiles": [{"name": "cpu", "max_per_user": 1}]}
    spawner = make(catalogue=limited)
    others = {
        "a": SimpleNamespace(active=True, choice=None, orm_spawner=SimpleNamespace(state={"profile": "cpu"})),
        "b": SimpleNamespace(active=False, choice=None, orm_spawner=None),
    }
    spawner.user.spawners = others | {"": spawner}
    with pytest.raises(SpawnException, match="You may have 1 server of the profile 'cpu' at once"):
        await spawner.load_user_options()
    del others["a"]
    spawner.user.spawners = others
    await spawner.load_user_options()


async def test_a_cluster_that_is_not_there_is_told_and_ends_nothing(make):
    spawner = make()
    with pytest.raises(SpawnException, match="The cluster does not answer the hub") as caught:
        await spawner.start()
    assert caught.value.status_code == 503
    with pytest.raises(SpawnException, match="The cluster does not answer the hub"):
        await spawner._start_watching_pods()  # where KubeSpawner ends the hub


async def test_a_wrong_change_of_the_file_changes_nothing(make, tmp_path):
    file = tmp_path / "profiles.yaml"
    file.write_text("profiles: 3")
    spawner = make(catalogue={}, catalogue_file=str(file))
    with pytest.raises(SpawnException, match="its log tells the administrator where") as caught:
        spawner.choose()
    assert caught.value.status_code == 503

    file.write_text("profiles: [{name: a}]")
    assert spawner.choose().offer.name == "a"
    file.write_text("profiles: 3")
    assert spawner.choose().offer.name == "a"
    file.write_text("profiles: [{name: b}]")
    spawner.user_options = {}
    assert spawner.choose().offer.name == "b"


async def test_who_waits_for_a_pod_is_told_at_its_change(make):
    spawner = make()
    reflector = NoticingPodReflector(parent=spawner, namespace="x", labels={})
    reflector.resources = {}  # as of the list with which it begins
    change, other = reflector.change("x/a"), reflector.change("x/b")
    reflector.resources["x/a"] = {}
    assert (change.done(), other.done()) == (True, False)
    reflector.resources = {"x/a": {}}  # as after a list
    assert other.done()
    again = reflector.change("x/a")
    reflector.resources["x/a"] = {}
    assert again.done()

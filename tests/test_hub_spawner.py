"""KFSpawner's pods without a cluster: the catalogue becomes pods, and KubeSpawner's options work."""

from __future__ import annotations

import asyncio
import json
import time
from types import SimpleNamespace

import pytest
from kubespawner.clients import load_config
from traitlets.config import Config

from jupyter_kf.hub.availability import Held, Node
from jupyter_kf.hub.noticing import NoticingPodReflector
from jupyter_kf.hub.refusals import SpawnException
from jupyter_kf.hub.spawner import KFSpawner
from jupyter_kf.hub.watching import Look
from jupyter_kf.profiles import PROFILES_VARIABLE, parse

NOWHERE = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "x",
    "clusters": [{"name": "x", "cluster": {"server": "https://127.0.0.1:1"}}],
    "users": [{"name": "x", "user": {}}],
    "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
}
CATALOGUE = {
    "profiles": [
        {"name": "cpu", "cpu": 2, "memory": "4Gi", "image": "small:1"},
        {
            "name": "gpu",
            "accelerator": {"vendor": "nvidia", "counts": [1, 2]},
            "memory": "8Gi",
            "shm": "1Gi",
            "queue": "gpus",
            "groups": ["vision"],
            "start_within": "20m",
        },
        {"name": "tpu", "accelerator": {"vendor": "google", "generation": "v6e", "topology": "2x2"}},
        {"name": "claim", "cpu": 1, "accelerator": {"device_class": "gpu.nvidia.com", "counts": [2]}},
    ]
}

IMAGES = [{"image": "x"}, {"image": "y"}]


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """A configuration of a cluster that is never asked."""
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(NOWHERE))
    monkeypatch.setattr("kubernetes_asyncio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(file))
    load_config.cache_clear()
    yield
    load_config.cache_clear()


@pytest.fixture
async def make():
    """Make a spawner of ana's with a configuration; its clients go with the test."""
    from kubespawner.clients import _client_cache

    def made(groups=(), options=None, **config):
        kube = config.pop("KubeSpawner", {})
        settings = Config(KFSpawner={"catalogue": CATALOGUE} | config, KubeSpawner=kube)
        groups = [SimpleNamespace(name=name) for name in groups]
        user = SimpleNamespace(name="ana", id=1, url="/user/ana/", groups=groups, spawners={})
        user.escaped_name, user.settings = "ana", {}
        hub = SimpleNamespace(
            public_host="", url="", base_url="/hub/", api_url="http://hub:8081/hub/api", server=None
        )
        spawner = KFSpawner(config=settings, user=user, hub=hub, _mock=True)
        spawner.user_options = options or {}
        return spawner

    yield made
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert not _client_cache


async def pod_of(spawner):
    await spawner.load_user_options()
    pod = await spawner.get_pod_manifest()
    return spawner.api.api_client.sanitize_for_serialization(pod)


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


async def test_a_list_of_the_administrators_own_works_and_is_checked(make):
    options = {"image": {"display_name": "Image", "choices": {"a": {"kubespawner_override": {"image": "x"}}}}}
    own = [{"display_name": "Own", "slug": "own", "profile_options": options}]
    pod = await pod_of(make(options={"image": "a"}, KubeSpawner={"profile_list": own}))
    assert pod["spec"]["containers"][0]["image"] == "x"
    with pytest.raises(SpawnException, match="has no choice 'b' of image"):
        await pod_of(make(options={"profile": "own", "image": "b"}, KubeSpawner={"profile_list": own}))


async def test_the_notebook_is_told_what_it_may_run_jobs_with(make):
    env = make(["vision"], store="s3://bucket/{username}").get_env()
    assert env["JUPYTER_KF_BACKEND"] == "kubernetes"
    assert env["JUPYTER_KF_STORE"] == "s3://bucket/ana"
    names = [profile.name for profile in parse(env[PROFILES_VARIABLE])]
    assert names == ["cpu", "gpu", "gpu-x2", "tpu", "claim"]
    assert "gpu" not in [profile.name for profile in parse(make().get_env()[PROFILES_VARIABLE])]


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


# Options that KubeSpawner documents, with a value, and where it must stand in the pod.
DOCUMENTED = [
    ("image", "x:2", "containers.0.image"),
    ("image_pull_policy", "Always", "containers.0.imagePullPolicy"),
    ("image_pull_secrets", [{"name": "s"}], "imagePullSecrets"),
    ("cmd", ["start"], "containers.0.args.0"),
    ("port", 9999, "containers.0.ports.0.containerPort"),
    ("node_selector", {"disk": "ssd"}, "nodeSelector"),
    ("tolerations", [{"key": "a", "operator": "Exists"}], "tolerations"),
    ("uid", 1000, "containers.0.securityContext.runAsUser"),
    ("gid", 100, "containers.0.securityContext.runAsGroup"),
    ("fs_gid", 100, "securityContext.fsGroup"),
    ("supplemental_gids", [5], "securityContext.supplementalGroups"),
    ("privileged", True, "containers.0.securityContext.privileged"),
    ("volumes", [{"name": "v", "emptyDir": {}}], "volumes"),
    ("volume_mounts", [{"name": "v", "mountPath": "/v"}], "containers.0.volumeMounts"),
    ("working_dir", "/work", "containers.0.workingDir"),
    ("cpu_guarantee", 0.5, "containers.0.resources.requests.cpu"),
    ("cpu_limit", 2, "containers.0.resources.limits.cpu"),
    ("extra_resource_limits", {"x.y/z": "1"}, "containers.0.resources.limits"),
    ("extra_resource_guarantees", {"x.y/z": "1"}, "containers.0.resources.requests"),
    ("lifecycle_hooks", {"preStop": {"exec": {"command": ["true"]}}}, "containers.0.lifecycle"),
    ("init_containers", [{"name": "i", "image": "j"}], "initContainers"),
    ("extra_containers", [{"name": "i", "image": "j"}], "containers.1.name=i"),
    ("extra_container_config", {"tty": True}, "containers.0.tty=True"),
    ("extra_pod_config", {"hostNetwork": True}, "hostNetwork=True"),
    ("service_account", "mine", "serviceAccountName"),
    ("automount_service_account_token", False, "automountServiceAccountToken"),
    ("scheduler_name", "own", "schedulerName"),
    ("priority_class_name", "high", "priorityClassName"),
    ("node_affinity_required", [{"matchExpressions": []}], "affinity.nodeAffinity"),
    ("pod_affinity_required", [{"topologyKey": "x"}], "affinity.podAffinity"),
    ("pod_anti_affinity_required", [{"topologyKey": "x"}], "affinity.podAntiAffinity"),
    ("container_security_context", {"readOnlyRootFilesystem": True}, "containers.0.securityContext"),
    ("pod_security_context", {"runAsUser": 7}, "securityContext"),
]


def found(value, path):
    for part in path.split("."):
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value


@pytest.mark.parametrize(("option", "value", "place"), DOCUMENTED, ids=[each[0] for each in DOCUMENTED])
async def test_an_option_of_kubespawner_works_as_there(make, option, value, place):
    """It is where it would be, and a profile that says nothing of it leaves it alone."""
    plain = {"profiles": [{"name": "plain"}]}
    spec = (await pod_of(make(catalogue=plain, KubeSpawner={option: value})))["spec"]
    path, _, expected = place.partition("=")
    seen = found(spec, path)
    if expected:
        assert str(seen) == expected
    elif isinstance(value, dict) and isinstance(seen, dict):
        assert seen.items() >= value.items()
    elif path.startswith("affinity"):
        assert seen
    else:
        assert seen in (value, [value], *(value if isinstance(value, list) else ()))


@pytest.mark.parametrize(
    ("option", "value", "place"),
    [
        ("extra_labels", {"team": "{username}"}, ("labels", "team", "ana")),
        ("common_labels", {"app": "hub"}, ("labels", "app", "hub")),
        ("extra_annotations", {"who": "{username}"}, ("annotations", "who", "ana")),
        ("component_label", "notebook", ("labels", "component", "notebook")),
    ],
)
async def test_labels_and_annotations_work_as_in_kubespawner(make, option, value, place):
    pod = await pod_of(make(KubeSpawner={option: value}))
    kind, key, expected = place
    assert pod["metadata"][kind][key] == expected


@pytest.mark.parametrize(
    ("option", "value", "attribute", "expected"),
    [
        ("user_namespace_template", "u-{username}", "namespace", "u-ana"),
        ("pod_name_template", "p-{username}", "pod_name", "p-ana"),
        ("pvc_name_template", "c-{username}", "pvc_name", "c-ana"),
        ("namespace", "fixed", "namespace", "user-ana"),
    ],
)
async def test_names_are_made_as_in_kubespawner(make, option, value, attribute, expected):
    assert getattr(make(KubeSpawner={option: value}), attribute) == expected


async def test_the_form_says_what_is_free(make):
    look = Look.shared()
    spawner = make(["vision"])
    page = await spawner._render_options_form_dynamically(spawner)
    assert page.count("How many are free is not known.") == 2  # of claims nodes know nothing

    labels = {"cloud.google.com/gke-tpu-accelerator": "tpu-v6e-slice"}
    labels["cloud.google.com/gke-tpu-topology"] = "2x2"
    look.nodes.update({"a": Node({"nvidia.com/gpu": 4}), "b": Node({"google.com/tpu": 4}, labels)})
    look.pods["x/y"] = Held("a", {"nvidia.com/gpu": 1})
    look._seen.update(node=time.monotonic(), pod_for_all_namespaces=time.monotonic())
    page = await spawner._render_options_form_dynamically(spawner)
    assert "3 free." in page and "4 free." in page

    quiet = make(["vision"], show_free=False)
    page = await quiet._render_options_form_dynamically(quiet)
    assert "3 free." not in page and "4 free." not in page


async def test_the_form_escapes_and_selects_what_was_chosen(make):
    catalogue = {
        "profiles": [{"name": "a", "title": "<b>", "description": "&"}, {"name": "b", "images": IMAGES}]
    }
    page = await (spawner := make(catalogue=catalogue))._render_options_form_dynamically(spawner)
    assert "&lt;b&gt;" in page and "<b>" not in page
    assert page.count(" checked") == 1 and page.index(" checked") < page.index("profile-item-b")

    spawner.user_options = {"profile": "b", "image": "image-2"}
    page = await spawner._render_options_form_dynamically(spawner)
    assert page.count(" checked") == 1 and page.index(" checked") > page.index("profile-item-b")
    assert '<option value="image-2" selected>' in page

    for stale in ({"profile": "gone"}, {"profile": "b", "image": "gone"}):
        spawner.user_options = stale
        page = await spawner._render_options_form_dynamically(spawner)
        assert (page.count(" checked"), page.count(" selected")) == (1, 1)


async def test_who_is_offered_nothing_is_told_so(make):
    spawner = make(catalogue={"profiles": [{"name": "a", "groups": ["x"]}]})
    assert "No profile is offered to you." in await spawner._render_options_form_dynamically(spawner)


async def test_a_shared_namespace_is_told_on_the_page(make):
    spawner = make(KubeSpawner={"enable_user_namespaces": False})
    assert "cells cannot be sent" in await spawner._render_options_form_dynamically(spawner)


async def test_a_list_of_the_administrators_own_has_kubespawners_page(make):
    free = {"enabled": True, "display_name": "Any image", "validation_regex": "x"}
    own = [{"display_name": "Own", "profile_options": {"i": {"display_name": "I", "unlisted_choice": free}}}]
    own[0]["profile_options"]["i"]["choices"] = {"a": {"display_name": "A"}}
    spawner = make(catalogue={}, KubeSpawner={"profile_list": own})
    assert "Any image" in spawner.options_form


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

"""What KubeSpawner documents works on KFSpawner as it does there."""

from __future__ import annotations

import pytest

from jupyter_kf.hub.refusals import SpawnException
from tests.spawners import make, nowhere, pod_of

__all__ = ["make", "nowhere"]

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


# What the chart sets where nobody says otherwise; see its files/hub/jupyterhub_config.py.
CHART = {
    **{"profile_list": [], "node_selector": {}, "init_containers": [], "extra_resource_limits": {}},
    **{"environment": {}, "extra_labels": {"hub.jupyter.org/network-access-hub": "true"}},
    **{"uid": 1000, "fs_gid": 100, "mem_guarantee": "1G", "scheduler_name": "user-scheduler"},
    "tolerations": [{"key": "hub.jupyter.org/dedicated", "value": "user", "effect": "NoSchedule"}],
    "volumes": {"volume-x": {"name": "volume-x", "persistentVolumeClaim": {"claimName": "{pvc_name}"}}},
    "volume_mounts": {"volume-x": {"mountPath": "/home/jovyan", "name": "volume-x", "subPath": None}},
}


async def test_what_the_chart_sets_leaves_the_catalogue_as_it_is(make):
    """Its list of profiles is empty, not absent; its home volume and tolerations stay."""
    spawner = make(["vision"], {"profile": "gpu", "count": "2"}, KubeSpawner=CHART)
    assert spawner.choose().count == 2
    spec = (await pod_of(spawner))["spec"]
    assert spec["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "2"
    assert [each["name"] for each in spec["volumes"]] == ["shm", "volume-x"]
    assert [each["key"] for each in spec["tolerations"]] == ["hub.jupyter.org/dedicated", "nvidia.com/gpu"]


async def test_a_list_of_the_administrators_own_has_kubespawners_page(make):
    free = {"enabled": True, "display_name": "Any image", "validation_regex": "x"}
    own = [{"display_name": "Own", "profile_options": {"i": {"display_name": "I", "unlisted_choice": free}}}]
    own[0]["profile_options"]["i"]["choices"] = {"a": {"display_name": "A"}}
    spawner = make(catalogue={}, KubeSpawner={"profile_list": own})
    assert "Any image" in spawner.options_form


async def test_a_list_of_the_administrators_own_works_and_is_checked(make):
    options = {"image": {"display_name": "Image", "choices": {"a": {"kubespawner_override": {"image": "x"}}}}}
    own = [{"display_name": "Own", "slug": "own", "profile_options": options}]
    pod = await pod_of(make(options={"image": "a"}, KubeSpawner={"profile_list": own}))
    assert pod["spec"]["containers"][0]["image"] == "x"
    with pytest.raises(SpawnException, match="has no choice 'b' of image"):
        await pod_of(make(options={"profile": "own", "image": "b"}, KubeSpawner={"profile_list": own}))

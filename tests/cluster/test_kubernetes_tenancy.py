"""A user's namespace on a real cluster: made once, repaired whenever it was changed, and nobody else's."""

from __future__ import annotations

import asyncio
import json
import secrets

import pytest
from kubernetes_asyncio import config

from jupyter_kf.errors import Forbidden
from jupyter_kf.hub import tenancy
from jupyter_kf.hub.namespaces import Tenant
from jupyter_kf.hub.offers import Allowance, read

pytestmark = pytest.mark.cluster

KINDS = "serviceaccount,role,rolebinding,resourcequota,limitrange,networkpolicy,resourceclaimtemplate"
CLAIM = "{device_class: gpu.nvidia.com, selector: 'device.driver == \"gpu.nvidia.com\"', counts: [1, 2]}"
OFFERS = read(f"profiles:\n  - name: claim\n    accelerator: {CLAIM}\n").offers
ALLOWANCE = Allowance(cpu=4, memory=8 << 30, pods=5, accelerators={"nvidia.com/gpu": 2})


@pytest.fixture
async def ensure(kubeconfig):
    """Bring a namespace about, with an administrator's rights."""
    await config.load_kube_config(config_file=str(kubeconfig))
    yield tenancy.ensure
    clients = asyncio.all_tasks() - {asyncio.current_task()}
    for task in clients:
        task.cancel()
    await asyncio.gather(*clients, return_exceptions=True)


@pytest.fixture
def tenant(cluster):
    name = f"of-ana-{secrets.token_hex(3)}"
    yield Tenant("ana", name, "jhub", allowance=ALLOWANCE, offers=OFFERS, api_server=(("10.0.0.1", 443),))
    cluster.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")


@pytest.fixture
def seen(cluster, tenant):
    """What is in the namespace of ours: name and kind, with the version that each change makes new."""

    def look():
        mine = ("-l", "app.kubernetes.io/managed-by=jupyter-kf", "-o", "json")
        found = json.loads(cluster.kubectl("-n", tenant.namespace, "get", KINDS, *mine))
        return {(each["kind"], each["metadata"]["name"]): each for each in found["items"]}

    return look


async def test_a_second_time_changes_nothing(cluster, ensure, tenant, seen):
    await ensure(tenant)
    assert {kind for kind, _ in seen()} == {
        *("ServiceAccount", "Role", "RoleBinding", "ResourceQuota", "LimitRange"),
        *("NetworkPolicy", "ResourceClaimTemplate"),
    }
    quota = ("-n", tenant.namespace, "get", "resourcequota", "jupyter-kf", "-o", "json")
    cluster.wait_for("the quota's own count", *quota, answer='"used"')
    before = {key: each["metadata"]["resourceVersion"] for key, each in seen().items()}
    await ensure(tenant)
    assert {key: each["metadata"]["resourceVersion"] for key, each in seen().items()} == before


async def test_what_was_changed_is_repaired(cluster, ensure, tenant, seen):
    await ensure(tenant)
    before = {key: each.get("rules") or each.get("spec") for key, each in seen().items()}
    here = ("-n", tenant.namespace)
    more = {"rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["*"]}]}
    cluster.kubectl(*here, "patch", "role", "jupyter-kf", "--type=merge", "-p", json.dumps(more))
    cluster.kubectl(*here, "delete", "networkpolicy,rolebinding,limitrange", "jupyter-kf")
    hard = {"spec": {"hard": {"requests.nvidia.com/gpu": "100"}}}
    cluster.kubectl(*here, "patch", "resourcequota", "jupyter-kf", "--type=merge", "-p", json.dumps(hard))
    label = "pod-security.kubernetes.io/enforce"
    cluster.kubectl("label", "namespace", tenant.namespace, f"{label}=privileged", "--overwrite")

    await ensure(tenant)

    assert {key: each.get("rules") or each.get("spec") for key, each in seen().items()} == before
    with pytest.raises(RuntimeError, match='violates PodSecurity "restricted'):
        cluster.kubectl(*here, "run", "x", "--image=x", "--privileged")


async def test_what_is_not_limited_any_more_is_free_again(ensure, tenant, seen):
    await ensure(tenant)
    await ensure(Tenant("ana", tenant.namespace, "jhub"))
    assert not seen()["ResourceQuota", "jupyter-kf"]["spec"].get("hard")
    assert not seen()["LimitRange", "jupyter-kf"]["spec"].get("limits")


async def test_a_namespace_of_others_is_never_taken_over(cluster, ensure, tenant):
    cluster.kubectl("create", "namespace", tenant.namespace)
    with pytest.raises(Forbidden, match="was not made for a user of this hub"):
        await ensure(tenant)
    cluster.kubectl("label", "namespace", tenant.namespace, "jupyter-kf/user=bo")
    with pytest.raises(Forbidden, match="belongs to the user 'bo'"):
        await ensure(tenant)
    cluster.kubectl("label", "namespace", tenant.namespace, "jupyter-kf/user=ana", "--overwrite")
    await ensure(tenant)

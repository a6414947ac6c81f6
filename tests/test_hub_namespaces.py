"""What stands in a user's namespace."""

from __future__ import annotations

import pytest

from jupyter_kf.hub.namespaces import Tenant, contents, namespace
from jupyter_kf.hub.offers import Allowance, read
from jupyter_kf.names import label_value

TENANT = Tenant("Ana B", "jhub-ana", "jhub", api_server=(("10.0.0.1", 6443), ("fd00::1", 6443)))


def made(tenant, kind):
    return [each for each in contents(tenant) if each["kind"] == kind]


def test_the_namespace_is_the_users_and_admits_no_privileges():
    labels = namespace(TENANT)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert labels["jupyter-kf/user"] == label_value("Ana B")


def test_labels_of_the_administrator_cannot_weaken_it():
    tenant = Tenant("ana", "x", "jhub", labels={"pod-security.kubernetes.io/enforce": "privileged", "a": "b"})
    labels = namespace(tenant)["metadata"]["labels"]
    assert (labels["pod-security.kubernetes.io/enforce"], labels["a"]) == ("restricted", "b")


def test_the_account_may_run_jobs_and_read_no_secrets():
    [role] = made(TENANT, "Role")
    rules = {rule["resources"][0]: rule["verbs"] for rule in role["rules"]}
    kinds = {"jobs", "cronjobs", "services", "pods", "pods/log", "events", "persistentvolumeclaims"}
    kinds.add("localqueues/pendingworkloads")
    assert set(rules) == kinds
    assert "create" not in rules["pods"]
    [binding] = made(TENANT, "RoleBinding")
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "jupyter-kf", "namespace": "jhub-ana"}]
    [account] = made(TENANT, "ServiceAccount")
    assert account["automountServiceAccountToken"] is False


def test_without_the_right_there_is_no_account():
    tenant = Tenant("ana", "x", "jhub", with_rights=False)
    assert {each["kind"] for each in contents(tenant)} == {"NetworkPolicy", "ResourceQuota", "LimitRange"}


def test_all_objects_are_in_the_namespace():
    tenant = Tenant("ana", "x", "jhub", allowance=Allowance(cpu=1))
    assert {each["metadata"]["namespace"] for each in contents(tenant)} == {"x"}


def test_the_allowance_is_the_quota():
    devices = {"gpu.example.com": 1}
    allowance = Allowance(4.5, 8 << 30, pods=5, accelerators={"nvidia.com/gpu": 2}, devices=devices)
    tenant = Tenant("ana", "x", "jhub", allowance=allowance)
    [quota] = made(tenant, "ResourceQuota")
    assert quota["spec"]["hard"] == {
        "requests.nvidia.com/gpu": "2",
        "gpu.example.com.deviceclass.resource.k8s.io/devices": "1",
        "requests.cpu": "4.5",
        "limits.cpu": "4.5",
        "requests.memory": str(8 << 30),
        "limits.memory": str(8 << 30),
        "pods": "5",
    }
    [unsaid] = made(tenant, "LimitRange")
    [limit] = unsaid["spec"]["limits"]
    assert limit["default"] == limit["defaultRequest"] == {"cpu": "1", "memory": "2Gi"}


def test_without_an_allowance_nothing_is_limited():
    [quota], [unsaid] = made(TENANT, "ResourceQuota"), made(TENANT, "LimitRange")
    assert (quota["spec"], unsaid["spec"]) == ({"hard": {}}, {"limits": []})


def test_pods_are_closed_to_other_users():
    pods, notebooks, _ = (each["spec"] for each in made(TENANT, "NetworkPolicy"))
    assert pods["podSelector"] == {}
    [own] = pods["ingress"]
    assert own["from"] == [{"podSelector": {}}]
    assert own["ports"] == [{"protocol": "TCP", "port": 2220, "endPort": 2999}]
    [hub] = notebooks["ingress"]
    assert hub["from"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "jhub"}}}]
    assert hub["ports"] == [{"protocol": "TCP", "port": 8888}]


def test_only_notebooks_reach_the_hub_and_they_and_schedules_the_api_server():
    pods, notebooks, launchers = (each["spec"] for each in made(TENANT, "NetworkPolicy"))
    targets = [each["to"][0] for each in notebooks["egress"][1:]]
    assert targets == [{"ipBlock": {"cidr": "10.0.0.1/32"}}, {"ipBlock": {"cidr": "fd00::1/128"}}]
    assert launchers["egress"] == notebooks["egress"][1:]
    assert launchers["podSelector"] == {"matchLabels": {"jupyter-kf/part": "launcher"}}
    public = next(each["to"][0]["ipBlock"] for each in pods["egress"] if "ipBlock" in each["to"][0])
    assert "10.0.0.0/8" in public["except"]


def test_more_ways_out_may_be_given():
    rule = {"to": [{"ipBlock": {"cidr": "10.1.2.3/32"}}]}
    tenant = Tenant("ana", "x", "jhub", egress=(rule,))
    assert rule in made(tenant, "NetworkPolicy")[0]["spec"]["egress"]


@pytest.mark.parametrize("count", [1, 2])
def test_claims_are_made_from_templates(count):
    device = "{device_class: gpu.nvidia.com, selector: 'device.attributes.x', counts: [1, 2]}"
    offers = read(f"profiles:\n  - name: a\n    accelerator: {device}\n").offers
    templates = made(Tenant("ana", "x", "jhub", offers=offers), "ResourceClaimTemplate")
    [found] = [each for each in templates if each["metadata"]["name"] == f"a-x{count}"]
    [request] = found["spec"]["spec"]["devices"]["requests"]
    assert request["exactly"]["deviceClassName"] == "gpu.nvidia.com"
    assert request["exactly"]["count"] == count
    assert request["exactly"]["selectors"] == [{"cel": {"expression": "device.attributes.x"}}]

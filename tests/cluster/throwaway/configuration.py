"""The configuration files of a cluster's programs and the objects of its DNS, as functions of the plan."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from throwaway.plan import Plan

PAUSE_IMAGE = "throwaway.local/pause:1"
CNI_FOLDERS = ("/usr/lib/cni", "/opt/cni/bin")


def containerd_socket(plan: Plan, node: str) -> str:
    return f"{plan.node_folder(node)}/containerd.sock"


def corefile(plan: Plan) -> str:
    """CoreDNS runs on the first node itself, not in a pod; a Service leads to it."""
    return f"""\
.:53 {{
    bind {plan.address("n1")}
    errors
    ready 127.0.0.1:8181
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {plan.pki}/dns.conf
        ttl 1
    }}
    cache 1
    loadbalance
}}
"""


def dns_objects(plan: Plan) -> dict[str, Any]:
    """What the cluster must know of its DNS: who may read the names, and where the Service leads."""
    rules = [
        {"apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    ]
    rbac, name = "rbac.authorization.k8s.io", {"name": "throwaway:dns"}
    ports = [{"name": protocol.lower(), "port": 53, "protocol": protocol} for protocol in ("UDP", "TCP")]
    service = {"name": "kube-dns", "namespace": "kube-system"}
    piece = {
        "name": "kube-dns-1",
        "namespace": "kube-system",
        "labels": {"kubernetes.io/service-name": "kube-dns"},
    }
    items: list[dict[str, Any]] = [
        {"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": name, "rules": rules},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": name,
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", **name},
            "subjects": [{"apiGroup": rbac, "kind": "User", "name": "dns"}],
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": service,
            "spec": {"clusterIP": plan.dns_service, "ports": ports},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": piece,
            "addressType": "IPv4",
            "endpoints": [{"addresses": [plan.address("n1")]}],
            "ports": ports,
        },
    ]
    return {"apiVersion": "v1", "kind": "List", "items": items}


def kubelet_config(plan: Plan, node: str) -> dict[str, Any]:
    folder = plan.node_folder(node)
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": plan.address(node),
        "containerRuntimeEndpoint": f"unix://{containerd_socket(plan, node)}",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{plan.pki}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,
        "failSwapOn": False,
        "oomScoreAdj": 0,  # lowering it takes a right that a container on the machine may lack
        "clusterDNS": [plan.dns_service],
        "clusterDomain": "cluster.local",
        "resolvConf": f"{folder}/resolv.conf",
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "nodeStatusUpdateFrequency": "4s",
        "nodeLeaseDurationSeconds": min(40, plan.grace),
        "volumePluginDir": f"{folder}/volume-plugins",
        "syncFrequency": "10s",
        "volumeStatsAggPeriod": "2s",
        "kubeAPIQPS": 500,
        "kubeAPIBurst": 1000,
        "serializeImagePulls": False,
    }


def proxy_config(plan: Plan, node: str) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": f"{plan.pki}/proxy.conf"},
        "mode": "nftables",
        "detectLocalMode": "BridgeInterface",
        "detectLocal": {"bridgeInterface": "cni0"},
        "hostnameOverride": node,
        "oomScoreAdj": 0,
        # the machine's own settings of connection tracking stay as they are
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }


def network_config(plan: Plan, node: str) -> dict[str, Any]:
    """Pods keep their own addresses towards other nodes and the machine, which have routes to them."""
    address = {
        "type": "host-local",
        "ranges": [[{"subnet": plan.pods(node)}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": f"{plan.node_folder(node)}/addresses",
    }
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "ipMasq": False,
        "hairpinMode": True,
        "ipam": address,
    }
    return {"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge]}


def containerd_config(plan: Plan, node: str, major: int, snapshotter: str) -> str:
    """containerd's configuration; its version 2 renamed the sections and the keys."""
    folder = plan.node_folder(node)
    cni = next((each for each in CNI_FOLDERS if Path(each, "bridge").exists()), CNI_FOLDERS[0])
    places = f'root = "{folder}/containerd"\nstate = "{folder}/state"\n'
    head = f'{places}[grpc]\naddress = "{containerd_socket(plan, node)}"\n'
    if major < 2:
        cri = 'plugins."io.containerd.grpc.v1.cri"'
        return f"""version = 2
{head}
[{cri}]
sandbox_image = "{PAUSE_IMAGE}"
restrict_oom_score_adj = true
[{cri}.containerd]
snapshotter = "{snapshotter}"
[{cri}.cni]
bin_dir = "{cni}"
conf_dir = "{folder}/cni"
"""
    images, runtime = 'plugins."io.containerd.cri.v1.images"', 'plugins."io.containerd.cri.v1.runtime"'
    return f"""version = 3
{head}
[{images}]
snapshotter = "{snapshotter}"
[{images}.pinned_images]
sandbox = "{PAUSE_IMAGE}"
[{runtime}]
restrict_oom_score_adj = true
[{runtime}.cni]
bin_dirs = ["{cni}"]
conf_dir = "{folder}/cni"
"""


def write_node(plan: Plan, node: str, major: int, snapshotter: str) -> None:
    """The configuration files of one node."""
    folder = plan.node_folder(node)
    (folder / "cni").mkdir(parents=True)
    (folder / "resolv.conf").touch()
    (folder / "sick").touch()
    (folder / "kubelet.json").write_text(json.dumps(kubelet_config(plan, node)))
    (folder / "proxy.json").write_text(json.dumps(proxy_config(plan, node)))
    (folder / "cni" / "pods.conflist").write_text(json.dumps(network_config(plan, node)))
    (folder / "containerd.toml").write_text(containerd_config(plan, node, major, snapshotter))

"""The programs of a cluster with their arguments, as pure functions of the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from throwaway.plan import Plan


def _with_options(plan: Plan, name: str, *arguments: str) -> list[str]:
    return [plan.program(name), *arguments, *plan.options.get(name, [])]


def etcd(plan: Plan) -> list[str]:
    url = "http://127.0.0.1:2379"
    urls = (
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        "--listen-peer-urls=http://127.0.0.1:2380",
    )
    data = f"--data-dir={plan.folder / 'etcd'}"
    return _with_options(plan, "etcd", data, *urls, "--unsafe-no-fsync", "--log-level=warn")


def apiserver(plan: Plan) -> list[str]:
    pki = plan.pki
    return _with_options(
        plan,
        "kube-apiserver",
        "--etcd-servers=http://127.0.0.1:2379",
        f"--advertise-address={plan.address('n1')}",
        f"--bind-address={plan.address('n1')}",
        "--secure-port=6443",
        f"--service-cluster-ip-range={plan.services}",
        f"--client-ca-file={pki}/ca.crt",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        f"--kubelet-client-certificate={pki}/kubelet-client.crt",
        f"--kubelet-client-key={pki}/kubelet-client.key",
        "--kubelet-preferred-address-types=InternalIP",
        f"--service-account-key-file={pki}/tokens.pub",
        f"--service-account-signing-key-file={pki}/tokens.key",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--requestheader-client-ca-file={pki}/ca.crt",
        "--requestheader-allowed-names=front-proxy",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={pki}/front-proxy.crt",
        f"--proxy-client-key-file={pki}/front-proxy.key",
    )


def controllers(plan: Plan) -> list[str]:
    grace = (
        (f"--node-monitor-grace-period={plan.grace}s", "--node-monitor-period=1s") if plan.grace < 40 else ()
    )
    return _with_options(
        plan,
        "kube-controller-manager",
        f"--kubeconfig={plan.pki}/controllers.conf",
        f"--service-account-private-key-file={plan.pki}/tokens.key",
        f"--root-ca-file={plan.pki}/ca.crt",
        "--use-service-account-credentials=true",
        "--leader-elect=false",
        "--allocate-node-cidrs=false",
        "--pvclaimbinder-sync-period=1s",
        f"--flex-volume-plugin-dir={plan.folder}/volume-plugins",
        "--kube-api-qps=500",  # its own default limit would cost seconds of the start
        "--kube-api-burst=1000",
        "--bind-address=127.0.0.1",
        *grace,
    )


def scheduler(plan: Plan) -> list[str]:
    limits = ("--kube-api-qps=500", "--kube-api-burst=1000")
    own = (f"--kubeconfig={plan.pki}/scheduler.conf", "--leader-elect=false", "--bind-address=127.0.0.1")
    return _with_options(plan, "kube-scheduler", *own, *limits)


def kubelet(plan: Plan, node: str) -> list[str]:
    folder = plan.node_folder(node)
    own = (
        f"--config={folder}/kubelet.json",
        f"--kubeconfig={plan.pki}/{node}.conf",
        f"--cert-dir={folder}/pki",
    )
    where = (f"--node-ip={plan.address(node)}", f"--hostname-override={node}")
    return _with_options(plan, "kubelet", *own, *where)


def proxy(plan: Plan, node: str) -> list[str]:
    return _with_options(plan, "kube-proxy", f"--config={plan.node_folder(node)}/proxy.json")


def coredns(plan: Plan) -> list[str]:
    return _with_options(plan, "coredns", "-conf", f"{plan.folder}/Corefile")


def device_plugin(plan: Plan, node: str, resource: str, count: int) -> list[str]:
    variable = "TPU_VISIBLE_CHIPS" if "tpu" in resource else "NVIDIA_VISIBLE_DEVICES"
    what = (f"-resource={resource}", f"-count={count}", f"-variable={variable}")
    return _with_options(plan, "device-plugin", *what, f"-sick={plan.node_folder(node)}/sick")


def containerd(plan: Plan, node: str) -> list[str]:
    return ["containerd", "-c", f"{plan.node_folder(node)}/containerd.toml"]

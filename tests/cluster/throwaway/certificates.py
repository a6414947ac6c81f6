"""The cluster's certificate authority, a certificate for everyone in it, and the kubeconfigs made of them."""

from __future__ import annotations

import base64
import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from throwaway.plan import Plan

_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "365")
_PEOPLE = {
    "admin": "/O=system:masters/CN=admin",
    "kubelet-client": "/O=system:masters/CN=kube-apiserver-kubelet-client",
    "front-proxy": "/CN=front-proxy",
    "controllers": "/CN=system:kube-controller-manager",
    "scheduler": "/CN=system:kube-scheduler",
    "proxy": "/CN=system:kube-proxy",
    "dns": "/CN=dns",
}


def _openssl(*arguments: str | Path) -> None:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise RuntimeError(f"openssl {arguments[0]} failed: {done.stderr.strip()}")


def _sign(folder: Path, name: str, subject: str, *extensions: str) -> None:
    """A key and a certificate of the authority; without extensions it is one of a client."""
    authority = ("-CA", folder / "ca.crt", "-CAkey", folder / "ca.key")
    files = ("-keyout", folder / f"{name}.key", "-out", folder / f"{name}.crt")
    added = [word for each in extensions or ("extendedKeyUsage=clientAuth",) for word in ("-addext", each)]
    usage = ("-addext", "basicConstraints=critical,CA:FALSE", "-addext", "keyUsage=digitalSignature")
    _openssl("req", "-x509", *_NEW_KEY, *authority, "-subj", subject, *usage, *added, *files)


def kubeconfig(plan: Plan, name: str, namespace: str = "default") -> Path:
    """Write the kubeconfig of one who has a certificate (JSON is YAML). It names no file but itself."""
    context = {"cluster": "throwaway", "user": name, "namespace": namespace}
    cluster = {"server": plan.server, "certificate-authority-data": _base64(plan.pki / "ca.crt")}
    user = {
        "client-certificate-data": _base64(plan.pki / f"{name}.crt"),
        "client-key-data": _base64(plan.pki / f"{name}.key"),
    }
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "throwaway",
        "clusters": [{"name": "throwaway", "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": "throwaway", "context": context}],
    }
    path = plan.pki / f"{name}.conf"
    path.touch(mode=0o600)
    path.write_text(json.dumps(config, indent=1))
    return path


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def add_node(plan: Plan, node: str) -> None:
    """The certificate and kubeconfig of a node's kubelet."""
    _sign(plan.pki, node, f"/O=system:nodes/CN=system:node:{node}")
    kubeconfig(plan, node)


def make(plan: Plan) -> None:
    """Everything for a new cluster but what belongs to nodes."""
    folder = plan.pki
    folder.mkdir(mode=0o700, parents=True)
    files = ("-keyout", folder / "ca.key", "-out", folder / "ca.crt")
    _openssl("req", "-x509", *_NEW_KEY, "-subj", "/CN=throwaway-ca", *files)
    names = [
        f"DNS:kubernetes{rest}" for rest in ("", ".default", ".default.svc", ".default.svc.cluster.local")
    ]
    addresses = [f"IP:{each}" for each in ("127.0.0.1", plan.address("n1"), plan.kubernetes_service)]
    alternatives = "subjectAltName=" + ",".join(addresses + names)
    with ThreadPoolExecutor() as pool:
        jobs = [pool.submit(_sign, folder, name, subject) for name, subject in _PEOPLE.items()]
        server = ("/CN=kube-apiserver", "extendedKeyUsage=serverAuth", alternatives)
        jobs.append(pool.submit(_sign, folder, "apiserver", *server))
        jobs.append(pool.submit(_openssl, "genrsa", "-out", folder / "tokens.key", "2048"))
        for job in jobs:
            job.result()
    _openssl("rsa", "-in", folder / "tokens.key", "-pubout", "-out", folder / "tokens.pub")
    for name in ("admin", "controllers", "scheduler", "proxy", "dns"):
        kubeconfig(plan, name)

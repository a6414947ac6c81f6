"""A real hub with KFSpawner, over a cluster of which there are lists of nodes and of pods and no more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from tests.conftest import wait_until

from .hub import PASSWORD, PROXY
from .lab import START, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CATALOGUE = """\
per_user: {accelerators: {nvidia.com/gpu: 4}}
profiles:
  - name: cpu
    title: Four cores
    description: For looking at <data>.
    cpu: 4
    memory: 16Gi
  - name: gpu
    title: NVIDIA GPU
    accelerator: {vendor: nvidia, counts: [1, 2, 4]}
    images: [{image: tf:1, title: TensorFlow}, {image: jax:1, title: JAX}]
    queue: gpus
  - name: amd
    title: AMD GPU
    accelerator: {vendor: amd}
  - name: tpu
    title: TPU v5e
    accelerator: {vendor: google, generation: v5e, topology: 2x4}
    grows_to: 32
"""
CONFIG = """\
c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{hub}"
c.JupyterHub.db_url = "sqlite:///{folder}/hub.sqlite"
c.JupyterHub.cookie_secret_file = "{folder}/cookie"
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = "{password}"
c.Authenticator.allow_all = True
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api}"
c.ConfigurableHTTPProxy.command = ["{proxy}"]
c.ConfigurableHTTPProxy.pid_file = "{folder}/proxy.pid"
c.JupyterHub.spawner_class = "kf"
c.KFSpawner.catalogue_file = "{folder}/profiles.yaml"
c.KubeSpawner.user_namespace_template = "jhub-{{username}}"
"""


def node(name: str, **devices: int) -> dict[str, Any]:
    amounts = {f"{vendor}.com/gpu": str(count) for vendor, count in devices.items()}
    status = {"allocatable": amounts, "conditions": [{"type": "Ready", "status": "True"}]}
    return {"metadata": {"name": name}, "spec": {}, "status": status}


def pod(namespace: str, device: str, count: int) -> dict[str, Any]:
    container = {"resources": {"limits": {device: str(count)}}}
    spec = {"nodeName": "a", "containers": [container]}
    return {"metadata": {"name": f"of-{namespace}", "namespace": namespace}, "spec": spec, "status": {}}


class Cluster(ThreadingHTTPServer):
    """The API server: `nodes` None means that the hub may not see them."""

    daemon_threads = True

    def __init__(self, nodes: list[dict[str, Any]] | None, pods: list[dict[str, Any]]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects = {"nodes": nodes, "pods": pods}
        self.ending = threading.Event()


class _Handler(BaseHTTPRequestHandler):
    server: Cluster

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        *_, place, kind = ["", *url.path.strip("/").split("/")]
        objects = self.server.objects.get(kind)
        if objects is None:
            return self._say(403 if kind in self.server.objects else 404, {"message": "no"})
        if "watch" in parse_qs(url.query):
            self.send_response(200)
            self.end_headers()
            self.server.ending.wait()
            return None
        mine = [each for each in objects if place == "v1" or each["metadata"]["namespace"] == place]
        return self._say(200, {"metadata": {"resourceVersion": "1"}, "items": mine})

    def _say(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Keep the tests' output clean."""


@contextmanager
def spawn_hub(folder: Path, nodes: list[dict[str, Any]] | None, pods: list[dict[str, Any]]) -> Iterator[str]:
    """Run the hub; gives its address."""
    folder.mkdir()
    cluster = Cluster(nodes, pods)
    threading.Thread(target=cluster.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{cluster.server_port}"
    entry = {"cluster": {"server": url}, "user": {}, "context": {"cluster": "x", "user": "x"}}
    kubeconfig = {"apiVersion": "v1", "kind": "Config", "current-context": "x"}
    for kind, value in entry.items():
        kubeconfig[f"{kind}s"] = [{"name": "x", kind: value}]  # type: ignore[assignment]
    (folder / "kubeconfig").write_text(json.dumps(kubeconfig))
    (folder / "profiles.yaml").write_text(CATALOGUE)
    ports = {"port": free_port(), "hub": free_port(), "api": free_port()}
    text = CONFIG.format(folder=folder, password=PASSWORD, proxy=PROXY, **ports)
    (folder / "config.py").write_text(text)
    front = f"http://127.0.0.1:{ports['port']}/hub"
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterhub", "-f", "config.py"],
            env=os.environ | {"KUBECONFIG": str(folder / "kubeconfig")},
            stdout=log,
            stderr=log,
            cwd=folder,
        )

    def answers() -> bool:
        assert process.poll() is None, (folder / "log").read_text()[-3000:]
        try:
            with urllib.request.urlopen(f"{front}/api", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    try:
        wait_until(answers, "the hub did not start", START)
        yield front
    finally:
        process.terminate()
        process.wait(30)
        cluster.ending.set()
        cluster.shutdown()
        cluster.server_close()

"""A real JupyterHub with its real proxy on the machine; its users' servers are pods of the cluster.

The hub has the rights of hub_config/rbac.yaml and no more: it acts as the ServiceAccount bound there.
JUPYTER_KF_TEST_HUB names the Python of another environment for the hub, as with an older JupyterHub; the
servers of users keep this one's.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cells import execute
from replicas import CODE
from throwaway.images import PYTHON_IMAGE, USER
from websocket import create_connection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from throwaway.client import Cluster

NAMESPACE = "jhub"
KIT = CODE / "hub_config"
PROXY = CODE / "labextension/node_modules/.bin/configurable-http-proxy"
HUB_PYTHON = os.environ.get("JUPYTER_KF_TEST_HUB", sys.executable)
TOKEN = secrets.token_hex(16)
PLACES = {"environment": Path(sys.prefix), "code": CODE}
CONFIG = """\
c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.hub_bind_url = "http://{address}:{hub_port}"
c.JupyterHub.db_url = "sqlite:///{folder}/hub.sqlite"
c.JupyterHub.cookie_secret_file = "{folder}/cookie"
c.JupyterHub.cleanup_servers = False
c.JupyterHub.activity_resolution = 1  # the limits here are seconds
c.JupyterHub.allow_named_servers = True
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = "{token}"
c.Authenticator.allow_all = True
c.Authenticator.delete_invalid_users = False
c.JupyterHub.load_groups = {{"vision": {{"users": ["ana"]}}, "brief": {{"users": ["cara"]}}}}
c.JupyterHub.load_groups["queues"] = {{"users": ["gil", "hana"]}}
c.JupyterHub.services = [{{"name": "tests", "api_token": "{token}"}}]
scopes = ["admin:users", "admin:servers", "access:servers", "read:metrics"]
c.JupyterHub.load_roles = [{{"name": "tests", "services": ["tests"], "scopes": scopes}}]
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api_port}"
c.ConfigurableHTTPProxy.command = ["{proxy}"]
c.ConfigurableHTTPProxy.pid_file = "{folder}/proxy.pid"
c.KFSpawner.catalogue_file = "{folder}/profiles.yaml"
c.KubeSpawner.user_namespace_template = "jhub-{{username}}"
c.KubeSpawner.image = "{image}"
c.KubeSpawner.image_pull_policy = "Never"
c.KubeSpawner.cmd = ["{python}", "-m", "jupyterhub.singleuser"]
c.KubeSpawner.uid = c.KubeSpawner.fs_gid = {user}
c.KubeSpawner.gid = {user}
c.KubeSpawner.storage_pvc_ensure = True
c.KubeSpawner.storage_class = "home"
c.KubeSpawner.storage_capacity = "1Gi"
c.KubeSpawner.pvc_name_template = "home"
c.KubeSpawner.working_dir = "/home/{{username}}"
c.KubeSpawner.environment = {{"HOME": "/home/{{username}}", "PYTHONPATH": "{code}"}}
c.KubeSpawner.environment["JUPYTERHUB_ACTIVITY_INTERVAL"] = "2"
c.KubeSpawner.volumes = {volumes}
c.KubeSpawner.volume_mounts = [{{"name": "home", "mountPath": "/home/{{username}}"}}] + {mounts}
c.KubeSpawner.start_timeout = 120
c.Spawner.http_timeout = 120
c.Spawner.poll_interval = 2
from jupyter_kf.hub.setup import complete
complete(c, cull_every=2)
"""
PER_USER = {
    "pods": 8,
    "accelerators": {"nvidia.com/gpu": 2, "google.com/tpu": 4},
    "devices": {"gpu.example.com": 2},
}
PROFILES: list[dict[str, Any]] = [
    {"name": "cpu", "title": "A processor", "max_per_user": 1},
    {
        "name": "gpu",
        "accelerator": {"vendor": "nvidia", "counts": [1, 2]},
        "groups": ["vision"],
        "start_within": "90s",
    },
    {
        "name": "tpu",  # no node has its labels
        "accelerator": {"vendor": "google", "generation": "v6e", "topology": "2x2"},
        "start_within": "8s",
    },
    {  # no node has such devices; the cluster checks what is made for the claim
        "name": "claim",
        "groups": ["nobody"],
        "accelerator": {
            "device_class": "gpu.example.com",
            "counts": [1, 2],
            "selector": 'device.attributes["gpu.example.com"].model == "large"',
        },
    },
    # in a cluster with Kueue
    {"name": "queued", "groups": ["queues"], "accelerator": {"vendor": "nvidia"}, "queue": "gpus"},
    {
        "name": "hasty",
        "groups": ["queues"],
        "for": ["servers"],
        "accelerator": {"vendor": "nvidia"},
        "queue": "gpus",
        "start_within": "8s",
    },
    {"name": "brief", "groups": ["brief"], "for": ["servers"], "idle": "16s"},
]


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


class Hub:
    """The hub; `start` and `stop` it as often as wanted, its database stays."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster, self.folder = cluster, folder
        self.port, self.hub_port, self.api_port = free_port(), free_port(), free_port()
        self.process: subprocess.Popen[bytes] | None = None
        volumes = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in ("home", *PLACES)]
        mounts = [{"name": name, "mountPath": str(path), "readOnly": True} for name, path in PLACES.items()]
        # A real image has the package in it; here the profiles bring it, for jobs too.
        code = {"volumes": volumes[1:], "containers": [{"name": "replica", "volumeMounts": mounts}]}
        profiles = [each if "for" in each else each | {"pod_overrides": code} for each in PROFILES]
        (folder / "profiles.yaml").write_text(json.dumps({"per_user": PER_USER, "profiles": profiles}))
        text = CONFIG.format(
            **{"port": self.port, "hub_port": self.hub_port, "api_port": self.api_port, "token": TOKEN},
            **{"address": cluster.plan.host, "folder": folder, "proxy": PROXY, "image": PYTHON_IMAGE},
            **{"python": sys.executable, "user": USER, "code": CODE, "volumes": volumes, "mounts": mounts},
        )
        (folder / "jupyterhub_config.py").write_text(text)

    def kubeconfig(self, account: str, namespace: str) -> Path:
        """Credentials of a ServiceAccount."""
        token = self.cluster.kubectl("-n", namespace, "create", "token", account, "--duration=3h").strip()
        own = json.loads(self.cluster.kubeconfig.read_text())
        own["users"] = [{"name": own["users"][0]["name"], "user": {"token": token}}]
        path = self.folder / f"{namespace}-{account}.conf"
        path.write_text(json.dumps(own))
        return path

    def start(self) -> None:
        """Start the hub and its proxy, and wait until it answers."""
        assert PROXY.exists(), "configurable-http-proxy is missing: make test-lab"
        environment = os.environ | {
            "KUBECONFIG": str(self.kubeconfig("hub", NAMESPACE)),
            "CONFIGPROXY_AUTH_TOKEN": TOKEN,
            "PYTHONPATH": str(CODE),
        }
        argv = [HUB_PYTHON, "-m", "jupyterhub", "-f", "jupyterhub_config.py"]
        with (self.folder / "hub.log").open("ab") as log:
            self.process = subprocess.Popen(argv, env=environment, stdout=log, stderr=log, cwd=self.folder)
        self.until(self._answers, "the hub's start", 90)

    def stop(self) -> None:
        """End the hub and its proxy; the servers stay."""
        if self.process:
            self.process.terminate()
            self.process.wait(60)
            self.process = None

    def _answers(self) -> bool:
        assert self.process and self.process.poll() is None, self.log()
        try:
            return self.ask("GET", "/hub/api")[0] == 200
        except OSError:
            return False

    def log(self) -> str:
        return (self.folder / "hub.log").read_text()[-6000:]

    def until(self, holds: Callable[[], Any], what: str, patience: float = 60) -> Any:
        """Wait until `holds()` gives something true, and give it back."""
        deadline = time.monotonic() + patience
        while not (found := holds()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what}: not within {patience:g} s\n{self.log()}")
            time.sleep(0.1)
        return found

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """A request through the proxy: status and answer."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"token {TOKEN}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, _parsed(answer.read().decode())
        except urllib.error.HTTPError as err:
            return err.code, _parsed(err.read().decode())

    def spawn(self, user: str, **options: Any) -> tuple[int, Any]:
        """Ask for a user's server; 201 or 202 when it starts, else the refusal."""
        self.ask("POST", f"/hub/api/users/{user}")
        return self.ask("POST", f"/hub/api/users/{user}/server", options)

    def progress(self, user: str, text: str, patience: float = 60) -> str:
        """Read what the progress page of a user's start says until a text is in it, and give that message."""
        path = f"http://127.0.0.1:{self.port}/hub/api/users/{user}/server/progress"
        request = urllib.request.Request(path, headers={"Authorization": f"token {TOKEN}"})
        heard = []
        with urllib.request.urlopen(request, timeout=patience) as stream:
            for line in stream:
                if line.startswith(b"data:"):
                    heard.append(str(json.loads(line[5:])["message"]))
                    if text in heard[-1]:
                        return heard[-1]
        raise AssertionError(heard)

    def ready(self, user: str) -> bool:
        """Whether a user's server runs; an assertion that its start has not failed."""
        server = self.ask("GET", f"/hub/api/users/{user}")[1]["servers"].get("")
        assert server, self.log()
        return bool(server["ready"])

    def serve(self, **servers: dict[str, str]) -> None:
        """Have users' servers running, with these options; their volumes are made."""
        with ThreadPoolExecutor() as threads:  # a request is answered when the server runs, or after 10 s
            starts = [threads.submit(self.spawn, user, **options) for user, options in servers.items()]
            for user in servers:
                space = f"jhub-{user}"
                self.cluster.wait_for(f"the namespace of {user}", "get", "namespace", space, "-o", "name")
                give_places(self.cluster, space, self.folder / user)
            assert {start.result()[0] for start in starts} <= {201, 202}, self.log()
        for user in servers:
            self.until(lambda user=user: self.ready(user), f"the server of {user}", 120)

    def page(self, user: str) -> str:
        """The spawn page of a second server, as the user's browser gets it."""
        front = f"http://127.0.0.1:{self.port}/hub"
        cookies = urllib.request.HTTPCookieProcessor()
        browser = urllib.request.build_opener(cookies)
        browser.open(f"{front}/login", timeout=60).read()
        token = next(each.value for each in cookies.cookiejar if each.name == "_xsrf")
        form = {"username": user, "password": TOKEN, "_xsrf": token}
        browser.open(f"{front}/login", urllib.parse.urlencode(form).encode(), timeout=60).read()
        return str(browser.open(f"{front}/spawn/{user}/more", timeout=60).read().decode())

    def run(self, user: str, *cells: str, patience: float = 120) -> str:
        """Run cells in a kernel of the user's server, and give what they print."""
        base = f"/user/{user}/api/kernels"
        status, kernel = self.ask("POST", base, {})
        assert status == 201, (status, kernel)
        channel = create_connection(
            f"ws://127.0.0.1:{self.port}{base}/{kernel['id']}/channels",
            header=[f"Authorization: token {TOKEN}"],
            timeout=patience,
        )
        try:
            printed = "".join(execute(channel, cell) for cell in cells)
        finally:
            channel.close()
            self.ask("DELETE", f"{base}/{kernel['id']}")
        return printed


def _parsed(text: str) -> Any:
    return json.loads(text) if text[:1] in ("{", "[") else text


@contextmanager
def running(cluster: Cluster, folder: Path, **servers: dict[str, str]) -> Iterator[Hub]:
    """A hub with the rights of hub_config, whose users have servers with these options."""
    for parent in (folder, folder.parent):
        parent.chmod(0o755)
    cluster.kubectl("create", "namespace", NAMESPACE)
    cluster.kubectl("-n", NAMESPACE, "create", "serviceaccount", "hub")
    cluster.kubectl("apply", "-f", str(KIT / "rbac.yaml"))
    hub = Hub(cluster, folder)
    try:
        hub.start()
        hub.serve(**servers)
        yield hub
    finally:
        hub.stop()
        cluster.kubectl(
            "delete", "namespace", "-l", "app.kubernetes.io/managed-by=jupyter-kf", "--wait=false"
        )
        cluster.kubectl("delete", "namespace", NAMESPACE)  # the next hub has one of the same name


def give_places(cluster: Cluster, namespace: str, home: Path) -> None:
    """Volumes for a user: an empty home, and this machine's Python packages, as an image would have them."""
    home.mkdir()
    os.chown(home, USER, USER)
    for name, path in {"home": home, **PLACES}.items():
        modes = ["ReadWriteMany"] if name == "home" else ["ReadOnlyMany"]
        size = {"storage": "1Gi"}
        volume = {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": f"{namespace}-{name}"},
            "spec": {
                "accessModes": [*modes, "ReadWriteOnce"],
                "capacity": size,
                "hostPath": {"path": str(path)},
                "storageClassName": "home",
                "claimRef": {"namespace": namespace, "name": name},
            },
        }
        claim = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {
                "accessModes": modes,
                "storageClassName": "home",
                "volumeName": f"{namespace}-{name}",
                "resources": {"requests": size},
            },
        }
        cluster.kubectl("apply", "-f", "-", text=json.dumps(volume))
        if name != "home":
            cluster.kubectl("apply", "-f", "-", text=json.dumps(claim))

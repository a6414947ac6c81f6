"""KFSpawner against the KubeSpawner it is built on, in one run, on the same pretended API server.

How long after a pod is ready does a start return, how long do many starts at once take, and how many calls
of the API does one take. The API server is a program of a few lines in this process, so the figures are of
the hub's side only, without a network and a scheduler. One command: ``python benchmarks/hub.py``.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import statistics
import time
from collections import Counter
from types import SimpleNamespace
from typing import Any

import kubernetes_asyncio.client
from aiohttp import web
from kubespawner import KubeSpawner
from kubespawner import spawner as kube_spawner
from traitlets.config import Config

from jupyter_kf.hub.spawner import KFSpawner

SPAWNS = 200
READY_AFTER = (1.0, 6.0)
CATALOGUE = {"profiles": [{"name": "cpu", "cpu": 1, "memory": "1Gi"}]}
SLICE = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4"}
SLICE |= {"metadata": {"name": "kubernetes"}, "ports": [{"port": 443}]}
SLICE |= {"endpoints": [{"addresses": ["10.0.0.1"]}]}


class Api:
    """Pods that become ready after a while, and a watch of them."""

    def __init__(self) -> None:
        self.pods: dict[str, dict[str, Any]] = {}
        self.ready: dict[str, float] = {}
        self.calls: Counter[str] = Counter()
        self._watches: set[asyncio.Queue[dict[str, Any]]] = set()
        self._version = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        parts = request.path.strip("/").split("/")
        kind = next((part for part in reversed(parts) if part in ("pods", "events", "nodes")), "other")
        watches = request.query.get("watch") == "True"
        self.calls[f"{request.method} {'watch' if watches else kind}"] += 1
        if watches:
            return await self._watch(request, kind)
        if request.method == "POST":
            return self._create(await request.json(), parts)
        if request.method == "PATCH":
            return web.json_response(await request.json())
        if parts[-1] in ("pods", "events", "nodes"):
            items = list(self.pods.values()) if parts[-1] == "pods" else []
            return web.json_response(
                {"metadata": {"resourceVersion": str(next(self._version))}, "items": items}
            )
        if parts[-2] == "endpointslices":
            return web.json_response(SLICE)
        return web.json_response({"code": 404, "message": "not found"}, status=404)

    def _create(self, pod: dict[str, Any], parts: list[str]) -> web.Response:
        if parts[-1] != "pods":
            return web.json_response(pod, status=201)
        pod["metadata"] |= {"namespace": parts[-2], "uid": str(next(self._version))}
        pod["status"] = {"phase": "Pending", "podIP": None}
        self._tell("ADDED", pod)
        task = asyncio.ensure_future(self._become_ready(pod))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return web.json_response(pod, status=201)

    async def _become_ready(self, pod: dict[str, Any]) -> None:
        await asyncio.sleep(random.uniform(*READY_AFTER))
        state = {"ready": True, "name": "notebook", "image": "x", "imageID": "x", "restartCount": 0}
        pod["status"] = {"phase": "Running", "podIP": "10.1.1.1", "containerStatuses": [state]}
        self.ready[pod["metadata"]["namespace"] + "/" + pod["metadata"]["name"]] = time.monotonic()
        self._tell("MODIFIED", pod)

    def _tell(self, change: str, pod: dict[str, Any]) -> None:
        pod["metadata"]["resourceVersion"] = str(next(self._version))
        self.pods[pod["metadata"]["namespace"] + "/" + pod["metadata"]["name"]] = pod
        for queue in self._watches:
            queue.put_nowait({"type": change, "object": json.loads(json.dumps(pod))})

    async def _watch(self, request: web.Request, kind: str) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        if kind == "pods":
            self._watches.add(queue)
        try:
            async with asyncio.timeout(float(request.query.get("timeout_seconds", 10))):
                while True:
                    await response.write(json.dumps(await queue.get()).encode() + b"\n")
        except (TimeoutError, ConnectionError):
            return response
        finally:
            self._watches.discard(queue)


def user(name: str) -> SimpleNamespace:
    return SimpleNamespace(name=name, id=1, url="/", groups=[], spawners={}, escaped_name=name, settings={})


def spawners_of(kind: type[KubeSpawner], url: str, count: int) -> list[KubeSpawner]:
    """Spawners of so many users."""
    settings = Config(KFSpawner={"catalogue": CATALOGUE}, KubeSpawner={"enable_user_namespaces": True})
    settings.KubeSpawner.cmd, settings.KubeSpawner.start_timeout = ["x"], 120
    hub = SimpleNamespace(public_host="", url="", base_url="/", api_url=f"{url}/hub", server=None)
    name = kind.__name__.lower()
    return [kind(config=settings, user=user(f"{name}{n}"), hub=hub, _mock=True) for n in range(count)]


async def measure(kind: type[KubeSpawner], url: str, api: Api) -> tuple[list[float], float, float]:
    """Lags in seconds, wall time in seconds, calls a start."""
    spawners = spawners_of(kind, url, SPAWNS)
    await spawners[0]._start_watching_pods()
    await spawners[0]._start_watching_events()
    before = Counter(api.calls)
    begun = time.monotonic()

    async def one(spawner: KubeSpawner) -> float:
        spawner.user_options = {}
        await spawner.start()
        return time.monotonic() - api.ready[f"{spawner.namespace}/{spawner.pod_name}"]

    lags = await asyncio.gather(*map(one, spawners))
    wall = time.monotonic() - begun
    calls = sum((api.calls - before).values()) / SPAWNS
    await kind._stop_all_reflectors()
    return lags, wall, calls


async def main() -> None:
    api = Api()
    app = web.Application(client_max_size=1 << 24)
    app.router.add_route("*", "/{path:.*}", api.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # type: ignore[union-attr]
    configuration = kubernetes_asyncio.client.Configuration(host=url)
    kubernetes_asyncio.client.Configuration.set_default(configuration)
    kube_spawner.load_config = lambda **_: None
    print(f"{SPAWNS} starts at once, pods ready after {READY_AFTER[0]:g} to {READY_AFTER[1]:g} s")
    for kind in (KubeSpawner, KFSpawner):
        lags, wall, calls = await measure(kind, url, api)
        p95 = statistics.quantiles(lags, n=20)[-1]
        print(
            f"{kind.__name__:12} ready to returned: median {statistics.median(lags):.2f} s, p95 {p95:.2f} s; "
            f"all {wall:.1f} s; {calls:.1f} calls a start"
        )
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()  # watches and clients stay for as long as a hub does
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main())

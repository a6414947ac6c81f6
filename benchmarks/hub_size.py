"""A large hub on a large cluster: what KFSpawner adds to its memory, and what the look at a cluster takes.

A thousand running servers with KubeSpawner and with KFSpawner, each in a process of its own; then the one
look at 2,000 nodes and 20,000 pods: until it knows them, the longest time for which it keeps the hub from
anything else, and what a spawn page of ten profiles takes. The API server is a pretended one in another
process, so the figures are of the hub's side only. One command: ``python benchmarks/hub_size.py``.
"""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import hub
import kubernetes_asyncio.client
from aiohttp import web
from kubespawner import KubeSpawner
from kubespawner import spawner as kube_spawner
from kubespawner.clients import shared_client

from jupyter_kf.hub import watching
from jupyter_kf.hub.offers import read_dict
from jupyter_kf.hub.spawner import KFSpawner

SERVERS, AT_ONCE = 1000, 50
NODES, PODS, GPUS, PROFILES = 2000, 20_000, 16, 10
KINDS = {"KubeSpawner": KubeSpawner, "KFSpawner": KFSpawner}
FILLER = [{"name": f"V{n}", "value": "x" * 60} for n in range(40)]  # what a real pod's manifest is full of


def node(number: int) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": "True"}]
    images = [{"names": [f"registry/image-{n}:1"], "sizeBytes": 10**9} for n in range(50)]
    status = {"allocatable": {"nvidia.com/gpu": str(GPUS)}, "conditions": conditions, "images": images}
    return {"metadata": {"name": f"n{number}", "labels": {}}, "spec": {}, "status": status}


def pod(number: int) -> dict[str, Any]:
    resources = {"limits": {"nvidia.com/gpu": "1"}}
    containers = [{"name": "c", "image": "x", "env": FILLER, "resources": resources}]
    spec = {"nodeName": f"n{number % NODES}", "containers": containers}
    return {
        "metadata": {"name": f"p{number}", "namespace": f"u{number % 500}"},
        "spec": spec,
        "status": {"phase": "Running"},
    }


class LargeApi(hub.Api):
    """Gives the large cluster to whoever asks for it in pieces."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        kind, query = request.path.rsplit("/", 1)[1], request.query
        if "limit" not in query or kind not in ("nodes", "pods"):
            return await super().answer(request)
        make, count = (node, NODES) if kind == "nodes" else (pod, PODS)
        first = int(query.get("continue") or 0)
        after = min(count, first + int(query["limit"]))
        metadata = {"resourceVersion": "1"} | ({"continue": str(after)} if after < count else {})
        return web.json_response({"metadata": metadata, "items": [make(n) for n in range(first, after)]})


async def serve() -> None:
    """The pretended API server; says its address, and ends with its standard input."""
    hub.READY_AFTER = (0.1, 0.2)
    app = web.Application(client_max_size=1 << 24)
    app.router.add_route("*", "/{path:.*}", LargeApi().answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(site._server.sockets[0].getsockname()[1], flush=True)  # type: ignore[union-attr]
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await runner.cleanup()


def resident() -> float:
    """This process's memory in MiB."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4 / 1024


async def servers(name: str, url: str) -> None:
    """Have a thousand servers running."""
    spawners = hub.spawners_of(KINDS[name], url, SERVERS)
    await spawners[0]._start_watching_pods()
    await spawners[0]._start_watching_events()
    before, gate = resident(), asyncio.Semaphore(AT_ONCE)

    async def one(spawner: KubeSpawner) -> None:
        async with gate:
            spawner.user_options = {}
            await spawner.start()

    await asyncio.gather(*map(one, spawners))
    after = resident()
    each = (after - before) * 1024 / SERVERS
    print(f"{name:12} {SERVERS} running servers: {after:.0f} MiB, {each:.0f} KiB a server")


async def look() -> None:
    """See a large cluster."""
    before, stalls = resident(), [0.0]

    async def tick() -> None:
        while True:
            begun = time.monotonic()
            await asyncio.sleep(0.001)
            stalls.append(time.monotonic() - begun - 0.001)

    ticking = asyncio.ensure_future(tick())
    begun = time.monotonic()
    found = watching.Look.shared()
    while not found.known:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    took = time.monotonic() - begun
    ticking.cancel()
    print(
        f"{NODES} nodes and {len(found.pods)} pods: known after {took:.1f} s, the hub kept waiting for at "
        f"most {max(stalls) * 1000:.0f} ms, {resident() - before:.0f} MiB"
    )
    entry = {"accelerator": {"vendor": "nvidia"}}
    offers = read_dict({"profiles": [entry | {"name": f"p{n}"} for n in range(PROFILES)]}).offers
    begun = time.process_time()
    free = [found.free(offer) for offer in offers]
    took = time.process_time() - begun
    assert free[0] and free[0].total == NODES * GPUS - PODS
    print(f"what is free for {PROFILES} profiles: {took * 1000:.0f} ms of the processor a page")


async def measure(what: str, url: str) -> None:
    configuration = kubernetes_asyncio.client.Configuration(host=url)
    kubernetes_asyncio.client.Configuration.set_default(configuration)
    kube_spawner.load_config = lambda **_: None
    shared_client("CoreV1Api")
    await (look() if what == "look" else servers(what, url))
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()  # watches and clients stay for as long as a hub does


def main() -> None:
    own = [sys.executable, __file__]
    for what in (*KINDS, "look"):
        with subprocess.Popen(
            [*own, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as server:
            assert server.stdout is not None
            url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
            subprocess.run([*own, what, url], check=True)
            server.communicate()


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        asyncio.run(serve())
    elif sys.argv[1:]:
        asyncio.run(measure(*sys.argv[1:]))
    else:
        main()

"""KFSpawner without a cluster: `make` gives spawners of ana's, `pod_of` the pod that one would start."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

import pytest
from kubespawner.clients import load_config
from traitlets.config import Config

from jupyter_kf.hub.spawner import KFSpawner

NOWHERE = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "x",
    "clusters": [{"name": "x", "cluster": {"server": "https://127.0.0.1:1"}}],
    "users": [{"name": "x", "user": {}}],
    "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
}
CATALOGUE = {
    "profiles": [
        {"name": "cpu", "cpu": 2, "memory": "4Gi", "image": "small:1"},
        {
            "name": "gpu",
            "accelerator": {"vendor": "nvidia", "counts": [1, 2]},
            "memory": "8Gi",
            "shm": "1Gi",
            "queue": "gpus",
            "groups": ["vision"],
            "start_within": "20m",
        },
        {"name": "tpu", "accelerator": {"vendor": "google", "generation": "v6e", "topology": "2x2"}},
        {"name": "claim", "cpu": 1, "accelerator": {"device_class": "gpu.nvidia.com", "counts": [2]}},
    ]
}


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """A configuration of a cluster that is never asked."""
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(NOWHERE))
    monkeypatch.setattr("kubernetes_asyncio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(file))
    load_config.cache_clear()
    yield
    load_config.cache_clear()


@pytest.fixture
async def make():
    """Make a spawner of ana's with a configuration; its clients go with the test."""
    from kubespawner.clients import _client_cache

    def made(groups=(), options=None, **config):
        kube = config.pop("KubeSpawner", {})
        settings = Config(KFSpawner={"catalogue": CATALOGUE} | config, KubeSpawner=kube)
        groups = [SimpleNamespace(name=name) for name in groups]
        user = SimpleNamespace(name="ana", id=1, url="/user/ana/", groups=groups, spawners={})
        user.escaped_name, user.settings = "ana", {}
        hub = SimpleNamespace(
            public_host="", url="", base_url="/hub/", api_url="http://hub:8081/hub/api", server=None
        )
        spawner = KFSpawner(config=settings, user=user, hub=hub, _mock=True)
        spawner.user_options = options or {}
        return spawner

    yield made
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert not _client_cache


async def pod_of(spawner):
    await spawner.load_user_options()
    pod = await spawner.get_pod_manifest()
    return spawner.api.api_client.sanitize_for_serialization(pod)

"""A pod's place in a queue of Kueue, by Kueue's visibility API; unknown where that is not to be had."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
from kubernetes_asyncio.client import ApiException

_GROUP, _VERSIONS = "/apis/visibility.kueue.x-k8s.io", ("v1beta2", "v1beta1")
_SECONDS = 3


async def place(api: Any, pod: dict[str, Any], queue: str) -> int | None:
    """The place, 1 for who is next; ``api`` is an API of kubernetes_asyncio."""
    for version in _VERSIONS:
        path = f"{_GROUP}/{version}/namespaces/{{namespace}}/localqueues/{{queue}}/pendingworkloads"
        try:
            answer = await api.api_client.call_api(
                path,
                "GET",
                path_params={"namespace": pod["metadata"]["namespace"], "queue": queue},
                header_params={"Accept": "application/json"},
                auth_settings=["BearerToken"],
                _preload_content=False,
                _return_http_data_only=True,
                _request_timeout=_SECONDS,
            )
            if answer.status == 200:
                return place_of(pod, json.loads(await answer.read()))
        except (ApiException, aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return None
    return None


def place_of(pod: dict[str, Any], pending: dict[str, Any]) -> int | None:
    """Find a pod in what waits: Kueue's workload for it is owned by the pod."""
    for workload in pending.get("items") or []:
        owners = workload["metadata"].get("ownerReferences") or []
        if any(owner["uid"] == pod["metadata"]["uid"] for owner in owners):
            return int(workload["positionInLocalQueue"]) + 1
    return None

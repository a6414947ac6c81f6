"""The hub's question to the cluster who waits in a queue."""

from __future__ import annotations

from typing import Any

import aiohttp
from kubernetes_asyncio.client import ApiException

from ..backends.queueing import Line, line_of

_SECONDS = 3


async def line_before(api: Any, pod: dict[str, Any], queue: str) -> Line:
    """Who waits in the queue of a pod; ``api`` is an API of kubernetes_asyncio."""

    async def ask(path: str) -> tuple[int, str]:
        answer = await api.api_client.call_api(
            path,
            "GET",
            header_params={"Accept": "application/json"},
            auth_settings=["BearerToken"],
            _preload_content=False,
            _return_http_data_only=True,
            _request_timeout=_SECONDS,
        )
        return answer.status, (await answer.read()).decode(errors="replace")

    try:
        return await line_of(ask, pod["metadata"]["namespace"], queue)
    except (ApiException, aiohttp.ClientError, TimeoutError, OSError):
        return Line()

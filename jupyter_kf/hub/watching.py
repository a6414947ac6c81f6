"""The hub's one look at the cluster's nodes and pods: two watches in one task, out of all requests.

It may be blind, as without the right to see nodes; then what is free is unknown, and servers start all
the same.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import TYPE_CHECKING, Any

import aiohttp
from kubernetes_asyncio.client import ApiException
from kubespawner.clients import shared_client

from .availability import Free, Held, Node, free, held_by, node_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from .offers import Offer

_log = logging.getLogger("jupyter_kf.hub")
_WATCH_SECONDS, _SILENCE_SECONDS = 290, 120
_FIRST_PAUSE, _LAST_PAUSE = 1.0, 60.0
_looks: dict[asyncio.AbstractEventLoop, Look] = {}


class Look:
    """What is seen now of the cluster."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.pods: dict[str, Held | None] = {}
        self._seen: dict[str, float] = {}
        self._task = asyncio.ensure_future(self._run())

    @staticmethod
    def shared() -> Look:
        """The one of this hub, which is begun with the first question."""
        loop = asyncio.get_running_loop()
        if loop not in _looks or _looks[loop]._task.done():
            _looks[loop] = Look()
        return _looks[loop]

    @property
    def age(self) -> float | None:
        """Seconds since nodes and pods were seen; None if they were not."""
        return time.monotonic() - min(self._seen.values()) if len(self._seen) == 2 else None

    def free(self, offer: Offer) -> Free | None:
        """What is free for an offer; None if it is not known."""
        if self.age is None:
            return None
        return free(offer, self.nodes, [held for held in self.pods.values() if held])

    def held_in(self, namespace: str) -> list[dict[str, Any]]:
        """What the pods of a namespace hold, as pods that ask for it."""
        mine = [held for key, held in self.pods.items() if held and key.startswith(f"{namespace}/")]
        return [{"spec": {"containers": [{"resources": {"requests": held.devices}}]}} for held in mine]

    async def _run(self) -> None:
        try:
            await asyncio.gather(
                self._keep("node", node_of, self.nodes),
                self._keep("pod_for_all_namespaces", held_by, self.pods),
            )
        finally:
            _looks.pop(asyncio.get_running_loop(), None)

    async def _keep(self, kind: str, read: Callable[[dict[str, Any]], Any], found: dict[str, Any]) -> None:
        """Keep a copy of all objects of a kind, for ever."""
        pause = _FIRST_PAUSE
        while True:
            try:
                version = await self._list(kind, read, found)
                pause = _FIRST_PAUSE
                async for event in _changes(kind, version):
                    self._seen[kind] = time.monotonic()
                    if event["type"] == "ERROR":
                        break
                    if event["type"] != "BOOKMARK":
                        self._take(event, read, found)
            except (ApiException, aiohttp.ClientError, TimeoutError, OSError, ValueError) as err:
                what = kind.partition("_")[0]
                _log.warning("The %ss of the cluster cannot be seen, again in %g s: %s", what, pause, err)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LAST_PAUSE)

    async def _list(self, kind: str, read: Callable[[dict[str, Any]], Any], found: dict[str, Any]) -> str:
        answer = await _ask(kind, resource_version="0")
        listed = json.loads(await answer.read())
        found.clear()
        found.update({_key(each): read(each) for each in listed.get("items") or []})
        self._seen[kind] = time.monotonic()
        return str(listed["metadata"]["resourceVersion"])

    def _take(
        self, event: dict[str, Any], read: Callable[[dict[str, Any]], Any], found: dict[str, Any]
    ) -> None:
        if event["type"] == "DELETED":
            found.pop(_key(event["object"]), None)
        else:
            found[_key(event["object"])] = read(event["object"])


def _key(found: dict[str, Any]) -> str:
    place = found["metadata"]
    return f"{place['namespace']}/{place['name']}" if "namespace" in place else str(place["name"])


async def _ask(kind: str, **query: Any) -> Any:
    timeout = aiohttp.ClientTimeout(sock_connect=10, sock_read=_SILENCE_SECONDS)
    method = getattr(shared_client("CoreV1Api"), f"list_{kind}")
    answer = await method(_preload_content=False, _request_timeout=timeout, **query)
    if answer.status >= 400:
        raise ApiException(status=answer.status, reason=answer.reason)
    return answer


async def _changes(kind: str, version: str) -> AsyncIterator[dict[str, Any]]:
    """Give the changes since a version, until the server ends the watch."""
    query = {"watch": True, "allow_watch_bookmarks": True, "timeout_seconds": _WATCH_SECONDS}
    answer = await _ask(kind, resource_version=version, **query)
    rest = b""
    try:
        async for piece in answer.content.iter_any():
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                yield json.loads(line)
    finally:
        answer.close()

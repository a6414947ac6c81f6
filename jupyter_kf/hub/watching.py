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

from .availability import Free, Held, Node, Used, free, held_by, node_of, used_by, workers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from .offers import Offer

_log = logging.getLogger("jupyter_kf.hub")
_WATCH_SECONDS, _SILENCE_SECONDS = 290, 120
_PIECE = 500  # objects
_FIRST_PAUSE, _LAST_PAUSE = 1.0, 60.0
_KINDS = {"node": "nodes", "pod_for_all_namespaces": "pods"}
_looks: dict[asyncio.AbstractEventLoop, Look] = {}


class Look:
    """What is seen now of the cluster."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.pods: dict[str, Held | None] = {}
        self.images: dict[str, int] = {}
        self.offers: tuple[Offer, ...] = ()  # of the catalogue, as it was asked about last
        self._used: Used | None = None
        self._seen: dict[str, float] = {}
        self._task = asyncio.ensure_future(self._run())

    @staticmethod
    def shared() -> Look:
        """The one of this hub, which is begun with the first question."""
        loop = asyncio.get_running_loop()
        if loop not in _looks or _looks[loop]._task.done():
            _looks[loop] = Look()
        return _looks[loop]

    @staticmethod
    def begun() -> Look | None:
        """The one of this hub, if there was a question."""
        return next(iter(_looks.values()), None)

    @property
    def age(self) -> float | None:
        """Seconds since nodes and pods were seen; None if they were not."""
        return max(self.ages.values()) if len(self._seen) == len(_KINDS) else None

    @property
    def ages(self) -> dict[str, float]:
        """Seconds since a watch has told something, by what it watches."""
        now = time.monotonic()
        return {_KINDS[kind]: now - seen for kind, seen in self._seen.items()}

    def free(self, offer: Offer) -> Free | None:
        """What is free for an offer; None if it is not known."""
        return free(offer, self.nodes, self.used) if self.known else None

    def workers(self, offer: Offer, count: int) -> tuple[int, int] | None:
        """How many workers of a job could start, of how many; None if it is not known."""
        return workers(offer, count, self.nodes, self.used) if self.known else None

    @property
    def known(self) -> bool:
        """Whether nodes and pods were seen."""
        return self.age is not None

    @property
    def used(self) -> Used:
        """What pods hold of each node; counted once for as long as nothing changes."""
        if self._used is None:
            self._used = used_by(held for held in self.pods.values() if held)
        return self._used

    def held_in(self, namespace: str) -> list[dict[str, Any]]:
        """What the pods of a namespace hold, as pods that ask for it."""
        mine = [held for key, held in self.pods.items() if held and key.startswith(f"{namespace}/")]
        return [_as_pod(held) for held in mine]

    async def _run(self) -> None:
        try:
            await asyncio.gather(
                self._keep("node", self._node, self.nodes),
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
                while version:
                    version = await self._follow(kind, version, read, found)
                    await asyncio.sleep(pause)
                continue
            except (ApiException, aiohttp.ClientError, TimeoutError, OSError, ValueError) as err:
                what = _KINDS[kind]
                _log.warning("The %s of the cluster cannot be seen, again in %g s: %s", what, pause, err)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LAST_PAUSE)

    def _node(self, found: dict[str, Any]) -> Node:
        """Read a node, and how large the images are that it has."""
        for image in found.get("status", {}).get("images") or []:
            self.images.update(dict.fromkeys(image.get("names") or [], image.get("sizeBytes", 0)))
        return node_of(found)

    async def _list(self, kind: str, read: Callable[[dict[str, Any]], Any], found: dict[str, Any]) -> str:
        """Copy all there are, in pieces that keep nobody else of the hub waiting; give their version."""
        now: dict[str, Any] = {}
        if kind == "node":
            self.images.clear()
        piece: dict[str, str] = {}
        while True:
            answer = await _ask(kind, limit=_PIECE, **piece)
            listed = json.loads(await answer.read())
            now.update({_key(each): read(each) for each in listed.get("items") or []})
            if not (rest := listed["metadata"].get("continue")):
                break
            piece = {"_continue": rest}
        found.clear()
        found.update(now)
        self._used = None
        self._seen[kind] = time.monotonic()
        return str(listed["metadata"]["resourceVersion"])

    async def _follow(
        self, kind: str, version: str, read: Callable[[dict[str, Any]], Any], found: dict[str, Any]
    ) -> str:
        """Take changes until the server ends the watch; give where to go on, nothing if from anew."""
        async for event in _changes(kind, version):
            if event["type"] == "ERROR":
                return ""
            self._seen[kind] = time.monotonic()
            version = str(event["object"]["metadata"]["resourceVersion"])
            if event["type"] != "BOOKMARK":
                self._take(event, read, found)
        return version

    def _take(
        self, event: dict[str, Any], read: Callable[[dict[str, Any]], Any], found: dict[str, Any]
    ) -> None:
        self._used = None
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


def _as_pod(held: Held) -> dict[str, Any]:
    """A pod that holds the same."""
    made_from = [{"resourceClaimTemplateName": name} for name in held.claims]
    return {"spec": {"containers": [{"resources": {"requests": held.devices}}], "resourceClaims": made_from}}


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

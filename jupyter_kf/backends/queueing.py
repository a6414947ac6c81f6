"""Who waits in a queue of Kueue, by Kueue's visibility API, and how a place in it is said.

The queues of all namespaces that lead to one ClusterQueue are one line, and the place in that is what
counts. Kueue may be missing, older, or silent to us: then nothing is known, and that is no error.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from .manifests import QUEUE_LABEL

if TYPE_CHECKING:
    from collections.abc import Iterable

GROUP = "visibility.kueue.x-k8s.io"
_VERSIONS = ("v1beta2", "v1beta1")
# Asks the API server for a path: the status and the body of the answer.
Ask = Callable[[str], Awaitable[tuple[int, str]]]


@dataclass(frozen=True)
class Line:
    """Who waits: the places, from 1, by the uid of what waits; and whether there is such a queue at all."""

    places: dict[str, int] = field(default_factory=dict)
    is_there: bool = True


async def line_of(ask: Ask, namespace: str, queue: str) -> Line:
    """Look at a queue of a namespace."""
    for version in _VERSIONS:
        place = f"namespaces/{quote(namespace, safe='')}/localqueues/{quote(queue, safe='')}"
        status, body = await ask(f"/apis/{GROUP}/{version}/{place}/pendingworkloads")
        answer = _parsed(body)
        if status == 404 and answer.get("details", {}).get("name") == queue:
            return Line(is_there=False)
        if status != 404:  # as of a version that is not served
            return Line(_places(answer) if status == 200 else {})
    return Line()


def _parsed(body: str) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _places(summary: dict[str, Any]) -> dict[str, int]:
    """A workload of Kueue is owned by the Job or pod that waits."""
    return {
        owner["uid"]: workload["positionInClusterQueue"] + 1
        for workload in summary.get("items") or []
        for owner in workload["metadata"].get("ownerReferences") or []
    }


def words(queue: str, line: Line, uid: str) -> str:
    """Say what is known of one who waits, as the end of a sentence."""
    if not line.is_there:
        return f"waits for a queue {queue}, which its namespace does not have; an administrator can make it"
    if place := line.places.get(uid):
        return f"is number {place} in the queue {queue}"
    return f"waits in the queue {queue}"


def is_suspended(job: dict[str, Any]) -> bool:
    """Whether a Job waits until somebody lets it start, or start again."""
    return bool(job["spec"].get("suspend"))


def waits_in(job: dict[str, Any]) -> str:
    """The queue that a Job waits in; empty if it waits in none."""
    queue: str = job["metadata"].get("labels", {}).get(QUEUE_LABEL, "")
    return queue if is_suspended(job) else ""


async def lines_of(ask: Ask, namespace: str, jobs: Iterable[dict[str, Any]]) -> dict[str, Line]:
    """Look at the queues that some of these Jobs wait in, each once."""
    queues = sorted({waits_in(job) for job in jobs} - {""})
    found = await asyncio.gather(*(line_of(ask, namespace, queue) for queue in queues))
    return dict(zip(queues, found, strict=True))

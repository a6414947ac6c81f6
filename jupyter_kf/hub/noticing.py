"""KubeSpawner's watches, which begin again when they give up, and of pods one that tells what changed.

KubeSpawner looks at its copy of the pods after up to five seconds again, though the watch knew at once;
and a watch that gave up ends the hub, or goes unnoticed.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from typing import Any

from kubespawner.spawner import EventReflector, PodReflector
from traitlets import validate

from . import metrics

_PAUSE = 1.0
Waiting = defaultdict[str, set[asyncio.Future[None]]]


class _Pods(dict[str, Any]):
    """The pods by namespace and name."""

    def __init__(self, pods: dict[str, Any], waiting: Waiting) -> None:
        super().__init__(pods)
        self._waiting = waiting
        for key in list(waiting):
            self._notice(key)

    def __setitem__(self, key: str, pod: Any) -> None:
        super().__setitem__(key, pod)
        self._notice(key)

    def _notice(self, key: str) -> None:
        for future in self._waiting.pop(key, ()):
            if not future.done():
                future.set_result(None)


class _Lasting:
    """A watch that begins again when KubeSpawner's has given up, as after a minute without API server."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._seen = time.monotonic()
        super().__init__(*args, **kwargs | {"on_failure": None})
        metrics.reflectors.add(self)  # type: ignore[arg-type]

    @property
    def age(self) -> float:
        """Seconds since the last list, which a healthy watch makes twice a minute."""
        return time.monotonic() - self._seen

    async def _list_and_update(self, *since: str) -> str:
        version = str(await super()._list_and_update(*since))  # type: ignore[misc]
        self._seen = time.monotonic()
        return version

    async def _watch_and_update(self) -> None:
        while not self._stopping:  # type: ignore[attr-defined]
            await super()._watch_and_update()  # type: ignore[misc]
            if self._stopping:  # type: ignore[attr-defined]
                return
            self.log.error("The watch of %s has ended; it begins again.", self.kind)  # type: ignore[attr-defined]
            await asyncio.sleep(_PAUSE)


class LastingEventReflector(_Lasting, EventReflector):
    """KubeSpawner's watch of the events."""


class NoticingPodReflector(_Lasting, PodReflector):
    """KubeSpawner's own watch of the pods; `change` is done when a pod has changed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._waiting: Waiting = defaultdict(set)
        super().__init__(*args, **kwargs)

    @validate("resources")
    def _watched(self, proposal: dict[str, Any]) -> _Pods:
        return _Pods(proposal["value"], self._waiting)

    def change(self, key: str) -> asyncio.Future[None]:
        """A future of the next change of one pod, or of all."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[key].add(future)
        return future

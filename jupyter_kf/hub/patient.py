"""A KubeSpawner that is done when the watch says so, gives up with the reason, and says what it waits for.

It knows nothing of catalogues and namespaces.
"""

from __future__ import annotations

import asyncio
import json
from html import escape
from typing import TYPE_CHECKING, Any

import aiohttp
from kubernetes_asyncio.client import ApiException
from kubespawner import KubeSpawner

from ..backends.observed import refused
from .noticing import LastingEventReflector, NoticingPodReflector
from .pending import explain
from .refusals import refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

# The hub's own time-out would count as a fault of the hub; ours comes a little earlier, with the reason.
_HEAD_START = 2.0


def _silent() -> Any:
    return refusal("The cluster does not answer the hub. Try again in a minute.", "cluster", 503)


class PatientSpawner(KubeSpawner):
    """Starts pods as KubeSpawner does, and watches them better."""

    start_timeout: Any  # the hub's
    _last_wait: asyncio.Event | None = None

    def start(self) -> asyncio.Future[str]:
        """Start the pod, and be done as soon as the watch says that it is ready."""
        self._start_future = asyncio.ensure_future(self._started())
        return self._start_future

    async def _started(self) -> str:
        self._last_wait = asyncio.Event()
        tasks = [asyncio.ensure_future(self._start()), asyncio.ensure_future(self._ready(self._last_wait))]
        try:
            async with asyncio.timeout(max(1.0, self.start_timeout - _HEAD_START)):
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return str(done.pop().result())
        except TimeoutError as err:
            why = self.why_pending() or "It runs, but does not say that it is ready."
            said = f"The server did not start within {self.start_timeout} s. {why}"
            raise refusal(said, "capacity", 503) from err
        except ApiException as err:
            if err.status == 403 and "exceeded quota" in (err.body or ""):
                raise refusal(refused(json.loads(err.body)["message"]), "quota", 403) from err
            if err.status >= 500:
                raise _silent() from err
            raise
        except (aiohttp.ClientError, OSError) as err:
            raise _silent() from err
        finally:
            for task in tasks:
                task.cancel()

    async def _ready(self, last_wait: asyncio.Event) -> str:
        """Wait for the pod on the watch, once KubeSpawner has nothing left to do but to wait itself."""
        await last_wait.wait()
        key = f"{self.namespace}/{self.pod_name}"
        while True:
            change = self.pod_reflector.change(key)
            pod = self.pod_reflector.pods.get(key)
            if super().is_pod_running(pod):
                self.pod_id = pod["metadata"]["uid"]
                return str(self._get_pod_url(pod))
            await change

    def is_pod_running(self, pod: dict[str, Any] | None) -> bool:
        """Tell whether the pod is ready; KubeSpawner asks for the first time when it begins to wait."""
        if self._last_wait:
            self._last_wait.set()
        return bool(super().is_pod_running(pod))

    async def _start_reflector(self, kind: str, reflector_class: Any, **options: Any) -> Any:
        own = {"pods": NoticingPodReflector, "events": LastingEventReflector}
        chosen = own.get(kind, reflector_class)
        try:
            return await super()._start_reflector(kind=kind, reflector_class=chosen, **options)
        except SystemExit as err:  # KubeSpawner would end the hub, with all that go through it
            failed = self.reflectors.pop(self._get_reflector_key(kind), None)
            if failed and failed.first_load_future.done():
                failed.first_load_future.exception()  # it is told by the refusal
            raise _silent() from err

    # -- while it is pending --

    def why_pending(self) -> str:
        """Why the server does not run yet, in one sentence."""
        reflector = self.pod_reflector
        pod = reflector.pods.get(f"{self.namespace}/{self.pod_name}") if reflector else None
        return explain(pod, self.events if self.event_reflector else ())

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        """KubeSpawner's progress in plain words; the cluster's own are behind *details*."""
        async for step in super().progress():
            words = self.why_pending() if "raw_event" in step else ""
            if words:
                said = escape(step["message"])
                details = f"<details><summary>details</summary>{said}</details>"
                step = step | {"message": words, "html_message": f"{escape(words)}{details}"}
            yield step

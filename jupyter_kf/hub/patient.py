"""A KubeSpawner that is done when the watch says so, gives up with the reason, and says what it waits for.

It knows nothing of catalogues and namespaces.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Any

import aiohttp
from kubernetes_asyncio.client import ApiException
from kubespawner import KubeSpawner

from ..backends.observed import refused
from ..backends.queueing import Line
from . import metrics
from .noticing import LastingEventReflector, NoticingPodReflector
from .pending import Why, explain, is_gated, known_now, queue_of
from .queueing import line_before
from .refusals import refusal
from .watching import Look

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

# The hub's own time-out would count as a fault of the hub; ours comes a little earlier, with the reason.
_HEAD_START = 2.0
_LOOK_AGAIN = 5.0


def _silent() -> Any:
    return refusal("The cluster does not answer the hub. Try again in a minute.", "cluster", 503)


class PatientSpawner(KubeSpawner):
    """Starts pods as KubeSpawner does, and watches them better."""

    start_timeout: Any  # the hub's
    _last_wait: asyncio.Event | None = None
    _line: Line = Line()

    def start(self) -> asyncio.Future[str]:
        """Start the pod, and be done as soon as the watch says that it is ready."""
        self._start_future = asyncio.ensure_future(self._started())
        return self._start_future

    async def _started(self) -> str:
        self._last_wait = asyncio.Event()
        self._line, begun = Line(), time.monotonic()
        metrics.starting.add(self)
        tasks = [asyncio.ensure_future(self._start()), asyncio.ensure_future(self._ready(self._last_wait))]
        try:
            async with asyncio.timeout(max(1.0, self.start_timeout - _HEAD_START)):
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            url = str(done.pop().result())
            metrics.START.observe(time.monotonic() - begun)
            return url
        except TimeoutError as err:
            await self._look_once_more()
            why = self.why().words or "It runs, but does not say that it is ready."
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
            metrics.starting.discard(self)
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
                _observe_lag(pod)
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

    def why(self) -> Why:
        """Why the server does not run yet."""
        look = Look.begun()
        known = known_now(look.images if look else {}, self._line)
        return explain(self._pod(), self.events if self.event_reflector else (), known)

    def _pod(self) -> dict[str, Any] | None:
        reflector = self.pod_reflector
        return reflector.pods.get(f"{self.namespace}/{self.pod_name}") if reflector else None

    async def _look_at_queue(self) -> None:
        """Ask who waits in the server's queue, if it is in one."""
        pod = self._pod()
        queue = queue_of(pod) if pod and is_gated(pod) else ""
        self._line = await line_before(self.api, pod, queue) if pod and queue else Line()

    async def _look_once_more(self) -> None:
        """The same for the last words of a start, within what is left of its time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_HEAD_START / 2):
                await self._look_at_queue()

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        """KubeSpawner's progress in plain words, with the cluster's own behind *details*.

        What changes without a word of the cluster's, as the place in a queue does, is told too.
        """
        steps, last, done = super().progress(), "", 0
        step = asyncio.ensure_future(anext(steps, None))
        try:
            while True:
                finished, _ = await asyncio.wait([step], timeout=_LOOK_AGAIN)
                await self._look_at_queue()
                words = self.why().words
                found: dict[str, Any] | None = {"progress": done, "message": words}
                if finished and (found := step.result()) is None:
                    return
                assert found is not None
                if "raw_event" in found and words:
                    details = f"<details><summary>details</summary>{escape(found['message'])}</details>"
                    found |= {"message": words, "html_message": f"{escape(words)}{details}"}
                if finished or (words and words != last):
                    last, done = words, found.get("progress", done)
                    yield found
                if finished:
                    step = asyncio.ensure_future(anext(steps, None))
        finally:
            step.cancel()


def _observe_lag(pod: dict[str, Any]) -> None:
    conditions = pod["status"].get("conditions") or []
    ready: dict[str, Any] = next((each for each in conditions if each["type"] == "Ready"), {})
    if since := ready.get("lastTransitionTime"):
        lag = datetime.now(UTC) - datetime.fromisoformat(since)
        metrics.READY_LAG.observe(max(0.0, lag.total_seconds()))

"""A server that works is not idle, though nobody touches it: while a job runs or a kernel is busy.

Whoever ends idle servers, as jupyterhub-idle-culler does, goes by the time that a server gives as its last
activity. Jupyter Server lets an extension add to it.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..spec import JobState

if TYPE_CHECKING:
    from ..spec import JobStatus
    from .live import Feed

_SECONDS = 5.0
_KEY = "jupyter_kf"


async def keep(server: Any, feed: Feed, every: float = _SECONDS) -> None:
    """Note activity for as long as there is some; runs until it is cancelled."""
    while True:
        if is_working(server, feed):
            server.web_app.settings["last_activity_times"][_KEY] = datetime.now(UTC)
        await asyncio.sleep(every)


def is_working(server: Any, feed: Feed) -> bool:
    """Whether a job runs or a kernel is busy."""
    if any(map(_runs, feed.jobs.values())):
        return True
    kernels = server.kernel_manager
    states = (kernels.get_kernel(name) for name in kernels.list_kernel_ids())
    return any(getattr(kernel, "execution_state", "") == "busy" for kernel in states)


def _runs(status: JobStatus) -> bool:
    """Whether a job is at work: also one whose replicas begin again or do not answer for the moment."""
    begun = status.started is not None and not status.state.finished
    return begun or status.state is JobState.RUNNING

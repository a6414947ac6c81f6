"""What the cluster said about a job: events of the Job, of its pods and of its place in a queue, in one list.

Pure functions of the cluster's objects, as in `observed`; there they become reasons, here they
are shown as they are.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from .base import PlaceEvent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .apiserver import Object


def events_of(job: Object, events: Iterable[Object]) -> list[PlaceEvent]:
    """Pick a Job's own out of the events of its namespace, the oldest first.

    Pods are known by their name, as they may have gone; what was said before the Job was made
    is about an earlier one of its name.
    """
    made = datetime.fromisoformat(job["metadata"]["creationTimestamp"]).timestamp()
    name = re.escape(job["metadata"]["name"])
    own = re.compile(rf"{name}(-\d+-[a-z0-9]{{5}})?")
    workload = re.compile(rf"job-{name}-[a-z0-9]{{5}}")  # Kueue's name for what waits in a queue
    found = []
    for event in events:
        about = event["involvedObject"]
        pattern = workload if about.get("kind") == "Workload" else own
        if pattern.fullmatch(about.get("name", "")):
            found.append(_event(event))
    return sorted((e for e in found if e.time >= made), key=lambda e: e.time)


def _event(event: Object) -> PlaceEvent:
    about = event["involvedObject"]
    stamp = event.get("lastTimestamp") or event.get("eventTime") or event["metadata"]["creationTimestamp"]
    times = event.get("count") or 1
    message = event.get("message", "")
    return PlaceEvent(
        datetime.fromisoformat(stamp).timestamp(),
        f"{about.get('kind', '')} {about['name']}",
        event.get("reason", ""),
        f"{message} ({times} times)" if times > 1 else message,
    )

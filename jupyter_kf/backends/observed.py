"""What is seen of a job, in plain words: from its Job, its pods and the events about it.

Pure functions of the cluster's objects. A reason is one sentence that a user of the notebook
understands; what the cluster said stands in it where it helps.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..spec import JobSpec, JobState, JobStatus, Replica
from .manifests import CANCELLED_ANNOTATION, CONTAINER, INDEX_LABEL, read_spec
from .queueing import Line, is_suspended, waits_in, words

if TYPE_CHECKING:
    from .apiserver import Object

PEER_LOST = 42
_UNKNOWN = Line()
_SET_UP, _STARTING = "is being set up on its node", "is starting and looks for its peers"
_IMAGE = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError")
_SHORT = re.compile(r"(\d+) Insufficient ([\w./-]*\w)")
_QUOTA = re.compile(r"exceeded quota: (\S+), requested: (\S+), used: (\S+), limited: (\S+)")
_WEBHOOK = re.compile(r'admission webhook "([^"]+)" denied the request: (.*)', re.DOTALL)


def status_of(job: Object, pods: list[Object], events: list[Object], line: Line = _UNKNOWN) -> JobStatus:
    """Put a job's status together; ``pods`` and ``events`` are those of this job, ``line`` of its queue."""
    spec = read_spec(job)
    replicas = tuple(_with_past(index, pods) for index in range(spec.replicas))
    seen = JobStatus(spec, replicas=replicas, started=_started(pods), ranks=spec.ranks)
    ended = _ended(job, seen, pods)
    if ended:
        return ended
    waiting = [r for r in replicas if r.state is not JobState.RUNNING]
    if not waiting:
        return replace(seen, state=JobState.RUNNING)
    if is_suspended(job):
        return replace(seen, reason=_why_suspended(job, line))
    return replace(seen, reason=_why_waiting(waiting, len(pods), events))


def _ended(job: Object, seen: JobStatus, pods: list[Object]) -> JobStatus | None:
    status = job.get("status", {})
    true = {c["type"]: c for c in status.get("conditions", []) if c["status"] == "True"}
    # The first of each pair comes when the end is certain, the second when all pods have gone.
    done = true.get("SuccessCriteriaMet") or true.get("Complete")
    failed = true.get("FailureTarget") or true.get("Failed")
    if not done and CANCELLED_ANNOTATION in job["metadata"].get("annotations", {}):
        if status.get("active") and not failed:
            return None
        return replace(seen, state=JobState.CANCELLED, reason="Cancelled.", finished=_time(failed))
    if done:
        told = _told(_of_index(pods, 0))
        state = JobState(told.get("state", JobState.SUCCEEDED))
        replicas = tuple(replace(r, state=JobState.SUCCEEDED, reason="", exit_code=0) for r in seen.replicas)

        reason = told.get("reason", "")
        return replace(seen, state=state, reason=reason, replicas=replicas, finished=_time(done))
    if failed:
        reason = _first_failure(seen, pods) or f"The cluster ended the job: {failed.get('message', '')}"
        return replace(seen, state=JobState.FAILED, reason=reason, finished=_time(failed))
    return None


def _first_failure(seen: JobStatus, pods: list[Object]) -> str:
    """The sentence of the replica that failed first for a reason of its own."""
    failed = [pod for pod in pods if pod.get("status", {}).get("phase") == "Failed"]
    # What became of a pod that was replaced did not end the job.
    failed = [pod for pod in failed if pod is _of_index(pods, _index(pod))] or failed
    own = [pod for pod in failed if _exit_code(pod) != PEER_LOST] or failed
    if not own:
        return ""
    first = min(own, key=_finished)
    told = _told(first)
    if told.get("final"):
        return str(told["reason"])
    return f"Rank {_index(first)} {_why_failed(first)}."


# -- one replica --


def _with_past(index: int, pods: list[Object]) -> Replica:
    """One replica, and, until it runs again, what became of its pod before."""
    now = _of_index(pods, index)
    seen = _replica(index, now)
    before = [pod for pod in pods if _index(pod) == index and pod is not now]
    if before and seen.state is JobState.PENDING and seen.reason:
        last = max(before, key=_age)
        seen = replace(seen, reason=f"{seen.reason}, after it {_why_failed(last)}")
    return replace(seen, restarts=len(before))


def _replica(index: int, pod: Object | None) -> Replica:
    if pod is None:
        return Replica(index)
    phase = pod.get("status", {}).get("phase", "Pending")
    node = pod["spec"].get("nodeName", "")
    if phase == "Succeeded":
        return Replica(index, JobState.SUCCEEDED, node=node, exit_code=0)
    if phase == "Failed":
        return Replica(index, JobState.FAILED, _why_failed(pod), node=node, exit_code=_exit_code(pod))
    if phase == "Running" and not _waiting(pod):
        if _container(pod).get("ready"):
            silent = f"does not answer: its node {node} may be lost" if _is_silent(pod) else ""
            return Replica(index, JobState.PENDING if silent else JobState.RUNNING, silent, node=node)
        return Replica(index, JobState.PENDING, _STARTING, node=node)
    return Replica(index, JobState.PENDING, _why_pending(pod), node=node)


def _is_silent(pod: Object) -> bool:
    """Whether the cluster has written the pod off while its last word was that it runs."""
    conditions = {c["type"]: c["status"] for c in pod["status"].get("conditions", [])}
    return conditions.get("Ready") == "False"


def _of_index(pods: list[Object], index: int) -> Object | None:
    """The youngest pod of one index: the one that counts."""
    return max((pod for pod in pods if _index(pod) == index), key=_age, default=None)


def _age(pod: Object) -> tuple[str, bool]:
    """What sorts the pods of an index: seconds are coarse, and who has ended was there before."""
    over = pod.get("status", {}).get("phase") in ("Failed", "Succeeded")
    return pod["metadata"].get("creationTimestamp", ""), not over


def _index(pod: Object) -> int:
    return int(pod["metadata"].get("labels", {}).get(INDEX_LABEL, -1))


def _container(pod: Object) -> dict[str, Any]:
    states = pod.get("status", {}).get("containerStatuses", [])
    return next((c for c in states if c["name"] == CONTAINER), {})


def _waiting(pod: Object) -> dict[str, Any]:
    return dict(_container(pod).get("state", {}).get("waiting", {}))


def _terminated(pod: Object) -> dict[str, Any]:
    return dict(_container(pod).get("state", {}).get("terminated", {}))


def _exit_code(pod: Object) -> int | None:
    return _terminated(pod).get("exitCode")


def _told(pod: Object | None) -> dict[str, Any]:
    """What the replica's supervisor left as its container's last words."""
    try:
        told = json.loads(_terminated(pod or {}).get("message", ""))
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _why_pending(pod: Object) -> str:
    waiting = _waiting(pod)
    reason, message = waiting.get("reason", ""), _first_line(waiting.get("message", ""))
    image = next(c["image"] for c in pod["spec"]["containers"] if c["name"] == CONTAINER)
    if reason in _IMAGE:
        return f"cannot get its image {image}: {message or reason}"
    if reason == "CreateContainerConfigError":
        return f"cannot be set up: {message}"
    if reason and reason not in ("ContainerCreating", "PodInitializing"):
        return f"cannot start: {reason}: {message}"
    for condition in pod.get("status", {}).get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return unschedulable(condition.get("message", ""))
    return _SET_UP if pod["spec"].get("nodeName") else "waits for a node"


def unschedulable(message: str) -> str:
    """Say what the scheduler is short of."""
    short = [
        f"{name} on {count} node{'s' if count != '1' else ''}" for count, name in _SHORT.findall(message)
    ]
    if short:
        return f"has no node with room for it: not enough {', not enough '.join(short)}"
    return f"has no node to run on: {message.rstrip('.') or 'the scheduler does not say why'}"


def _why_failed(pod: Object) -> str:
    status, ended, told = pod.get("status", {}), _terminated(pod), _told(pod)
    if status.get("reason") == "Evicted":
        return f"was evicted from its node: {_first_line(status.get('message', ''))}"
    if ended.get("reason") == "OOMKilled":
        return _out_of_memory(pod, told)
    if told.get("reason"):
        return str(told["reason"]).rstrip(".")
    for condition in status.get("conditions", []):
        if condition["type"] == "DisruptionTarget" and condition["status"] == "True":
            return f"was taken off its node: {_first_line(condition.get('message', ''))}"
    code = ended.get("exitCode")
    return f"ended with exit code {code}" if code is not None else "was lost with its node"


def _out_of_memory(pod: Object, told: dict[str, Any]) -> str:
    limits = [c.get("resources", {}).get("limits", {}) for c in pod["spec"]["containers"]]
    limit = next((found["memory"] for found in limits if "memory" in found), "")
    peak = f", its peak {told['peak'] / 2**20:.0f} MiB" if told.get("peak") else ""
    return f"ran out of memory (its limit is {_mebibytes(limit) or 'the node'}{peak})"


def _mebibytes(quantity: str) -> str:
    return f"{int(quantity) / 2**20:.0f} MiB" if quantity.isdigit() else quantity


# -- the whole job --


def _why_suspended(job: Object, line: Line) -> str:
    if queue := waits_in(job):
        return f"Queued: it {words(queue, line, job['metadata']['uid'])}."
    return "Queued: the cluster has not admitted it yet."


def _why_waiting(waiting: list[Replica], pods: int, events: list[Object]) -> str:
    if pods < len(waiting) and events:
        last = max(events, key=lambda e: e.get("lastTimestamp") or e.get("eventTime") or "")
        return refused(last.get("message", ""))
    told = [r for r in waiting if r.reason]
    if not told:
        return "Waiting for the cluster to make its replicas."
    first = next((r for r in told if not r.reason.startswith((_STARTING, _SET_UP))), told[0])
    return f"Rank {first.index} {first.reason}."


def refused(message: str) -> str:
    """Say why the cluster does not let a job have its pods."""
    quota, webhook = _QUOTA.search(message), _WEBHOOK.search(message)
    if quota:
        name, requested, used, limited = quota.groups()
        return f"The quota {name} is used up: asks for {requested}, used {used}, limit {limited}."
    if webhook:
        return f"The cluster's rule {webhook[1]} refused its pods: {webhook[2].strip().rstrip('.')}."
    return f"The cluster refused its pods: {message.removeprefix('Error creating: ').rstrip('.')}."


def _started(pods: list[Object]) -> float | None:
    """When the last of the replicas came up."""
    states = [_container(pod).get("state", {}) for pod in pods]
    times = [s.get("running", s.get("terminated", {})).get("startedAt") for s in states]
    return max((_seconds(t) for t in times if t), default=None)


def _finished(pod: Object) -> str:
    return str(_terminated(pod).get("finishedAt") or pod["metadata"].get("creationTimestamp", ""))


def _time(condition: dict[str, Any] | None) -> float | None:
    return _seconds(condition["lastTransitionTime"]) if condition else None


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _first_line(text: str) -> str:
    return text.strip().split("\n", 1)[0].rstrip(".")


def spec_or_none(job: Object) -> JobSpec | None:
    """The specification of a Job that is one of ours and whole, else None."""
    try:
        return read_spec(job)
    except (KeyError, ValueError):
        return None

"""One job on this machine: waits for its slots, runs its gang, writes down what happened.

The process that runs `run_job` is the job: it holds the job's lock for as long as it lives, so
whoever reads the status can tell a job that runs from one whose supervisor was killed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import logs
from ..errors import SpecError
from ..slots import Place
from ..spec import JobSpec, JobState
from ..store import OUTCOME, REQUESTS, SPEC, STATUS, SUMMARY, ArtifactStore, job_path, log_path
from .child import PEER_LOST
from .ports import Ports
from .supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .child import Child

ATTEMPTS = 4
_TURN = 0.1


class _Status:
    """The job's status file, written whole by rename."""

    def __init__(self, store: ArtifactStore, spec: JobSpec) -> None:
        self._store = store
        self._path = job_path(spec.name, STATUS)
        self.now: dict[str, Any] = {"state": JobState.PENDING, "reason": "Starting.", "pid": os.getpid()}

    def write(self, **change: Any) -> None:
        if any(self.now.get(k) != v for k, v in change.items()) or not change:
            self.now.update(change)
            self._store.put_json(self._path, self.now)


def run_job(url: str, name: str, runtime: str, held: Sequence[int] = ()) -> None:
    """Run the job ``name`` of the store ``url`` to its end.

    ``runtime`` is the machine's folder; ``held`` are open files that are the supervisor's alone,
    its lock above all: a rank, or what it starts, may live a moment longer.
    """
    store = ArtifactStore(url)
    spec = JobSpec.from_dict(store.get_json(job_path(name, SPEC)))
    status = _Status(store, spec)
    status.write()
    try:
        with contextlib.closing(Place(Path(runtime), spec.replicas)) as place:
            if not _wait_for_slots(store, spec, place, status):
                reason = "Cancelled while it waited."
                status.write(state=JobState.CANCELLED, reason=reason, finished=time.time())
                return
            close = [*held, *place.fds()]
            gang = _run_attempts(store, spec, status, Path(runtime) / "ports", close)
            replicas = [r.to_dict() for r in gang.replicas()]
            status.write(replicas=replicas, finished=time.time(), **_verdict(store, gang))
    except Exception as err:
        reason = f"The supervisor failed: {err}"
        status.write(state=JobState.FAILED, reason=reason, finished=time.time())
        raise


def _wait_for_slots(store: ArtifactStore, spec: JobSpec, place: Place, status: _Status) -> bool:
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))
    while not place.take():
        status.write(reason=place.reason())
        if stopped or any(store.has(job_path(spec.name, REQUESTS, r)) for r in ("cancel", "interrupt")):
            return False
        time.sleep(_TURN)
    return True


def _run_attempts(
    store: ArtifactStore, spec: JobSpec, status: _Status, ports_folder: Path, close: Sequence[int]
) -> Supervisor:
    """Run the gang, and again where it was lost and can be taken up from a checkpoint; give the last."""
    for attempt in range(ATTEMPTS):
        with contextlib.closing(Ports(ports_folder, spec.replicas)) as ports:
            addresses = [f"127.0.0.1:{port}" for port in ports.numbers]
            gang = Supervisor(store, spec, addresses, range(spec.replicas), attempt)
            _run_gang(gang, status, [*close, *ports.fds()])
        first = gang.first_failure
        if not spec.checkpoint or first is None or not _is_lost(store, gang, first):
            break
        if attempt + 1 < ATTEMPTS:
            again = (
                f"Rank {first.rank} {first.reason()}: all begin again, attempt {attempt + 2} of {ATTEMPTS}."
            )
            status.write(state=JobState.PENDING, reason=again)
            _note(store, spec.name, again)
    return gang


def _is_lost(store: ArtifactStore, gang: Supervisor, first: Child) -> bool:
    """Whether another attempt may end better: no rank said why it failed, and nobody wanted the end."""
    if gang.cancelled or store.has(job_path(gang.spec.name, OUTCOME, SUMMARY)):
        return False
    return (
        not first.failure
        and first.exit_code is not None
        and (first.exit_code < 0 or first.exit_code == PEER_LOST)
    )


def _note(store: ArtifactStore, name: str, text: str) -> None:
    log = _open_log(store, name, 0)
    try:
        os.write(log, logs.encode({"kind": "note", "text": text}))
    finally:
        os.close(log)


def _run_gang(gang: Supervisor, status: _Status, close: Sequence[int]) -> None:
    def changed() -> None:
        replicas = [r.to_dict() for r in gang.replicas()]
        if gang.running:
            started = status.now.get("started") or time.time()
            status.write(state=JobState.RUNNING, reason="", replicas=replicas, started=started)
        else:
            status.write(reason="Starting its replicas.", replicas=replicas)

    try:
        gang.start(lambda rank: _open_log(gang.store, gang.spec.name, rank), close)
        gang.watch(changed)
    finally:
        gang.close()


def _open_log(store: ArtifactStore, name: str, rank: int) -> int:
    path = store.local(log_path(name, rank))
    if path is None:
        raise SpecError(f"Jobs of this machine need a store in a folder, not {store.url}.")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def _verdict(store: ArtifactStore, gang: Supervisor) -> dict[str, Any]:
    """Say how the job ended, from what its ranks left behind."""
    name = gang.spec.name
    if store.has(job_path(name, OUTCOME, SUMMARY)):
        told = store.get_json(job_path(name, OUTCOME, SUMMARY))
        return {"state": JobState(told["state"]), "reason": told["reason"]}
    if gang.cancelled:
        return {"state": JobState.CANCELLED, "reason": "Cancelled."}
    first = gang.first_failure
    if first is None:
        return {"state": JobState.FAILED, "reason": "All ranks ended, but none left a result."}
    failure = first.failure and {k: v for k, v in first.failure.items() if k != "said"}
    reason = f"Rank {first.rank} {first.reason()}."
    return {"state": JobState.FAILED, "reason": reason, "failure": {"rank": first.rank, **(failure or {})}}

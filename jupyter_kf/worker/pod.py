"""One replica of a job in a pod: musters with the others, runs its ranks, says how it ended.

The pod's first process. When a peer is lost, all ranks of the job begin again in place, as a new
attempt. Its last words, a JSON object in the container's termination message, and its exit code
are what the cluster keeps of it: 0 done, 1 an error that a second attempt would not change,
42 peers lost, 137 killed, 143 told to end.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
import traceback
from typing import TYPE_CHECKING

from ..names import replica_name
from ..spec import JobSpec, JobState
from ..store import ATTEMPT, OUTCOME, SPEC, STATUS, SUMMARY, job_path
from .child import PEER_LOST
from .clerk import Clerk, store_of_a_supervisor
from .container import Log, Ready, peak, say
from .forkserver import preload
from .muster import Over, muster
from .supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..store import ArtifactStore
    from .muster import Answerer, Caller

PORT = 2222
ATTEMPTS = 4
ENDED = 143
_INDEX_VARIABLE = "JOB_COMPLETION_INDEX"
# So many times as long as ranks may take to find each other, pods may: an image is pulled, a node
# added; a node that is gone has to be given up by the cluster first.
_PATIENCE = 5
_TURN = 0.1
# How a rank ends that the supervisor stops when its peers are lost.
_ENDED_BY_US = (-signal.SIGTERM, -signal.SIGKILL)


def run_replica(name: str) -> int:
    """Run this pod's replica of the job ``name``; gives the exit code."""
    signal.signal(signal.SIGTERM, _end)  # process 1 has no default action
    index = int(os.environ[_INDEX_VARIABLE])
    try:
        store = store_of_a_supervisor()
        spec = JobSpec.from_dict(store.get_json(job_path(name, SPEC)))
        if index == 0 and store.has(job_path(name, OUTCOME, SUMMARY)):
            return _conclude_from_summary(store, name)  # an earlier pod was lost after its work
        preload()
        return Pod(store, spec, index).run()
    except Over:
        return PEER_LOST
    except Exception as err:  # noqa: BLE001 - the outermost frame of a replica
        traceback.print_exc()
        say(f"could not start: {type(err).__name__}: {err}")
        return 1


def _end(*_: object) -> None:
    sys.exit(ENDED)


def _first_host(spec: JobSpec) -> str:
    """The name of the first pod: this host's full name tells the domain."""
    domain = socket.getfqdn().partition(".")[2]
    return f"{replica_name(spec.name, 0)}.{domain}"


class Pod:
    """The ranks of one pod, over all attempts."""

    def __init__(self, store: ArtifactStore, spec: JobSpec, index: int) -> None:
        self._store, self._spec, self._index = store, spec, index
        each = spec.resources.processes
        self._ranks = range(index * each, (index + 1) * each)
        self._others: Caller | Answerer = muster(spec.name, spec.replicas, index, _first_host(spec))

    def run(self) -> int:
        """Run attempts until one is the last; gives the exit code."""
        number, why, code = self._attempts_before(), "", ENDED
        try:
            while True:
                number, hosts = self._others.gather(number, _PATIENCE * self._spec.start_timeout)
                if number >= ATTEMPTS:
                    say(f"gave up after {ATTEMPTS} attempts: {why or 'replicas were lost each time'}")
                    code = 1
                    return code
                if self._index == 0:
                    self._store.put_json(job_path(self._spec.name, ATTEMPT), {"attempt": number})
                gang = self._attempt(number, hosts, why)
                why = self._lost(gang)
                if not why:
                    code = self._conclude(gang)
                    return code
                number += 1
        finally:
            self._others.leave(for_good=code != ENDED)

    def _attempts_before(self) -> int:
        """How many attempts earlier pods of this index have begun; the first counts for all."""
        path = job_path(self._spec.name, ATTEMPT)
        known = self._index == 0 and self._store.has(path)
        return int(self._store.get_json(path)["attempt"]) + 1 if known else 0

    def _attempt(self, number: int, hosts: Sequence[str], why: str) -> Supervisor:
        addresses, each = self._addresses(number, hosts), len(self._ranks)
        gang = Supervisor(self._store, self._spec, addresses, self._ranks, number, devices=each > 1)
        logs = {rank: Log(self._store, self._spec.name, rank) for rank in self._ranks}
        ready, clerk = Ready(), self._store if isinstance(self._store, Clerk) else None
        if why:
            begins = f"all ranks begin again, attempt {number + 1} of {ATTEMPTS}"
            logs[self._ranks[0]].note(f"{why.capitalize()}: {begins}.")
        try:
            held = [log.out for log in logs.values()] + ([clerk.fileno()] if clerk else [])
            gang.start(lambda rank: logs[rank].fileno(), held)
            for log in logs.values():
                log.start()
            gang.watch(lambda: ready.tell() if gang.running else None, self._others.lost)
            # Until the job is over this pod may be needed for another attempt.
            while not (gang.first_failure or gang.cancelled or self._others.is_over()):
                time.sleep(_TURN)
        finally:
            gang.close([clerk.pid] if clerk else ())
            ready.end()
            for log in logs.values():
                log.end()
            signal.signal(signal.SIGTERM, _end)
        return gang

    def _addresses(self, number: int, hosts: Sequence[str]) -> list[str]:
        """Where the ranks listen: on ports of this attempt only, so that none of an earlier one can join."""
        each = len(self._ranks)
        ports = range(PORT + number * each, PORT + (number + 1) * each)
        return [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host in hosts for port in ports]

    def _lost(self, gang: Supervisor) -> str:
        """Say why the attempt was lost through no fault of this pod; empty where it ended by itself."""
        first, lost = gang.first_failure, self._others.lost()
        if gang.cancelled or self._has_outcome():
            return ""
        if first and (first.failure or first.exit_code not in (PEER_LOST, *_ENDED_BY_US)):
            return ""
        if first and first.exit_code == PEER_LOST and self._spec.replicas > 1:
            return lost or f"replica {self._index} lost its peers"
        return lost

    def _has_outcome(self) -> bool:
        return self._index == 0 and self._store.has(job_path(self._spec.name, OUTCOME, SUMMARY))

    def _conclude(self, gang: Supervisor) -> int:
        """Leave the last words and give the exit code."""
        first = gang.first_failure
        if self._has_outcome():
            return _conclude_from_summary(self._store, self._spec.name)
        if gang.cancelled:
            say("was told to end")
            return ENDED
        if first is None:
            return 0
        if first.failure:
            failure = {k: v for k, v in first.failure.items() if k != "said"}
            path = job_path(self._spec.name, STATUS)
            self._store.put_json(path, {"failure": {"rank": first.rank, **failure}})
            say(first.reason())
            return 1
        say(first.reason(), peak=peak())
        code = first.exit_code or 0
        return code if code > 0 else 128 - code


def _conclude_from_summary(store: ArtifactStore, name: str) -> int:
    told = store.get_json(job_path(name, OUTCOME, SUMMARY))
    say(told["reason"], state=told["state"], final=True)
    return 1 if told["state"] == JobState.FAILED else 0

"""One replica of a job in a pod: waits for its peers' names, runs its rank, says how it ended.

The pod's first process. Its last words, a JSON object in the container's termination message,
and its exit code are what the cluster keeps of it: 0 done, 1 an error that a second attempt would
not change, 42 peers lost, 137 killed, 143 told to end.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import JupyterKFError
from ..names import replica_name
from ..spec import JobSpec, JobState
from ..store import OUTCOME, SPEC, STATUS, SUMMARY, ArtifactStore, job_path, log_path
from .forkserver import preload
from .supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Sequence

PORT = 2222
READY_PORT = 2221
ENDED = 143
_INDEX_VARIABLE = "JOB_COMPLETION_INDEX"
_LAST_WORDS = Path(os.environ.get("JUPYTER_KF_LAST_WORDS", "/dev/termination-log"))
_PEAKS = ("/sys/fs/cgroup/memory.peak", "/sys/fs/cgroup/memory/memory.max_usage_in_bytes")
_WORDS_LIMIT = 3000
_TURN = 0.1


def run_replica(name: str) -> int:
    """Run this pod's replica of the job ``name``; gives the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(ENDED))  # process 1 has no default action
    rank = int(os.environ[_INDEX_VARIABLE])
    try:
        store = ArtifactStore()
        spec = JobSpec.from_dict(store.get_json(job_path(name, SPEC)))
        preload()
        addresses = _addresses(spec)
        _wait_for_names(addresses, spec.start_timeout)
        return _run(store, spec, addresses, rank)
    except Exception as err:  # noqa: BLE001 - the outermost frame of a replica
        traceback.print_exc()
        _say(f"could not start: {type(err).__name__}: {err}")
        return 1


def _addresses(spec: JobSpec) -> list[str]:
    """The addresses of all ranks: this host's full name tells the domain of the others."""
    own, _, domain = socket.getfqdn().partition(".")
    if spec.replicas == 1:
        return [f"{own}:{PORT}"]
    return [f"{replica_name(spec.name, index)}.{domain}:{PORT}" for index in range(spec.replicas)]


def _wait_for_names(addresses: Sequence[str], timeout: float) -> None:
    """Wait until all names resolve: until then their pods have no address."""
    deadline = time.monotonic() + timeout
    missing = dict(enumerate(addresses)) if len(addresses) > 1 else {}
    while missing:
        for index, address in list(missing.items()):
            with suppress(OSError):
                socket.getaddrinfo(address.rpartition(":")[0], PORT)
                del missing[index]
        if missing and time.monotonic() > deadline:
            away = ", ".join(map(str, missing))
            raise TimeoutError(f"rank {away} did not come within {timeout:g} s")
        if missing:
            time.sleep(_TURN)


def _run(store: ArtifactStore, spec: JobSpec, addresses: Sequence[str], rank: int) -> int:
    gang = Supervisor(store, spec, addresses, [rank])
    log, ready = _Log(store, spec.name, rank), _Ready()
    try:
        gang.start(lambda _: log.fileno(), [log.out])
        log.start()
        gang.watch(lambda: ready.tell() if gang.running else None)
    finally:
        gang.close()
        ready.end()
        log.end()
    return _conclude(store, gang, rank)


def _conclude(store: ArtifactStore, gang: Supervisor, rank: int) -> int:
    """Leave the last words and give the exit code."""
    name, child = gang.spec.name, gang.children[0]
    if rank == 0 and store.has(job_path(name, OUTCOME, SUMMARY)):
        told = store.get_json(job_path(name, OUTCOME, SUMMARY))
        _say(told["reason"], state=told["state"], final=True)
        return 1 if told["state"] == JobState.FAILED else 0
    if gang.cancelled:
        _say("was told to end")
        return ENDED
    code = child.exit_code or 0
    if not code:
        return 0
    if child.failure:
        failure = {k: v for k, v in child.failure.items() if k != "said"}
        store.put_json(job_path(name, STATUS), {"failure": {"rank": rank, **failure}})
        _say(child.reason())
        return 1
    _say(child.reason(), peak=_peak())
    return code if code > 0 else 128 - code


def _say(reason: str, **more: Any) -> None:
    """Leave the last words; without a place for them, as outside of a pod, on standard error."""
    words = json.dumps({"reason": reason[:_WORDS_LIMIT], **more})
    try:
        _LAST_WORDS.write_text(words)
    except OSError:
        print(words, file=sys.stderr)


def _peak() -> int | None:
    """The most memory that this container used, in bytes, where the kernel tells."""
    for place in _PEAKS:
        with suppress(OSError, ValueError):
            return int(Path(place).read_text())
    return None


class _Ready:
    """Answers on a port of its own once the rank has found its peers: the pod's readiness."""

    def __init__(self) -> None:
        self._server: socket.socket | None = None

    def tell(self) -> None:
        """Begin to answer."""
        if self._server is None:
            self._server = socket.create_server(("", READY_PORT))
            threading.Thread(target=self._answer, name="jupyter_kf-ready", daemon=True).start()

    def _answer(self) -> None:
        with suppress(OSError):  # the server was closed
            while self._server is not None:
                self._server.accept()[0].close()

    def end(self) -> None:
        """Answer no more."""
        server, self._server = self._server, None
        if server is not None:
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            server.close()


class _Log:
    """Brings what a rank prints into the store and to the container's output.

    A store that is a folder is written bit by bit; any other gets the whole when the rank ends.
    """

    def __init__(self, store: ArtifactStore, name: str, rank: int) -> None:
        self._store, self._path = store, log_path(name, rank)
        self.out, self._in = os.pipe()
        local = store.local(self._path)
        self._place = local or Path(f"/tmp/jupyter_kf-rank-{rank}.log")
        self._place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._whole = local is None
        self._thread = threading.Thread(target=self._pump, name="jupyter_kf-log")

    def fileno(self) -> int:
        """The file that the rank is to write to; the caller closes it."""
        return self._in

    def start(self) -> None:
        """Begin to copy; only now, as a process with threads should not fork."""
        self._thread.start()

    def _pump(self) -> None:
        with self._place.open("ab", buffering=0) as file:
            while data := os.read(self.out, 1 << 16):
                with suppress(OSError):  # a full disk must not stop the rank
                    file.write(data)
                os.write(1, data)

    def end(self) -> None:
        """Wait until all is copied: the rank and all that it started have ended."""
        if self._thread.ident is not None:
            self._thread.join(10)
        os.close(self.out)
        if self._whole:
            try:
                self._store.put(self._path, self._place.read_bytes())
            except JupyterKFError as err:  # the log is not worth the job
                print(err, file=sys.stderr)

"""Watches over the ranks of one host from start to end.

It starts them, passes on an interrupt, bounds the start and the end, and leaves no process
behind. It never runs the user's code and never imports what the user's code needs.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BackendError
from ..spec import JobState, Replica
from ..store import REQUESTS, ArtifactStore, job_path
from .checkpoint import latest
from .child import PEER_LOST, Child
from .environment import JobEnvironment
from .system import adopt_orphans, kill_descendants

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from ..spec import JobSpec

# After the first rank failed, the others have this long to notice by themselves: TensorFlow's
# heartbeat needs 3 s, and rank 0 may be about to bring back what it has.
_PEERS_GRACE = 6.0
_TERM_GRACE = 5.0
_TICK = 0.1
# A host that ends gives 30 s in all.
_KEEP_GRACE = 15.0
# A store that is not a folder is asked over a network.
_REMOTE_TICK = 1.0


class Supervisor:
    """The ranks ``ranks`` of the job ``spec``, which all ranks at ``addresses`` make up.

    With ``devices`` each of them has one of the host's GPUs to itself.
    """

    def __init__(
        self,
        store: ArtifactStore,
        spec: JobSpec,
        addresses: Sequence[str],
        ranks: Sequence[int],
        attempt: int = 0,
        devices: bool = False,
    ) -> None:
        self.store = store
        self.spec = spec
        self.cancelled = False
        self.children: list[Child] = []
        self._addresses = tuple(addresses)
        self._ranks = ranks
        self._attempt = attempt
        self._devices = devices
        self._interrupted = False
        self._ask_at = 0.0
        self._stop_at: float | None = None
        self._kill_at: float | None = None
        self._told_to_end = False
        self._leave_at: float | None = None
        self._kept_before = 0
        self._wake, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._wake_write = wake_write

    def start(self, open_log: Callable[[int], int], close: Iterable[int] = ()) -> None:
        """Start the ranks; ``open_log`` opens a rank's log, ``close`` are files they must not hold."""
        adopt_orphans()
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._tell_to_end)
        self._start_by = time.monotonic() + self.spec.start_timeout
        for rank in self._ranks:
            log = open_log(rank)
            try:
                self.children.append(self._start_rank(rank, log, close))
            finally:
                os.close(log)

    def _start_rank(self, rank: int, log: int, close: Iterable[int]) -> Child:
        from .run import run

        spec = self.spec
        place = JobEnvironment(
            spec.name,
            rank,
            self._addresses,
            attempt=self._attempt,
            start_timeout=spec.start_timeout,
            device=rank - self._ranks[0] if self._devices else None,
        )
        others = [c.control.fileno() for c in self.children]
        ours = [*close, *others, self._wake, self._wake_write]
        # A store of its own: a connection must not be shared by two processes.
        store = ArtifactStore(self.store.url)
        return Child.fork(rank, log, lambda control: run(store, spec, place, control), ours)

    def watch(self, changed: Callable[[], None], lost: Callable[[], object] = lambda: None) -> None:
        """Wait for the end of all ranks, calling ``changed`` whenever one's state did.

        When ``lost`` says that ranks elsewhere were lost, those here are brought to their end.
        """
        seen = None
        while True:
            ended = self._finished()
            now = self.replicas()
            if now != seen:
                seen = now
                changed()
            if ended:
                return
            self._listen()
            self._take_requests()
            self._leave()
            self._bound(bool(lost()))

    def close(self, spare: Collection[int] = ()) -> None:
        """Leave no process behind but those to ``spare``, which are no ranks, and no temporary file."""
        for child in self.children:
            child.signal(signal.SIGKILL)
        kill_descendants(spare)
        for child in self.children:  # one that was killed could not remove its copies of files
            for copies in Path(tempfile.gettempdir()).glob(f"jupyter_kf-copies-{child.pid}-*"):
                shutil.rmtree(copies, ignore_errors=True)
        signal.set_wakeup_fd(-1)
        os.close(self._wake)
        os.close(self._wake_write)

    def replicas(self) -> tuple[Replica, ...]:
        """Give the state of each rank."""
        node = os.uname().nodename
        return tuple(
            Replica(c.rank, _state_of(c), c.reason(), self._attempt, node, c.exit_code) for c in self.children
        )

    @property
    def running(self) -> bool:
        """Whether all ranks have found each other."""
        return bool(self.children) and all(c.started for c in self.children)

    @property
    def first_failure(self) -> Child | None:
        """The rank that failed first, and by itself where any did.

        A rank that lost its peers is a consequence; the cause is whoever said or did more.
        """
        failed = [c for c in self.children if c.exit_code or c.failure]
        own = [c for c in failed if c.exit_code != PEER_LOST] or failed
        return min(own, key=lambda c: c.failure["time"] if c.failure else c.ended, default=None)

    def _finished(self) -> bool:
        ended = [child.poll() for child in self.children]  # each is to be reaped
        return all(ended)

    def _listen(self) -> None:
        fds = [c.control.fileno() for c in self.children if not c.silent]
        select.select([self._wake, *fds], [], [], _TICK)
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake, 512)
        for child in self.children:
            child.hear()

    def _bound(self, lost: bool) -> None:
        """Bring a gang that cannot end well to its end, in steps of bounded length."""
        now = time.monotonic()
        failed = any(c.exit_code for c in self.children)
        if (failed or lost) and self._stop_at is None:
            self._stop_at = now + _PEERS_GRACE
        late = not self.running and now > self._start_by and not failed
        if late:
            missing = ", ".join(str(c.rank) for c in self.children if not c.started)
            for child in self.children:
                if child.failure is None and not child.started:
                    limit = self.spec.start_timeout
                    summary = f"did not come up within {limit:g} s (waiting for rank {missing})"
                    child.failure = {"summary": summary, "time": time.time()}
        if (late or self.cancelled) and self._kill_at is None:
            self._stop_at = now
        if self._stop_at is not None and now >= self._stop_at and self._kill_at is None:
            self._kill_at = now + _TERM_GRACE
            for child in self.children:
                child.signal(signal.SIGTERM)
        if self._kill_at is not None and now >= self._kill_at:
            for child in self.children:
                child.signal(signal.SIGKILL)

    def _take_requests(self) -> None:
        if time.monotonic() < self._ask_at:
            return
        self._ask_at = time.monotonic() + (_TICK if self.store.local() else _REMOTE_TICK)
        with contextlib.suppress(BackendError):  # a store that does not answer is asked again
            if self._is_asked("cancel"):
                self.cancelled = True
            if not self._interrupted and self._is_asked("interrupt"):
                self._interrupted = True
                self._tell("interrupt")
            if self.spec.checkpoint and 0 in self._ranks and self._is_asked("checkpoint"):
                self.store.delete(job_path(self.spec.name, REQUESTS, "checkpoint"))
                self._tell("checkpoint")

    def _is_asked(self, what: str) -> bool:
        return self.store.has(job_path(self.spec.name, REQUESTS, what))

    def _tell(self, what: str) -> None:
        for child in self.children:
            child.tell(what)

    def _tell_to_end(self, *_: object) -> None:
        self._told_to_end = True

    def _leave(self) -> None:
        """Told to end by the host: at once, or when the training was kept where that is asked for."""
        if not self._told_to_end or self.cancelled:
            return
        if not self.spec.checkpoint or not self.running:
            self.cancelled = True
            return
        now, name = time.monotonic(), self.spec.name
        with contextlib.suppress(BackendError):
            if self._leave_at is None:
                self._leave_at = now + _KEEP_GRACE
                self._kept_before = latest(self.store, name)
                self.store.put(job_path(name, REQUESTS, "checkpoint"), b"")
            self.cancelled = latest(self.store, name) != self._kept_before
        self.cancelled = self.cancelled or now > (self._leave_at or now)


def _state_of(child: Child) -> JobState:
    if child.exit_code is None:
        return JobState.RUNNING if child.started else JobState.PENDING
    return JobState.FAILED if child.exit_code else JobState.SUCCEEDED

"""The life of one rank: from the fork to its exit code.

Joins its peers, unpacks the payload, runs it, and, on rank 0, leaves the outcome. It decides
nothing about other ranks: that is the supervisor's.
"""

from __future__ import annotations

import base64
import sys
import tempfile
import traceback
import types
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import JupyterKFError
from ..parallel import report
from ..spec import JobState
from ..store import OUTCOME, PAYLOAD, SUMMARY, job_path
from ..stored.record import GraphRun
from . import threads
from .child import PEER_LOST
from .environment import when_asked
from .link import Link
from .output import Output
from .work import Finished, perform, perform_graph

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from ..spec import JobSpec
    from ..store import ArtifactStore
    from .environment import JobEnvironment

_PEER_ERRORS = (
    "UnavailableError",
    "AbortedError",
    "DeadlineExceededError",
    "CancelledError",
    "InternalError",
)
_PEER_WORDS = ("/job:worker", "ollective", "oordination", "heartbeat", "Connection reset", "recvmsg")


def run(store: ArtifactStore, spec: JobSpec, place: JobEnvironment, control: socket.socket) -> int:
    """Run this rank; give 0, 1 for an error of the user's code, or `PEER_LOST`."""
    place.export()
    threads.limit(place, spec)
    sys.modules["__main__"] = types.ModuleType("__main__")
    output, link = Output(), Link(control)
    output.install()
    try:
        finished = _run(store, spec, place, output, link)
    except (JupyterKFError, TimeoutError) as err:
        traceback.print_exc()
        link.say("failed", **describe(err))
        return 1
    except Exception as err:  # noqa: BLE001 - the outermost frame
        traceback.print_exc()
        if is_peer_lost(err):
            return PEER_LOST
        link.say("failed", **describe(err))
        return 1
    if finished.error is None or (link.interrupted and isinstance(finished.error, KeyboardInterrupt)):
        return 0
    if is_peer_lost(finished.error):
        return PEER_LOST
    link.say("failed", **describe(finished.error))
    return 1


def _run(store: ArtifactStore, spec: JobSpec, place: JobEnvironment, output: Output, link: Link) -> Finished:
    joined = _join(store, spec, place, output, link)
    from ..capture import unpack

    link.start()
    with _payload(store, spec.name) as folder:
        arrival = unpack(folder, sys.modules["__main__"].__dict__)
    link.say("started")
    if isinstance(arrival.value["work"], GraphRun):
        if place.rank == 0:
            report.to(output.report)  # also where it has no peers
        finished = perform_graph(store, spec, arrival.value, output, link)
    else:
        finished = _perform(arrival.value, output, link) if joined else perform(arrival.value, output, link)
    if finished.error is not None and is_peer_lost(finished.error):
        return finished
    if joined and finished.error is None:
        _agree(arrival, finished)
    if place.rank == 0:
        with tempfile.TemporaryDirectory() as scratch:
            target = store.local(job_path(spec.name, OUTCOME)) or Path(scratch)
            target.mkdir(mode=0o700, parents=True, exist_ok=True)
            arrival.reply(finished.reply(), target)
            if target == Path(scratch):
                store.upload(target, job_path(spec.name, OUTCOME))
        # Last: an outcome counts from the moment that it has its summary.
        store.put_json(job_path(spec.name, OUTCOME, SUMMARY), _summary(finished, link))
    return finished


def _perform(payload: dict[str, Any], output: Output, link: Link) -> Finished:
    """Run the work on one disk for all ranks, and refuse what came of waiting in vain."""
    from ..parallel import disk, running, watch

    when_asked(disk.leave_all_to_each)
    finished = perform(payload, output, link, running)
    watch.check()
    return finished


def _agree(arrival: Any, finished: Finished) -> None:
    """Refuse a result that differs between ranks, also when they do not all come to this point."""
    from ..parallel import agree, watch

    try:
        agree(arrival.variables([finished.value, *finished.bound.values()]))
    except Exception:
        watch.check()
        raise


def _join(store: ArtifactStore, spec: JobSpec, place: JobEnvironment, output: Output, link: Link) -> bool:
    """Find the peers and put the hooks in place, where there are peers and the user wants them."""
    if spec.own_strategy or (place.world_size == 1 and not spec.checkpoint):
        return False
    from ..parallel import collective, install, stop

    collective.start(place.rank, place.addresses, timeout=place.start_timeout)
    if place.rank == 0:
        report.to(output.report)
    install()
    if spec.checkpoint:
        link.keep = _keep_checkpoints(store, spec, place, output)
    from ..capture import runtime

    runtime.let_seed_stand_for_none()
    link.stop = stop.request
    return True


def _keep_checkpoints(
    store: ArtifactStore, spec: JobSpec, place: JobEnvironment, output: Output
) -> Callable[[], None]:
    """Let training be kept and taken up; gives what asks for a checkpoint."""
    from ..parallel import resume
    from .checkpoint import Checkpoints

    assert spec.checkpoint
    kept = Checkpoints(store, spec.name, output)
    save = kept.save if place.rank == 0 else None
    resume.use(resume.Keeper(spec.checkpoint, save, kept.load(), kept.taken_up))
    want: Callable[[], None] = resume.want
    return want


@contextmanager
def _payload(store: ArtifactStore, name: str) -> Iterator[Path]:
    local = store.local(job_path(name, PAYLOAD))
    if local is not None:
        yield local
        return
    with tempfile.TemporaryDirectory(prefix="jupyter_kf-") as scratch:
        store.download(job_path(name, PAYLOAD), Path(scratch))
        yield Path(scratch)


def _summary(finished: Finished, link: Link) -> dict[str, Any]:
    error = finished.error
    if error is None:
        return {"state": JobState.SUCCEEDED, "reason": ""}
    if isinstance(error, KeyboardInterrupt) and link.interrupted:
        return {"state": JobState.CANCELLED, "reason": "Interrupted; what it had done so far came back."}
    return {"state": JobState.FAILED, "reason": f"{_headline(error)}."}


def describe(error: BaseException) -> dict[str, Any]:
    """Put an error into words, and into a pickle where it can be."""
    import cloudpickle

    try:
        pickled = base64.b64encode(cloudpickle.dumps(error)).decode("ascii")
    except Exception:  # noqa: BLE001 - a pickle may fail in any way; the error is told in words all the same
        pickled = ""
    text = "".join(traceback.format_exception(error))
    return {"summary": f"raised {_headline(error)}", "traceback": text, "exception": pickled}


def is_peer_lost(error: BaseException) -> bool:
    """Tell whether an error of TensorFlow says no more than that another rank has gone."""
    return type(error).__name__ in _PEER_ERRORS and any(word in str(error) for word in _PEER_WORDS)


def _headline(error: BaseException) -> str:
    first = str(error).strip().split("\n", 1)[0]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__

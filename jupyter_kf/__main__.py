"""``python -m jupyter_kf run-graph NAME``: run a stored graph without a notebook.

What a schedule starts, and a panel without a kernel may. Says what became of it in a line; ends with 0, 1
when the job failed, 2 when the request was wrong, or 130 when it was interrupted. Loads
no TensorFlow unless the data is a dataset of TensorFlow.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .backends import connect
from .errors import JupyterKFError, SpecError
from .executor import Options, submit_graph
from .handle import Job
from .logs import as_text
from .stored import shelf
from .stored.fitting import check_arrays
from .stored.record import GraphKind, GraphRecord, GraphRun
from .timetable import SCHEDULE_LABEL

if TYPE_CHECKING:
    from collections.abc import Sequence

_INTERRUPTED = 128 + signal.SIGINT


def main(arguments: Sequence[str]) -> int:
    """Run the command; gives the exit code."""
    asked = parser().parse_args(arguments)
    try:
        return run(asked)
    except SpecError as error:
        print(f"jupyter_kf: {error}", file=sys.stderr)
        return 2
    except JupyterKFError as error:
        print(f"jupyter_kf: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # nothing was sent out yet
        return _INTERRUPTED


def parser() -> argparse.ArgumentParser:
    """Give the grammar of the command line."""
    top = argparse.ArgumentParser(prog="python -m jupyter_kf", description="Run stored graphs.")
    command = top.add_subparsers(required=True, metavar="COMMAND").add_parser(
        "run-graph", help="run a stored graph as a job"
    )
    command.add_argument("name", help="the graph's name")
    command.add_argument("--version", type=int, help="its version; by default the newest")
    command.add_argument("--workers", type=int, default=1, help="how many replicas")
    command.add_argument("--profile", default="", help="the profile of the replicas")
    command.add_argument(
        "--steps", type=int, help="how many steps; by default those stored, or until the data ends"
    )
    command.add_argument(
        "--data", help="an .npz of arrays in the order of the call, or a folder of Dataset.save"
    )
    command.add_argument("--batch-size", type=int, default=32, help="rows of a batch of an .npz")
    command.add_argument(
        "--checkpoint", metavar="TIME", help="how often training is kept to go on from after a loss: 60s, 5m"
    )
    command.add_argument(
        "--allow", action="append", default=[], metavar="OPERATION", help="agree to an operation"
    )
    command.add_argument("--job-name", default="", help="the job's name")
    command.add_argument("--schedule", default="", help="the schedule whose run it is")
    command.add_argument("--detach", action="store_true", help="say the job's name and do not wait for it")
    return top


def run(asked: argparse.Namespace) -> int:
    """Send the graph out, show what rank 0 prints, say what came of it."""
    backend = connect()
    record = shelf.read_record(backend.store, asked.name, asked.version)
    if record.kind is GraphKind.FORWARD and asked.workers != 1:
        raise SpecError("A forward graph runs here on one worker; Executor.map computes it on several.")
    request = GraphRun(record.name, record.version, steps=asked.steps, allow=tuple(asked.allow))
    labels = {SCHEDULE_LABEL: asked.schedule} if asked.schedule else {}
    options = Options(
        asked.workers, asked.profile, asked.job_name, checkpoint=asked.checkpoint, labels=labels
    )
    data = _data(record, asked.data, asked.batch_size) if asked.data else None
    job = submit_graph(backend.store, request, options, backend, data)
    print(f"{record.name} {record.version}: job {job.name}", flush=True)
    # Whoever sent a job out takes its results from the store; this one leaves them to whoever asks later.
    return 0 if asked.detach else _wait(Job(backend, job.name))


def _wait(job: Job) -> int:
    """Follow the job to its end; an interrupt lets it stop after its step, a second or SIGTERM ends it."""
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        if not _follow(job):
            return _INTERRUPTED
        return _tell(job)
    except SystemExit:
        job.cancel()
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(number: int, _: object) -> None:
    raise SystemExit(128 + number)


def _follow(job: Job) -> bool:
    """Show what rank 0 prints until the end; False if it was cancelled here."""
    stream, asked = job.stream(), False
    while True:
        try:
            for item in stream:
                if item is not None and (text := as_text([item])):
                    print(text, end="", flush=True)
            return True
        except KeyboardInterrupt:
            if asked:
                job.cancel()
                print(f"jupyter_kf: {job.name} was cancelled.", file=sys.stderr)
                return False
            asked = True
            print("jupyter_kf: it stops after this step; once more cancels it.", file=sys.stderr)
            job.interrupt()


def _tell(job: Job) -> int:
    try:
        result = job.result()
    except JupyterKFError:
        raise
    except KeyboardInterrupt as stopped:
        print(f"jupyter_kf: {job.name} was {stopped or 'interrupted'}.", file=sys.stderr)
        return _INTERRUPTED
    except Exception as error:  # noqa: BLE001 - whatever the graph raised is told in a line
        print(f"jupyter_kf: the job {job.name!r} failed: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    if isinstance(result, GraphRecord):
        trained = result.trained
        loss = f", loss {trained.loss:g}" if trained and trained.loss is not None else ""
        print(f"{result.name} {result.version}: {trained.steps if trained else 0} steps{loss}")
    else:
        print(f"{job.name}: {len(result)} batches")
    return 0


def _data(record: GraphRecord, place: str, batch: int) -> Any:
    path = Path(place)
    if path.is_dir():
        import tensorflow as tf

        return tf.data.Dataset.load(str(path))
    import numpy

    try:
        with numpy.load(path, allow_pickle=False) as arrays:
            given = tuple(arrays[name] for name in arrays.files)
    except (OSError, ValueError, AttributeError) as error:
        raise SpecError(f"{place} is no .npz and no folder of Dataset.save: {error}") from error
    check_arrays(record, place, given)
    return given, batch


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The handle a user holds of a job, with the manners of `concurrent.futures.Future`.

It holds nothing that the backend does not know, except the live objects that the results are to
land in; a handle made from the name alone, in another kernel, gives fresh objects instead.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from . import loop
from .card import CARD_TYPE, summary_html, summary_text
from .errors import JobCancelled, JobFailed, JupyterKFError, NotFound, SpecError
from .logs import LogReader, as_text
from .outcome import Outcome, read_failure
from .spec import JobState
from .store import APPLIED, CHECKPOINT, OUTCOME, PAYLOAD, job_path

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from .backends.base import Backend
    from .capture import Captured
    from .logs import Item
    from .spec import JobStatus


# Handles of this process whose results still have live objects to land in, by store and name.
sent: dict[tuple[str, str], Job] = {}


class Job:
    """One submitted job. All methods but `result`, `exception` and `wait` come back at once."""

    def __init__(
        self,
        backend: Backend,
        name: str,
        captured: Captured | None = None,
        namespace: dict[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.backend = backend
        self._captured = captured
        self._namespace = namespace
        self._outcome: Outcome | None = None
        if captured is not None:
            sent[backend.store.url, name] = self

    @property
    def status(self) -> JobStatus:
        """What is seen of the job now."""
        return loop.run(self.backend.get(self.name))

    def done(self) -> bool:
        """Whether the job has come to an end."""
        return self.status.state.finished

    def running(self) -> bool:
        """Whether its replicas run now."""
        return self.status.state is JobState.RUNNING

    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        return self.status.state is JobState.CANCELLED

    def wait(self, timeout: float | None = None) -> JobStatus:
        """Wait for the end; `TimeoutError` after ``timeout`` seconds."""
        return loop.run(self.backend.wait(self.name, timeout))

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the end, write the results into the live objects, give the value.

        Raises what the job's code raised, `JobFailed` where a replica could not say more,
        `JobCancelled`, or `TimeoutError` after ``timeout`` seconds; the job goes on then.
        """
        self.wait(timeout)
        return self.apply()

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait for the end and give the error that `result` would raise; nothing is applied."""
        status = self.wait(timeout)
        if self._has_outcome():
            return self._read_outcome().peek(self._captured)
        return self._failure(status)

    def add_done_callback(self, function: Callable[[Job], object]) -> None:
        """Call ``function`` with this job, in another thread, when it has ended."""

        def watch() -> None:
            self.wait()
            function(self)

        threading.Thread(target=watch, name=f"jupyter_kf-{self.name}", daemon=True).start()

    def cancel(self) -> bool:
        """End the job; False if it had ended already."""
        if self.done():
            return False
        loop.run(self.backend.cancel(self.name))
        return self.cancelled()

    def interrupt(self) -> None:
        """Ask the replicas to stop after their present step; what they learned comes back."""
        loop.run(self.backend.interrupt(self.name))

    def delete(self) -> None:
        """End the job and remove its record, log and results."""
        loop.run(self.backend.delete(self.name))

    def apply(self, *, force: bool = False) -> Any:
        """Write the results of a finished job into the live objects and give its value.

        Refuses, unless ``force`` is set, when a live object was changed since the submission, as
        the change would be lost. Applying twice changes nothing.
        """
        status = self.status
        if not status.state.finished:
            raise SpecError(f"The job {self.name!r} has not ended; wait for it with result().")
        if not self._has_outcome():
            raise self._failure(status) or _no_result(status)
        outcome = self._read_outcome()
        if not outcome.applied:
            self._write_back(outcome, force)
        return outcome.give()

    def _write_back(self, outcome: Outcome, force: bool) -> None:
        if self._captured is not None and not force and (changed := self._captured.changed()):
            raise SpecError(
                f"{', '.join(changed)} changed since the job {self.name!r} was submitted, and "
                "its results would overwrite the change. apply(force=True) does so."
            )
        outcome.apply(self._captured, self._namespace)
        if self._captured is None:
            return
        # The live objects have it all now: what travelled is not needed any more.
        self.backend.store.put_json(job_path(self.name, APPLIED), {"applied": time.time()})
        for part in (PAYLOAD, OUTCOME, CHECKPOINT):
            self.backend.store.delete(job_path(self.name, part))
        self._captured = self._namespace = None
        sent.pop((self.backend.store.url, self.name), None)

    def logs(self, rank: int = 0) -> str:
        """Give what one rank has printed so far, rich output by its plain text."""
        return as_text(item for item in self.stream(rank, follow=False) if item is not None)

    def stream(self, rank: int = 0, *, follow: bool = True, idle: float = 0.2) -> loop.Stream[Item]:
        """Give a rank's log as text and records until the job ends; None when nothing came for a while."""
        return loop.Stream(self._items(rank, follow), idle)

    async def _items(self, rank: int, follow: bool) -> AsyncIterator[Item]:
        reader = LogReader()
        async for data in self.backend.logs(self.name, rank, follow=follow):
            for item in reader.feed(data):
                yield item
        for item in reader.feed(b"", final=True):
            yield item

    def manifests(self) -> str:
        """Give the job as YAML that ``kubectl apply -f`` takes; `SpecError` where it is not on a cluster."""
        return loop.run(self.backend.manifests(self.status.spec))

    def metrics(self) -> Any:
        """Give the metrics reported so far as a pandas DataFrame: one row an event."""
        try:
            import pandas as pd
        except ModuleNotFoundError as err:
            raise SpecError("metrics() gives a DataFrame of pandas: pip install pandas.") from err
        rows = [
            {"time": r.get("time"), "event": r["event"], "epoch": r.get("epoch"), "step": r.get("step")}
            | r.get("values", {})
            for r in self.stream(follow=False)
            if isinstance(r, dict) and r["kind"] == "metrics"
        ]
        return pd.DataFrame(rows)

    def _has_outcome(self) -> bool:
        return self._outcome is not None or Outcome.exists(self.backend.store, self.name)

    def _read_outcome(self) -> Outcome:
        if self._outcome is None:
            self._outcome = Outcome(self.backend.store, self.name)
        return self._outcome

    def _failure(self, status: JobStatus) -> BaseException | None:
        if status.state is JobState.CANCELLED:
            return JobCancelled(f"The job {self.name!r} was cancelled.")
        if status.state is not JobState.FAILED:
            return None
        failure = read_failure(self.backend.store, self.name)
        lines = [f"The job {self.name!r} failed. {status.reason}"]
        if failure.traceback:
            lines.append(f"Rank {failure.rank}:\n{failure.traceback.rstrip()}")
        for rank in range(min(status.ranks, 8)):
            if tail := self.logs(rank).splitlines()[-10:]:
                lines.append(f"Last lines of rank {rank}:\n" + "\n".join(tail))
        lines.append(f"All of it: kf.job({self.name!r}).logs(rank).")
        error = JobFailed("\n\n".join(lines))
        error.__cause__ = failure.exception
        return error

    def __repr__(self) -> str:
        try:
            return summary_text(self.status)
        except JupyterKFError as err:  # of one that is deleted, or while its place does not answer
            return f"job {self.name}: {err}"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        try:
            status = self.status
        except JupyterKFError:
            return {"text/plain": repr(self)}
        card = {
            "name": self.name,
            "state": status.state.value,
            "status": status.to_dict(),
            "applied": status.applied is not None,
            "store": self.backend.store.url,
        }
        return {CARD_TYPE: card, "text/html": summary_html(status), "text/plain": summary_text(status)}


def _no_result(status: JobStatus) -> NotFound | JobFailed:
    if status.applied is not None:
        return NotFound(
            f"The results of the job {status.name!r} were written into the live objects of the kernel "
            "that sent it out, and are not kept. Its log and metrics are."
        )
    return JobFailed(f"The job {status.name!r} left no result.")

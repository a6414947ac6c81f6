"""What came back from a job: read from the store, written into live objects, raised or returned.

The notebook's end of `jupyter_kf.worker.run`.
"""

from __future__ import annotations

import base64
import contextlib
import pickle
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import NotFound
from .frames import from_plain
from .store import OUTCOME, PAYLOAD, STATUS, SUMMARY, job_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .capture import Captured, LostError
    from .store import ArtifactStore


class Outcome:
    """The outcome of one job, applied at most once."""

    def __init__(self, store: ArtifactStore, name: str) -> None:
        self._store = store
        self._name = name
        self._reply: dict[str, Any] | None = None
        self._lost: LostError | None = None

    @staticmethod
    def exists(store: ArtifactStore, name: str) -> bool:
        """Tell whether the job has left an outcome."""
        return store.has(job_path(name, OUTCOME, SUMMARY))

    @property
    def applied(self) -> bool:
        """Whether it was written into the live objects by this handle."""
        return self._reply is not None

    def apply(self, captured: Captured | None, namespace: dict[str, Any] | None) -> None:
        """Write into the live objects and names; without them, build fresh objects."""
        from .capture import LostError, ambient

        try:
            reply = self._read(captured)
        except LostError as err:  # all else is written already
            reply, self._lost = err.value, err
            if namespace is not None and not err.stale:
                self._lost = None
                _say(err, reply)
        if captured is not None:
            ambient.restore(reply["ambient"], load=False)
        self._reply = reply
        if namespace is not None:
            namespace.update(reply["bound"])
            for gone in reply["deleted"]:
                namespace.pop(gone, None)

    def _read(self, captured: Captured | None) -> dict[str, Any]:
        from .capture import load_outcome

        with self._folder(OUTCOME) as outcome:
            if captured is not None:
                return captured.apply(outcome)  # type: ignore[no-any-return]
            with self._folder(PAYLOAD) as payload:
                return load_outcome(outcome, payload)  # type: ignore[no-any-return]

    def give(self) -> Any:
        """Give the value, or raise the error with the frames of the replica."""
        assert self._reply is not None
        error: BaseException | None = self._reply["error"]
        if error is None:
            if self._lost is not None:
                raise self._lost
            return self._reply["value"]
        raise error.with_traceback(from_plain(self._reply["frames"]))

    def peek(self, captured: Captured | None) -> BaseException | None:
        """Give the error without applying anything."""
        if self._reply is None:
            from .capture import LostError, load_outcome

            with self._folder(OUTCOME) as outcome, self._folder(PAYLOAD) as payload:
                try:
                    return load_outcome(outcome, payload)["error"]  # type: ignore[no-any-return]
                except LostError as err:
                    return err.value["error"]  # type: ignore[no-any-return]
        return self._reply["error"]  # type: ignore[no-any-return]

    @property
    def value(self) -> Any:
        """The value alone, once applied."""
        return self._reply["value"] if self._reply else None

    @contextlib.contextmanager
    def _folder(self, part: str) -> Iterator[Path]:
        path = job_path(self._name, part)
        local = self._store.local(path)
        if local is not None:
            yield local
            return
        with tempfile.TemporaryDirectory(prefix="jupyter_kf-") as scratch:
            self._store.download(path, Path(scratch))
            yield Path(scratch)


def _say(err: LostError, reply: dict[str, Any]) -> None:
    """Tell what a cell left behind. Its value is shown in any case: of that only its use says so."""
    from .capture import Lost

    value = reply["value"]
    unnamed = isinstance(value, Lost) and not any(value is bound for bound in reply["bound"].values())
    for message in err.lost:
        if not (unnamed and repr(value) == f"<lost: {message}>"):
            print(f"jupyter_kf: {message} Using it raises LostError; all else is here.", file=sys.stderr)


@dataclass(frozen=True)
class Failure:
    """What the first failing rank said."""

    rank: int = 0
    traceback: str = ""
    exception: BaseException | None = None


def read_failure(store: ArtifactStore, name: str) -> Failure:
    """Read what the supervisor wrote down of the first failing rank."""
    try:
        told = store.get_json(job_path(name, STATUS)).get("failure") or {}
    except NotFound:
        return Failure()
    exception = None
    if told.get("exception"):
        try:
            exception = pickle.loads(base64.b64decode(told["exception"]))
        except (pickle.UnpicklingError, AttributeError, ImportError, TypeError, ValueError):
            exception = None  # its class is not to be had here; the words remain
    return Failure(told.get("rank", 0), told.get("traceback", ""), exception)

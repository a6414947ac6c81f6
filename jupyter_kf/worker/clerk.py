"""A store for a process that forks ranks: a child of it does the reading and writing.

Libraries for object stores start threads that a fork does not survive. A supervisor that leaves
them to its clerk can fork a rank at any time, and the rank may use the store itself.
"""

from __future__ import annotations

import os
import time
from multiprocessing import Pipe
from typing import TYPE_CHECKING, Any

from ..errors import BackendError, JupyterKFError
from ..store import ArtifactStore
from .system import die_with_parent

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

ANSWER_SECONDS = 60.0


def store_of_a_supervisor(url: str | None = None) -> ArtifactStore:
    """Give the store itself where it is a folder, else a clerk's."""
    store = ArtifactStore(url)
    scheme, separator, _ = store.url.partition("://")
    return Clerk(store.url) if separator and scheme != "file" else store


class Clerk(ArtifactStore):
    """A store that is no folder, as far as supervisors need it. Make it before there are threads."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        parent = os.getpid()
        self._asked = 0
        self._line, theirs = Pipe()
        self.pid = os.fork()
        if not self.pid:
            try:
                self._line.close()
                die_with_parent(parent)
                _serve(ArtifactStore(url), theirs)
            finally:
                os._exit(0)
        theirs.close()

    def fileno(self) -> int:
        """The file that ranks must not hold."""
        return self._line.fileno()

    def local(self, path: str = "") -> None:
        """There is no folder."""

    def has(self, path: str) -> bool:
        return bool(self._ask("has", path))

    def get(self, path: str, start: int | None = None) -> bytes:
        return bytes(self._ask("get", path, start))

    def put(self, path: str, data: bytes) -> None:
        self._ask("put", path, data)

    def _ask(self, what: str, *arguments: Any) -> Any:
        """Give the clerk's answer, or raise the error that it met."""
        self._asked += 1
        answered, answer, error = 0, None, None
        deadline = time.monotonic() + ANSWER_SECONDS
        try:
            self._line.send((self._asked, what, *arguments))
            while answered != self._asked:  # else it comes too late, for an earlier question
                if not self._line.poll(max(0.0, deadline - time.monotonic())):
                    raise BackendError(f"The store {self.url} has not answered within {ANSWER_SECONDS:g} s.")
                answered, answer, error = self._line.recv()
        except (OSError, EOFError) as err:
            raise BackendError(f"The process that reads the store {self.url} has ended.") from err
        if error is not None:
            raise error
        return answer


def _serve(store: ArtifactStore, line: Connection) -> None:
    while True:
        try:
            number, what, *arguments = line.recv()
        except EOFError:
            return
        try:
            line.send((number, getattr(store, what)(*arguments), None))
        except JupyterKFError as err:
            line.send((number, None, type(err)(str(err))))

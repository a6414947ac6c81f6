"""Where the checkpoints of a job lie: whole folders in its store, the last of which counts.

What a checkpoint holds, and when one is made, is `jupyter_kf.parallel.resume`'s to know.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..capture import pack, unpack
from ..store import CHECKPOINT, job_path

if TYPE_CHECKING:
    from ..store import ArtifactStore
    from .output import Output

_LATEST = "latest.json"


def latest(store: ArtifactStore, name: str) -> int:
    """Give the number of a job's last checkpoint, 0 where there is none."""
    path = job_path(name, CHECKPOINT, _LATEST)
    return int(store.get_json(path)["number"]) if store.has(path) else 0


class Checkpoints:
    """The checkpoints of one job, as one rank sees them."""

    def __init__(self, store: ArtifactStore, name: str, output: Output) -> None:
        self._store, self._name, self._output = store, name, output
        self._number = latest(store, name)

    def save(self, state: dict[str, Any]) -> None:
        """Keep ``state``; what was kept before goes."""
        before, self._number = self._number, self._number + 1
        path = job_path(self._name, CHECKPOINT, str(self._number))
        with tempfile.TemporaryDirectory(prefix="jupyter_kf-") as scratch:
            folder = self._store.local(path) or Path(scratch)
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            pack(state, folder)
            if folder == Path(scratch):
                self._store.upload(folder, path)
        self._store.put_json(job_path(self._name, CHECKPOINT, _LATEST), {"number": self._number})
        if before:
            self._store.delete(job_path(self._name, CHECKPOINT, str(before)))

    def load(self) -> dict[str, Any] | None:
        """Give the last state that was kept, if any; what is printed before it is reached is not shown."""
        if not self._number:
            return None
        path = job_path(self._name, CHECKPOINT, str(self._number))
        with tempfile.TemporaryDirectory(prefix="jupyter_kf-") as scratch:
            folder = self._store.local(path)
            if folder is None:
                folder = Path(scratch)
                self._store.download(path, folder)
            state = unpack(folder, {}).value
        self._output.mute()
        return dict(state)

    def taken_up(self) -> None:
        """Show again what is printed."""
        self._output.mute(False)

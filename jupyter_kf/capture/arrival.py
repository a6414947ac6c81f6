"""The replica's side: objects arrive, the cell changes them, the changes are written as a reply."""

from __future__ import annotations

import builtins
import io
import sys
from typing import TYPE_CHECKING, Any

from jupyter_kf.capture import functions, lost, paths, payload, refusals
from jupyter_kf.capture.arrays import Shared
from jupyter_kf.capture.pickling import finish, open_files, read_outcome, write_files
from jupyter_kf.capture.snapshot import Snapshot
from jupyter_kf.capture.streams import Pickler, Unpickler, with_room
from jupyter_kf.capture.tensors import TensorWriter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


class Arrival:
    """What arrived: ``value``, and ``namespace``, the globals of the notebook's functions."""

    def __init__(self, folder: Path, namespace: dict[str, Any]) -> None:
        source, self._tensors = open_files(folder, payload.PAYLOAD)
        unpickler = Unpickler(source, self._tensors, namespace)
        self.value: Any = unpickler.read()
        self.namespace = namespace
        self.objects = unpickler.numbered()
        finish(self.objects)
        self._snapshot = Snapshot(self.objects, self._tensors)

    def variables(self, made: Iterable[Any] = ()) -> list[Any]:
        """The trainable variables that arrived or are in ``made``, and those that models have made since."""
        if "tensorflow" not in sys.modules:
            return []
        from jupyter_kf.capture import keras

        return keras.trained([*self.objects.values(), *_in(made)])

    def reply(self, result: object, folder: Path) -> None:
        """Write `result` and the state of every object that changed into `folder`.

        What cannot be pickled is replaced by the reason; the rest still comes back.
        """
        known = {id(obj): number for number, obj in self.objects.items()}
        changes = {number: self.objects[number] for number in self._snapshot.changed()}
        messages: dict[int, str] = {}
        keep = []

        def write() -> tuple[io.BytesIO, TensorWriter]:
            sink, tensors = io.BytesIO(), TensorWriter()
            shared = Shared(self.objects)
            Pickler(sink, tensors, self.namespace, known, messages, shared).write(result, changes)
            return sink, tensors

        while True:
            try:
                sink, tensors = with_room(write)
                break
            except refusals.Culprit as culprit:
                keep.append(culprit.obj)
                messages[id(culprit.obj)] = _lost(culprit, result)
        folder.mkdir(parents=True, exist_ok=True)
        write_files(folder, payload.OUTCOME, sink, tensors)


def _in(made: Iterable[Any]) -> Iterator[Any]:
    """Objects and those that collections of them hold."""
    for obj in made:
        if isinstance(obj, dict):
            yield from obj.values()
        elif isinstance(obj, list | tuple):
            yield from obj
        else:
            yield obj


def _lost(culprit: refusals.Culprit, result: object) -> str:
    bound = result.get("bound", {}) if isinstance(result, dict) else {}  # by a cell
    roots = {**bound, "the result": result}
    name = paths.path_to(culprit.obj, roots) or f"a {type(culprit.obj).__name__} of the result"
    return lost.message(name, culprit.reason)


def unpack(folder: Path, namespace: dict[str, Any] | None = None) -> Arrival:
    """Check and load what `pack` wrote.

    :param namespace: becomes the globals of the notebook's functions; by default that of ``__main__``
    :raises CaptureError: versions differ, or a file is not what was written
    """
    return Arrival(folder, functions.notebook_globals() if namespace is None else namespace)


def load_outcome(folder: Path, payload_folder: Path) -> Any:
    """The value of a reply where the live objects are gone: with fresh objects made from payload and reply.

    :raises CaptureError: as `unpack` and `Captured.apply`
    """
    arrival = unpack(payload_folder, {"__name__": "__main__", "__builtins__": builtins})
    return read_outcome(folder, arrival.objects, arrival.namespace)

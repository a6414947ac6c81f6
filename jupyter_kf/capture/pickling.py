"""Out of the notebook and back: `pack` live objects, `Captured.apply` what became of them.

The objects are never replaced: a reply is written into the objects that were packed. Must not run anything
of the user's and must not write to any live object before the whole reply is read.
"""

from __future__ import annotations

import io
import pickle
from typing import TYPE_CHECKING, Any

from jupyter_kf.capture import functions, kinds, modules, paths, payload, refusals
from jupyter_kf.capture.call import Call
from jupyter_kf.capture.cell import Cell
from jupyter_kf.capture.lost import Lost, LostError
from jupyter_kf.capture.snapshot import Snapshot
from jupyter_kf.capture.streams import Pickler, Unpickler, with_room
from jupyter_kf.capture.tensors import TensorReader, TensorWriter
from jupyter_kf.errors import CaptureError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def pack(value: object, folder: Path, *, names: Mapping[int, str] | None = None) -> Captured:
    """Write `value`, and all that it needs, into `folder`.

    :param names: names, by id, that the user has for objects, for messages; by default the notebook's globals
    :raises CaptureError: something cannot travel; nothing is left in the folder
    """
    roots = _roots(value)
    namespace = functions.notebook_globals()
    if names is None and not roots.keys() <= namespace.keys():
        names = {id(obj): name for name, obj in namespace.items() if not name.startswith("_")}

    def write() -> tuple[io.BytesIO, TensorWriter, Pickler]:
        sink, tensors = io.BytesIO(), TensorWriter()
        pickler = Pickler(sink, tensors, namespace)
        pickler.write(value, beside=modules.beside(_work(value)))
        return sink, tensors, pickler

    try:
        sink, tensors, pickler = with_room(write)
    except refusals.Culprit as culprit:
        raise _refused(culprit, roots, names) from culprit.__cause__
    except (pickle.PicklingError, RecursionError, TypeError) as error:
        raise CaptureError(
            f"This cannot travel to the replicas: {error}. Make it inside the cell."
        ) from error
    folder.mkdir(parents=True, exist_ok=True)
    write_files(folder, payload.PAYLOAD, sink, tensors)
    return Captured(pickler.numbered(), tensors, namespace, roots, names)


def write_files(folder: Path, name: str, sink: io.BytesIO, tensors: TensorWriter) -> None:
    """Write the pickle and its tensors and seal them."""
    tensor_file, pickle_file = folder / f"{name_of_tensors(name)}.safetensors", folder / f"{name}.pkl"
    checksums = {tensor_file.name: tensors.write(tensor_file)}
    pickle_file.write_bytes(sink.getbuffer())
    checksums[pickle_file.name] = payload.sha256(pickle_file)
    payload.seal(folder, name, checksums)


def name_of_tensors(name: str) -> str:
    return "tensors" if name == payload.PAYLOAD else name


def open_files(folder: Path, name: str) -> tuple[io.BytesIO, TensorReader]:
    """Check a sealed pickle and its tensors and open them.

    :raises CaptureError: versions differ, or a file is not what was written
    """
    checksums = payload.unseal(folder, name)
    for file in checksums:
        if not (folder / file).is_file():
            raise CaptureError(f"{file} is missing in {folder}. Submit the cell again.")
    tensor_file, pickle_file = folder / f"{name_of_tensors(name)}.safetensors", folder / f"{name}.pkl"
    tensors = TensorReader(tensor_file)
    payload.check(tensor_file, tensors.digest(), checksums[tensor_file.name])
    payload.check(pickle_file, payload.sha256(pickle_file), checksums[pickle_file.name])
    return io.BytesIO(pickle_file.read_bytes()), tensors


class Captured:
    """The live objects that were packed, by number. Stays in the notebook."""

    def __init__(
        self,
        objects: dict[int, Any],
        tensors: TensorWriter,
        namespace: dict[str, Any],
        roots: Mapping[str, Any],
        names: Mapping[int, str] | None,
    ) -> None:
        self._objects, self._namespace, self._roots, self._names = objects, namespace, roots, names
        self._snapshot = Snapshot(objects, tensors, meant=True)

    def changed(self) -> list[str]:
        """The names of the live objects that hold something else than when they were packed."""
        found = {
            paths.path_to(self._objects[number], self._roots, self._names)
            for number in self._snapshot.changed()
        }
        return sorted(name for name in found if name and "._self_" not in name)  # TensorFlow's own notes

    def apply(self, folder: Path) -> Any:
        """Write the reply in `folder` into the live objects and return its value.

        :raises CaptureError: after all else is written: some part of the reply could not travel;
            ``value`` of the error is the value with `Lost` in the place of that part
        """
        return read_outcome(folder, self._objects, self._namespace, self._roots)


def read_outcome(
    folder: Path,
    objects: Mapping[int, Any],
    namespace: dict[str, Any],
    roots: Mapping[str, Any] | None = None,
) -> Any:
    """Write the outcome in `folder` into `objects`, by number, and return its value.

    :raises LostError: after all else is written, if some part could not travel
    """
    lost: list[str] = []
    stale: list[str] = []

    def lose(message: str) -> Lost:
        lost.append(message)
        return Lost(message)

    source, tensors = open_files(folder, payload.OUTCOME)

    def fixed(culprit: refusals.Culprit) -> None:
        name = paths.path_to(culprit.obj, roots or {}) or f"A {type(culprit.obj).__name__}"
        stale.append(f"{name} keeps its old state: {culprit.reason}. Way out: {culprit.way_out}.")

    unpickler = Unpickler(source, tensors, namespace, objects, lose, fixed)
    value = unpickler.read()
    finish(objects)
    finish(unpickler.numbered())  # what is new
    if lost or stale:
        raise LostError.of(value, lost, stale)
    return value


def finish(objects: Mapping[int, Any]) -> None:
    """Rebuild what depends on ids."""
    for obj in objects.values():
        kind = kinds.kind_of(obj)
        if kind is not None:
            kind.finish(obj)


def _work(value: object) -> object:
    return value.get("work") if isinstance(value, dict) else value


def _roots(value: object) -> dict[str, Any]:
    """What the user's names start from."""
    match value:
        case Cell():
            return dict(value.names)
        case Call():
            places = {f"argument {place} of the call": arg for place, arg in enumerate(value.args)}
            return {"the function": value.function, **places, **value.kwargs}
        case {"work": work, "ambient": {"constants": state}}:
            held = {f"{name}.{key}": value for name, values in state.items() for key, value in values.items()}
            return held | _roots(work)
        case {"work": work}:
            return _roots(work)
        case dict() if all(isinstance(key, str) for key in value):
            return dict(value)
    return {"value": value}


def _refused(
    culprit: refusals.Culprit, roots: Mapping[str, Any], names: Mapping[int, str] | None
) -> CaptureError:
    name = paths.path_to(culprit.obj, roots, names) or f"a {type(culprit.obj).__name__} inside"
    return CaptureError(
        f"{name} cannot travel to the replicas: {culprit.reason}. Way out: {culprit.way_out}."
    )

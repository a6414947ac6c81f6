"""Where stored graphs lie, and what can be done with them without looking into them.

::

    graphs/NAME/VERSION/record.json           what is known of it; the version counts from when it has this
                        model/saved_model.pb  the graph, without weights
                        model/assets/         files that its tables are made from
                        weights.safetensors   its variables, by name
                        picture.txt           the graph as a picture needs it
                        data/                 a dataset to run it on, if it was given one
                VERSION.deleted               the newest version was deleted: its number stays taken

Every file is checked against the record when it is fetched, and the record against its own hash.
"""

from __future__ import annotations

import contextlib
import errno
import json
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BackendError, CaptureError, NotFound, SpecError
from . import files, numbers
from .record import GraphRecord, check_graph_name, read_back

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..store import ArtifactStore
    from .record import FileInfo

GRAPHS = "graphs"
RECORD = "record.json"
MODEL = "model"
WEIGHTS = "weights.safetensors"
PICTURE = "picture.txt"
DATA = "data"
_DRAFT = ".draft-"
_DRAFT_SECONDS = 86_400


def graph_path(name: str, *parts: str | int) -> str:
    """Give the place of a graph, a version or a file of it."""
    return "/".join((GRAPHS, name, *map(str, parts)))


def list_graphs(store: ArtifactStore) -> list[GraphRecord]:
    """Give the newest version of each graph, by name. A damaged one is left out; reading it says why."""
    newest = []
    for name in store.list(GRAPHS):
        for version in reversed(_numbers(store, name)):
            try:
                newest.append(read_record(store, name, version))
            except (CaptureError, NotFound):  # not complete, or not readable
                continue
            break
    return newest


def list_versions(store: ArtifactStore, name: str) -> list[GraphRecord]:
    """Give all versions of a graph, the newest first; `NotFound` if there is no such graph."""
    found = []
    for version in reversed(_numbers(store, name)):
        try:
            found.append(read_record(store, name, version))
        except (CaptureError, NotFound):
            continue
    if not found:
        raise _unknown(store, name)
    return found


def read_record(store: ArtifactStore, name: str, version: int | None = None) -> GraphRecord:
    """Give the record of a version, by default the newest; `CaptureError` if it is damaged."""
    check_graph_name(name)
    if version is None:
        complete = [n for n in _numbers(store, name) if store.has(graph_path(name, n, RECORD))]
        if not complete:
            raise _unknown(store, name)
        version = complete[-1]
    path = graph_path(name, version, RECORD)
    if not store.has(path):
        if not _numbers(store, name):
            raise _unknown(store, name)
        raise NotFound(f"The graph {name!r} has no version {version}; it has {_numbers(store, name)}.")
    return read_back(store.get(path), name, version)


def read_picture(store: ArtifactStore, record: GraphRecord) -> str:
    """Give the graph as its picture needs it."""
    return str(checked(store, record, PICTURE), "ascii")


def rename_graph(store: ArtifactStore, old: str, new: str) -> None:
    """Give a graph another name, all versions with it; `SpecError` if that name is taken."""
    check_graph_name(new)
    list_versions(store, old)
    if _numbers(store, new):
        raise SpecError(f"There is a graph {new!r} already: choose another name, or delete it.")
    store.delete(graph_path(new))  # what is left of a graph whose versions are all gone
    place, target = store.local(graph_path(old)), store.local(graph_path(new))
    if place and target:
        place.rename(target)
        return
    copy_graph(store, old, store, to=new)
    numbers.hand_on(store, graph_path(old), graph_path(new))
    delete_graph(store, old)


def delete_graph(store: ArtifactStore, name: str, version: int | None = None) -> None:
    """Remove one version of a graph, or all of it; `NotFound` where there is none.

    The number of one version is not given again; of a graph that is gone nothing is remembered.
    """
    check_graph_name(name)
    path = graph_path(name) if version is None else graph_path(name, version)
    if not store.list(path):
        none = NotFound(f"The graph {name!r} has no version {version}.")
        raise _unknown(store, name) if version is None else none
    if version is not None:
        numbers.retire(store, graph_path(name), version)
        store.delete(graph_path(name, version, RECORD))  # first: what is half gone does not count
    store.delete(path)


def copy_graph(
    source: ArtifactStore, name: str, target: ArtifactStore, *, version: int | None = None, to: str = ""
) -> list[GraphRecord]:
    """Copy all versions, or one, to another store or name, checked; gives the new records.

    A version that is there already with the same content is passed over; with another, `SpecError`.
    """
    records = list_versions(source, name) if version is None else [read_record(source, name, version)]
    done = []
    for record in reversed(records):
        placed = record.placed(check_graph_name(to or name), record.version)
        path = graph_path(placed.name, placed.version)
        if target.has(f"{path}/{RECORD}"):
            if read_record(target, placed.name, placed.version).hash != record.hash:
                raise _another(target, placed)
        else:
            target.delete(path)  # what a copy that was cut off has left
            with draft(target) as scratch:
                fetch(source, record, scratch)
                if not _put(target, placed, scratch):
                    raise _another(target, placed)
        done.append(placed)
    return done


@contextlib.contextmanager
def draft(store: ArtifactStore) -> Iterator[Path]:
    """Give a folder to make a version in, beside the others where the store is a folder.

    What processes that were killed have left there is removed a day later.
    """
    place = store.local(GRAPHS)
    if place is not None:
        store.claim(GRAPHS)
        for left in place.glob(f"{_DRAFT}*"):
            with contextlib.suppress(OSError):  # gone meanwhile
                if time.time() - left.stat().st_mtime > _DRAFT_SECONDS:
                    shutil.rmtree(left)
    folder = Path(tempfile.mkdtemp(prefix=_DRAFT, dir=place))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # it may have become a version


def shelve(
    store: ArtifactStore, record: GraphRecord, folder: Path, known: Mapping[str, FileInfo] | None = None
) -> GraphRecord:
    """Make the files of ``folder`` the next version of the graph; gives its record.

    ``known`` is what files are that were looked at when they were written.
    """
    check_graph_name(record.name)
    found = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
    infos = {name: (known or {}).get(name) or files.info(path) for name, path in found.items()}
    said = replace(record, files=infos).sealed()
    version = numbers.following(store, graph_path(record.name))
    while not _put(store, said.placed(record.name, version), folder):
        version += 1
    return said.placed(record.name, version)


def _put(store: ArtifactStore, record: GraphRecord, folder: Path) -> bool:
    """Give files their place; False if it is taken. A draft takes it whole, by one rename."""
    path = graph_path(record.name, record.version)
    drafts, target = store.local(GRAPHS), store.local(path)
    if target is not None and folder.parent == drafts:
        (folder / RECORD).write_text(json.dumps(record.to_dict(), indent=1, ensure_ascii=False))
        store.claim(graph_path(record.name))
        try:
            folder.rename(target)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                return False
            raise BackendError(f"The store could not write {target}: {error.strerror}.") from error
        return True
    if not store.claim(path):
        return False
    try:
        store.upload(folder, path)
        store.put_json(f"{path}/{RECORD}", record.to_dict())
    except BaseException:
        store.delete(path)
        raise
    return True


def fetch(store: ArtifactStore, record: GraphRecord, folder: Path) -> None:
    """Copy the files of a version into ``folder``, each one checked; `CaptureError` names what is damaged."""
    for name in record.files:
        fetch_file(store, record, name, folder)


def fetch_file(store: ArtifactStore, record: GraphRecord, name: str, folder: Path) -> None:
    """Copy one file of a version into ``folder``, checked."""
    if name.startswith("/") or ".." in name.split("/"):
        raise _damaged(record, f"its file {name!r} leaves its folder")
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(checked(store, record, name))


def checked(store: ArtifactStore, record: GraphRecord, name: str) -> memoryview:
    """Read a file of a version; `CaptureError` if it is not the one that was stored."""
    expected = record.files.get(name)
    if expected is None:
        raise _damaged(record, f"it has no file {name!r}")
    try:
        data, found = _read(store, graph_path(record.name, record.version, name), expected.size)
    except NotFound as missing:
        if not store.has(graph_path(record.name, record.version, RECORD)):
            raise NotFound(
                f"The graph {record.name!r} has no version {record.version} any more."
            ) from missing
        raise _damaged(record, f"its file {name!r} is missing") from missing
    if found != expected:
        raise _damaged(record, f"its file {name!r} is not the one that was stored")
    return data


def _read(store: ArtifactStore, path: str, size: int) -> tuple[memoryview, FileInfo]:
    place = store.local(path)
    if place is not None:
        with contextlib.suppress(OSError):  # the store says what it was
            return files.read(place, size)
    content = store.get(path)
    return memoryview(content), files.info(content)


def _numbers(store: ArtifactStore, name: str) -> list[int]:
    return numbers.present(store, graph_path(name))


def _another(store: ArtifactStore, record: GraphRecord) -> SpecError:
    return SpecError(
        f"{store.url} has another version {record.version} of {record.name!r} already. "
        "Copy it under another name."
    )


def _damaged(record: GraphRecord, why: str) -> CaptureError:
    return CaptureError(
        f"Version {record.version} of the graph {record.name!r} is damaged: {why}. "
        "Load another version, or store the graph again."
    )


def _unknown(store: ArtifactStore, name: str) -> NotFound:
    known = ", ".join(each for each in store.list(GRAPHS) if _numbers(store, each)) or "none"
    return NotFound(f"There is no graph {name!r} in {store.url}; there is {known}.")

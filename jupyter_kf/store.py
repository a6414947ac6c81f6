"""Where jobs and graphs lie: one folder per job and per graph under a single fsspec URL.

Payloads and outcomes are pickles between one user's own processes, so a store belongs to one
user and is never shared. This module knows the layout and moves bytes; what they mean is for
others to know.

::

    jobs/NAME/spec.json        what was asked
              payload/         what travels in
              status.json      what the local supervisor last saw
              logs/rank-0.log  text and records, see `jupyter_kf.logs`
              requests/        interrupt, cancel, checkpoint: asked for, not yet done
              attempt.json     how often it was begun again, on a cluster
              checkpoint/      where its training is taken up when it begins again
              applied.json     when its results were written into the live objects
              outcome/         what travels back; complete as soon as it has its summary.json
    graphs/NAME/VERSION/       a stored graph
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import BackendError, JupyterKFError, NotFound, SpecError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fsspec import AbstractFileSystem

STORE_VARIABLE = "JUPYTER_KF_STORE"
SPEC = "spec.json"
STATUS = "status.json"
PAYLOAD = "payload"
OUTCOME = "outcome"
SUMMARY = "summary.json"
LOGS = "logs"
REQUESTS = "requests"
ATTEMPT = "attempt.json"
CHECKPOINT = "checkpoint"
APPLIED = "applied.json"


def default_url() -> str:
    """Give the store's URL: ``JUPYTER_KF_STORE``, else a folder beside Jupyter's own data."""
    url = os.environ.get(STORE_VARIABLE)
    if url:
        return url
    from jupyter_core.paths import jupyter_data_dir

    return str(Path(jupyter_data_dir()) / "jupyter_kf")


def job_path(name: str, *parts: str) -> str:
    """Give the place of a file in a job's folder."""
    return "/".join(("jobs", name, *parts))


def log_path(name: str, rank: int) -> str:
    """Give the place of one rank's log."""
    return job_path(name, LOGS, f"rank-{rank}.log")


class ArtifactStore:
    """Files under one fsspec URL; paths are relative, with forward slashes.

    Raises `SpecError` for a URL that no installed filesystem understands, `NotFound` for a file
    that is not there and `BackendError` where the place refuses or fails.
    """

    def __init__(self, url: str | None = None) -> None:
        self.url = url or default_url()
        self._opened: tuple[AbstractFileSystem, str] | None = None

    def _open(self) -> tuple[AbstractFileSystem, str]:
        if self._opened is None:
            try:
                fs, root = _file_system(self.url)
            except (ValueError, ImportError) as err:
                raise SpecError(f"The store {self.url!r} cannot be used: {err}") from err
            self._opened = fs, root.rstrip("/")
        return self._opened

    def _at(self, path: str) -> tuple[AbstractFileSystem, str]:
        if path.startswith("/") or ".." in path.split("/"):
            raise SpecError(f"{path!r} leaves the store.")
        fs, root = self._open()
        return fs, f"{root}/{path}" if path else root

    def local(self, path: str = "") -> Path | None:
        """Give the real place of ``path`` where the store is a folder of this machine, else None."""
        fs, full = self._at(path)
        protocols = (fs.protocol,) if isinstance(fs.protocol, str) else fs.protocol
        return Path(full) if "file" in protocols else None

    def put(self, path: str, data: bytes) -> None:
        """Write a file; a reader sees the old or the new content whole, never a part."""
        place = self.local(path)
        fs, full = self._at(path)
        with _told("write", full):
            if place is None:
                fs.pipe_file(full, data)
                return
            self._make(place.parent)
            draft = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
            try:
                draft.write_bytes(data)
                draft.replace(place)
            finally:
                draft.unlink(missing_ok=True)

    def get(self, path: str, start: int | None = None) -> bytes:
        """Read a file, from byte ``start`` on."""
        fs, full = self._at(path)
        with _told("read", full):
            try:
                return bytes(fs.cat_file(full, start=start))
            except NotImplementedError:  # some cannot read a part
                return bytes(fs.cat_file(full))[start:]

    def has(self, path: str) -> bool:
        """Tell whether there is a file or folder at ``path``."""
        fs, full = self._at(path)
        with _told("read", full):
            return bool(fs.exists(full))

    def list(self, path: str) -> list[str]:
        """Give the names in a folder, sorted; none where there is no such folder."""
        fs, full = self._at(path)
        try:
            with _told("read", full):
                found = fs.ls(full, detail=False)
        except NotFound:
            return []
        names = (entry.rstrip("/").rsplit("/", 1)[-1] for entry in found)
        return sorted(name for name in names if not name.startswith("."))

    def delete(self, path: str) -> None:
        """Remove a file or a folder with all that is in it; what is gone already is fine."""
        if not path:
            raise SpecError("The store itself cannot be deleted, only what is in it.")
        fs, full = self._at(path)
        with contextlib.suppress(NotFound), _told("delete", full):
            fs.rm(full, recursive=True)

    def claim(self, path: str) -> bool:
        """Make a folder that was not there; False if it was. Exact on a local folder only."""
        place = self.local(path)
        if place is None:
            return not self.has(path)
        with _told("write", str(place)):
            self._make(place.parent)
            try:
                place.mkdir(mode=0o700)
            except FileExistsError:
                return False
        return True

    def upload(self, folder: Path, path: str) -> None:
        """Copy a folder of this machine into the store."""
        fs, full = self._at(path)
        with _told("write", full):
            fs.put(f"{folder}/", f"{full}/", recursive=True)

    def download(self, path: str, folder: Path) -> None:
        """Copy a folder of the store to this machine."""
        fs, full = self._at(path)
        if not self.has(path):
            raise NotFound(f"The store has no {path}.")
        with _told("read", full):
            for each in fs.find(full):
                target = folder / each.removeprefix(f"{full}/")
                target.parent.mkdir(parents=True, exist_ok=True)
                fs.get_file(each, str(target))

    def put_json(self, path: str, value: Any) -> None:
        """Write a value as JSON."""
        self.put(path, json.dumps(value, indent=1, ensure_ascii=False).encode())

    def get_json(self, path: str) -> Any:
        """Read a JSON value; `BackendError` names a file that is damaged."""
        try:
            return json.loads(self.get(path))
        except ValueError as err:
            raise BackendError(
                f"{path} in the store is damaged: {err}. Delete the job to be rid of it."
            ) from err

    def _make(self, folder: Path) -> None:
        """Make a folder of a local store, the store itself first: nobody else may look into it."""
        root = self.local()
        if root is not None and not folder.is_dir():
            root.parent.mkdir(parents=True, exist_ok=True)
            root.mkdir(mode=0o700, exist_ok=True)
            folder.mkdir(parents=True, exist_ok=True)


@contextlib.contextmanager
def _told(doing: str, full: str) -> Iterator[None]:
    """Say what failed in the errors of the store."""
    try:
        yield
    except (JupyterKFError, NotImplementedError):
        raise
    except OSError as err:
        if doing != "write" and isinstance(err, FileNotFoundError | NotADirectoryError):
            raise NotFound(f"The store has no {full}.") from err
        raise BackendError(f"The store could not {doing} {full}: {err.strerror or err}.") from err
    except Exception as err:  # every object store has exceptions of its own
        told = re.search("<Message>([^<]+)", str(err))
        said = told[1].rstrip(".") if told else str(err).strip().split("\n", 1)[0]
        raise BackendError(f"The store could not {doing} {full}: {said or type(err).__name__}.") from err


def _file_system(url: str) -> tuple[AbstractFileSystem, str]:
    """Give the file system of a URL, where its own package is missing that of obstore, and the path in it."""
    from fsspec.core import url_to_fs
    from fsspec.registry import get_filesystem_class
    from fsspec.utils import get_protocol

    protocol = get_protocol(url)
    try:
        kind = get_filesystem_class(protocol)
    except ImportError as missing:
        try:
            from obstore.fsspec import register
        except ImportError:
            raise missing from None
        register(protocol)
        kind = get_filesystem_class(protocol)
    # What other processes write is to be seen at once, so no listing is kept; obstore keeps none.
    options = {} if kind.__module__.startswith("obstore") else {"use_listings_cache": False}
    return url_to_fs(url, **options)  # type: ignore[no-any-return]

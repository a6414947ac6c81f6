"""TensorBoard on the event files that a job wrote, through jupyter-server-proxy.

One TensorBoard a server, which the proxy starts with the first look and ends with the server. Its
folder holds links to the event files of the jobs that somebody wanted to see there. A job does
not say where it writes: its files are those that were begun below its notebook's folder while it
ran. Nothing here writes, or keeps, anything of a job.
"""

from __future__ import annotations

import contextlib
import importlib.util
import math
import os
import re
import shutil
import struct
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from jupyter_core.paths import jupyter_runtime_dir

from ..errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..spec import JobStatus

PROXIED = "jupyter-kf-tensorboard"  # also the entry point's name: the path below the base URL
NEEDED = {"tensorboard": "tensorboard", "jupyter_server_proxy": "jupyter-server-proxy"}
MOST_FOLDERS = 5000
_EVENTS = re.compile(r"events\.out\.tfevents\.(\d+)\.")


def setup() -> dict[str, Any]:
    """Tell jupyter-server-proxy how TensorBoard is started."""
    forget()  # what an earlier process of this number left
    links().mkdir(mode=0o700, parents=True)
    return {
        "command": [
            *(sys.executable, "-m", "tensorboard.main", "--logdir", str(links())),
            *("--host", "127.0.0.1", "--port", "{port}", "--reload_interval", "5"),
        ],
        "timeout": 60,
        "launcher_entry": {"enabled": False},
    }


def forget() -> None:
    """Remove the links of this server."""
    shutil.rmtree(links(), ignore_errors=True)


def links() -> Path:
    """Give the folder that TensorBoard looks into."""
    return Path(jupyter_runtime_dir()) / f"{PROXIED}-{os.getpid()}"


def show(status: JobStatus) -> str:
    """Link a job's event files and give the path, below the base URL, that shows them.

    Raises `NotFound` with the reason where there is nothing to show or nothing to show it with.
    """
    if lacking := [package for module, package in NEEDED.items() if not importlib.util.find_spec(module)]:
        raise NotFound(f"TensorBoard needs {' and '.join(lacking)} beside the notebook server.")
    root = Path(status.spec.notebook).parent
    if not status.spec.notebook or not root.is_dir():
        raise NotFound("The folder of the job's notebook is not known here, and so its event files are not.")
    found = list(event_files(root, status))
    if not found:
        raise NotFound(f"No event files were begun below {root} while the job ran.")
    for file in found:
        link = links() / status.name / file.relative_to(root)
        link.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            link.symlink_to(file.resolve())
    return f"{PROXIED}/?runFilter={quote(f'^{status.name}/', safe='')}"


def event_files(root: Path, status: JobStatus) -> Iterator[Path]:
    """Give the event files below a folder that say that they were begun while the job ran."""
    if status.started is None:
        return
    end = status.finished or time.time()
    for count, (folder, below, names) in enumerate(os.walk(root)):
        if count > MOST_FOLDERS:
            return
        below[:] = sorted(name for name in below if not name.startswith(".") and name != "node_modules")
        for name in names:
            match = _EVENTS.match(name)
            if match and int(status.started) <= int(match[1]) <= end:
                file = Path(folder, name)
                if (_first_event(file) or math.inf) >= status.started:
                    yield file


def _first_event(file: Path) -> float | None:
    """Read when something was first written, as a file's name and head say whole seconds only.

    A TFRecord is its data's length (8 bytes), checksum (4), data and checksum (4); the first is the
    head. An `Event` starts with its field 1, `wall_time`, as a double after the tag 0x09.
    """
    with contextlib.suppress(OSError, struct.error), file.open("rb") as records:
        records.seek(struct.unpack("<Q", records.read(8))[0] + 8 + 12, os.SEEK_CUR)
        tag, wall_time = struct.unpack("<Bd", records.read(9))
        return float(wall_time) if tag == 0x09 else None
    return None

"""The description of a payload or an outcome: versions and checksums.

Both sides run the same versions or nothing runs: a pickle of live objects means something only to the
libraries that wrote it. Nothing is unpickled before its checksum is right.
"""

from __future__ import annotations

import functools
import hashlib
import json
import sys
from importlib import metadata
from typing import TYPE_CHECKING

from jupyter_kf.errors import CaptureError

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = 1
PAYLOAD, OUTCOME = "payload", "outcome"
_PACKAGES = {
    "tensorflow": ("tensorflow", "tensorflow-cpu", "tensorflow-tpu"),
    "keras": ("keras",),
    "numpy": ("numpy",),
    "cloudpickle": ("cloudpickle",),
}


@functools.cache
def versions() -> dict[str, str]:
    """The versions on which a pickle of live objects depends; a package that is not there is left out."""
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for package, distributions in _PACKAGES.items():
        for distribution in distributions:
            try:
                found[package] = metadata.version(distribution)
            except metadata.PackageNotFoundError:
                continue
            break
    return found


def _release(version: str) -> list[str]:
    """Major and minor: patch releases keep the formats."""
    return version.split(".")[:2]


def check_versions(theirs: dict[str, str], ours: dict[str, str]) -> None:
    """:raises CaptureError: naming both versions of each package that differs."""
    wrong = [
        f"{name} {theirs[name]} in the notebook, {ours.get(name, 'none')} in the replica"
        for name in sorted(theirs)
        if _release(theirs[name]) != _release(ours.get(name, ""))
    ]
    if wrong:
        raise CaptureError(
            f"The notebook and the replica run different versions: {'; '.join(wrong)}. "
            "Run the job in the notebook's own image, or install the same versions on both sides."
        )


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def seal(folder: Path, name: str, checksums: dict[str, str]) -> None:
    """Write the description of the files of `folder`."""
    about = {"format": FORMAT, "versions": versions(), "sha256": checksums}
    (folder / f"{name}.json").write_text(json.dumps(about, indent=1))


def unseal(folder: Path, name: str) -> dict[str, str]:
    """Check the versions; return the checksums by file name.

    :raises CaptureError: not a payload, or of other versions
    """
    try:
        about = json.loads((folder / f"{name}.json").read_text())
    except (OSError, ValueError) as error:
        raise CaptureError(f"{folder} holds no readable {name}: {error}. Submit the cell again.") from error
    if about.get("format") != FORMAT:
        raise CaptureError(
            f"The {name} in {folder} has format {about.get('format')}, this jupyter_kf reads {FORMAT}. "
            "Use the same jupyter_kf on both sides."
        )
    check_versions(about["versions"], versions())
    return dict(about["sha256"])


def check(path: Path, actual: str, expected: str | None) -> None:
    """:raises CaptureError: the file is not the one that was written."""
    if actual != expected:
        raise CaptureError(
            f"{path.name} in {path.parent} was changed or damaged after it was written "
            f"(sha256 {actual[:12]}…, expected {str(expected)[:12]}…). Submit the cell again."
        )

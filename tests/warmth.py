"""One warm process for all tests of a file: importing TensorFlow is what takes long."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jupyter_kf.backends import warm
from jupyter_kf.store import STORE_VARIABLE
from tests.conftest import processes_of, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def warm_place() -> Iterator[Path]:
    """The runtime folder of the file's tests; nothing is left running when they are done."""
    folder = Path(tempfile.mkdtemp(prefix="kf-"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(warm.RUNTIME_VARIABLE, str(folder))
        yield folder
        warm.stop()
        wait_until(lambda: not processes_of(folder), "processes were left behind", 20)
    shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def place(warm_place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the test have its own store."""
    monkeypatch.setenv(STORE_VARIABLE, str(tmp_path / "store"))
    monkeypatch.setenv(warm.RUNTIME_VARIABLE, str(warm_place))

"""Stored graphs in one process with TensorFlow; no test here starts a job."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jupyter_kf.store import STORE_VARIABLE

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the test have its own store."""
    monkeypatch.setenv(STORE_VARIABLE, str(tmp_path / "store"))

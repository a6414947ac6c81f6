"""Which modules lie beside the notebook, whatever was found the time before."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

import pytest

from jupyter_kf.capture import modules

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "kf_test_own_module"


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """Two folders, each with a module of the same name; the first is where Python looks."""
    made = [tmp_path / name for name in ("one", "two")]
    for folder in made:
        folder.mkdir()
        (folder / f"{NAME}.py").write_text(f"where = {folder.name!r}\n")
    monkeypatch.syspath_prepend(str(made[0]))
    importlib.import_module(NAME)
    yield made
    sys.modules.pop(NAME, None)


def found() -> str | None:
    source = modules.beside(None).get(NAME)
    return source.text.decode().strip() if source else None


def test_what_was_elsewhere_is_beside_after_a_change_of_folder(
    folders: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = folders
    monkeypatch.chdir(two)
    assert [found(), found()] == [None, None]
    monkeypatch.chdir(one)
    assert [found(), found()] == ["where = 'one'"] * 2
    monkeypatch.chdir(two)
    assert found() is None


def test_a_module_imported_anew_is_looked_at_anew(
    folders: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, two = folders
    monkeypatch.chdir(two)
    assert found() is None
    del sys.modules[NAME]
    assert found() is None
    monkeypatch.syspath_prepend(str(two))
    importlib.import_module(NAME)
    assert found() == "where = 'two'"
    del sys.modules[NAME]
    assert found() is None


def test_what_only_the_source_imports_is_found(folders: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    class Work:
        source = f"import {NAME}"

    monkeypatch.chdir(folders[0])
    del sys.modules[NAME]
    assert modules.beside(Work())[NAME].text == b"where = 'one'\n"

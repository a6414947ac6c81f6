"""Closed files travel and are as closed on the other side; open ones do not."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_kf.capture import closed

if TYPE_CHECKING:
    from pathlib import Path


def sent(file: Any) -> Any:
    make, arguments = closed.CLOSED_FILE.make(file)
    return make(*pickle.loads(pickle.dumps(arguments)))


@pytest.mark.parametrize(
    "options",
    [("r",), ("w",), ("a",), ("r+",), ("rb",), ("wb",), ("r+b",), ("rb", 0), ("w", 1, "latin-1")],
    ids=str,
)
def test_a_closed_file_is_as_it_was(options: tuple[Any, ...], tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    with open(path, *options) as file:  # noqa: PTH123
        assert not closed.is_closed(file)
    assert closed.is_closed(file)
    got = sent(file)
    assert got.closed
    assert (got.name, got.mode) == (file.name, file.mode)
    assert getattr(got, "encoding", "") == getattr(file, "encoding", "")
    assert type(got) is type(file)


def test_a_file_that_gave_its_buffer_away_is_not_closed(tmp_path: Path) -> None:
    file = open(tmp_path / "file", "w")  # noqa: PTH123, SIM115
    with file.detach() as buffer:
        assert not closed.is_closed(file)
    assert closed.is_closed(buffer)


def test_a_closed_hdf5_file(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "d.h5", "w") as file:
        assert not closed.is_closed(file)
    got = sent(file)
    assert isinstance(got, h5py.File)
    assert not got
    assert repr(got) == repr(file) == "<Closed HDF5 file>"

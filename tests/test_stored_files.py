"""Files that are hashed as they are written and read: the same hash either way, whatever their size."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from jupyter_kf.errors import CaptureError
from jupyter_kf.store import ArtifactStore
from jupyter_kf.stored import files, shelf
from jupyter_kf.stored.record import GraphKind, GraphRecord

if TYPE_CHECKING:
    from pathlib import Path

PIECE = files.PIECE
CONTENT = bytes(range(251)) * (2 * PIECE // 251 + 100)


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, len(CONTENT)])
@pytest.mark.parametrize("cut", [0, 7, PIECE + 5])
def test_a_file_is_the_same_written_read_and_given(size: int, cut: int, tmp_path: Path) -> None:
    content = CONTENT[:size]
    written = files.write(tmp_path / "file", [content[:cut], b"", content[cut:]])
    data, found = files.read(tmp_path / "file", size)
    assert written == found == files.info(content) == files.info(tmp_path / "file")
    assert bytes(data) == content == (tmp_path / "file").read_bytes()
    if size <= PIECE:
        assert written.sha256 == hashlib.sha256(content).hexdigest()


def test_a_file_of_another_size_is_not_read(tmp_path: Path) -> None:
    files.write(tmp_path / "file", [b"content"])
    data, found = files.read(tmp_path / "file", 10**18)
    assert not len(data) and found.size == 7 and not found.sha256


@pytest.mark.parametrize("at", [0, PIECE - 1, PIECE, 2 * PIECE + 3])
def test_a_change_in_any_piece_is_found(at: int, tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path / "store"))
    with shelf.draft(store) as folder:
        known = {shelf.WEIGHTS: files.write(folder / shelf.WEIGHTS, [CONTENT])}
        record = shelf.shelve(store, GraphRecord("ranker", 0, GraphKind.FORWARD), folder, known)
    assert bytes(shelf.checked(store, record, shelf.WEIGHTS)) == CONTENT
    with (tmp_path / "store/graphs/ranker/1" / shelf.WEIGHTS).open("r+b") as file:
        file.seek(at)
        file.write(bytes([CONTENT[at] ^ 1]))
    with pytest.raises(CaptureError, match="is not the one that was stored"):
        shelf.checked(store, record, shelf.WEIGHTS)


def test_pieces_that_change_places_are_found() -> None:
    a, b = CONTENT[:PIECE], CONTENT[PIECE : 2 * PIECE]
    assert files.info(a + b) != files.info(b + a)

"""The numbers of a graph's versions: none is given twice while there is the graph, also not a deleted one's.

Who deletes the newest version leaves an empty file with its number beside the versions. A file is only ever
added, never changed, so those who delete and store at the same time cannot undo what the other has marked.
What a version is made of is for others to know.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..store import ArtifactStore

_NAMED = re.compile(r"([1-9][0-9]*)(\.deleted)?", re.ASCII)


def present(store: ArtifactStore, folder: str) -> list[int]:
    """Give the numbers of the versions in the graph's folder, the smallest first, unfinished ones too."""
    return sorted(number for number, deleted in _all(store, folder) if not deleted)


def following(store: ArtifactStore, folder: str) -> int:
    """Give the number after all that were given so far."""
    return max((number for number, _ in _all(store, folder)), default=0) + 1


def retire(store: ArtifactStore, folder: str, number: int) -> None:
    """Say, before a version is deleted, that its number was given; needless while there is a larger one."""
    if number + 1 == following(store, folder):
        store.put(f"{folder}/{number}.deleted", b"")


def hand_on(store: ArtifactStore, folder: str, other: str) -> None:
    """Let what becomes the graph in ``other`` give no number that the graph in ``folder`` has given."""
    retired = [number for number, deleted in _all(store, folder) if deleted]
    if retired:
        store.put(f"{other}/{max(retired)}.deleted", b"")


def _all(store: ArtifactStore, folder: str) -> list[tuple[int, bool]]:
    found = map(_NAMED.fullmatch, store.list(folder))
    return [(int(match[1]), match[2] is not None) for match in found if match]

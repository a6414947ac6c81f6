"""Numbers of versions: one that was deleted is not given again, in a folder or elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jupyter_kf.errors import NotFound
from jupyter_kf.store import ArtifactStore
from jupyter_kf.stored import shelf
from jupyter_kf.stored.record import GraphKind, GraphRecord

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=["folder", "memory"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "store") if request.param == "folder" else f"memory://{tmp_path}")


def make(store: ArtifactStore, name: str = "ranker", description: str = "") -> int:
    with shelf.draft(store) as folder:
        (folder / shelf.PICTURE).write_bytes(b"picture")
        record = GraphRecord(name, 0, GraphKind.FORWARD, description)
        return shelf.shelve(store, record, folder).version


def there(store: ArtifactStore, name: str = "ranker") -> list[int]:
    return [record.version for record in shelf.list_versions(store, name)]


def test_the_number_of_a_deleted_version_is_not_given_again(shop: ArtifactStore) -> None:
    assert [make(shop), make(shop), make(shop)] == [1, 2, 3]
    shelf.delete_graph(shop, "ranker", 3)
    assert make(shop) == 4
    shelf.delete_graph(shop, "ranker", 2)  # not the newest: nothing to remember
    assert shop.list("graphs/ranker") == ["1", "3.deleted", "4"]
    for version in (4, 1):
        shelf.delete_graph(shop, "ranker", version)
    assert shelf.list_graphs(shop) == []
    with pytest.raises(NotFound, match="there is none"):
        shelf.read_record(shop, "ranker")
    assert make(shop) == 5
    assert there(shop) == [5]


def test_the_newest_after_the_newest(shop: ArtifactStore) -> None:
    for _ in range(3):
        make(shop)
    for version in (3, 2):
        shelf.delete_graph(shop, "ranker", version)
    assert (make(shop), there(shop)) == (4, [4, 1])


def test_a_graph_of_which_all_is_deleted_begins_anew(shop: ArtifactStore) -> None:
    make(shop)
    shelf.delete_graph(shop, "ranker", 1)
    shelf.delete_graph(shop, "ranker")
    assert shop.list("graphs") == []
    assert make(shop) == 1


def test_a_renamed_graph_takes_its_numbers_along(shop: ArtifactStore) -> None:
    for _ in range(3):
        make(shop)
    shelf.delete_graph(shop, "ranker", 3)
    make(shop, "sorter")
    shelf.delete_graph(shop, "sorter", 1)  # a name of which no version is left is free
    shelf.rename_graph(shop, "ranker", "sorter")
    assert (make(shop, "sorter"), there(shop, "sorter")) == (4, [4, 2, 1])
    assert make(shop) == 1

"""Every row of the fidelity matrix, on 2 and 3 replicas."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gang.fidelity import SIZES, ask, measure
from tests.gang.items import ITEMS, Item

pytestmark = [pytest.mark.gang, pytest.mark.timeout(1500)]


@pytest.mark.parametrize("item", ITEMS, ids=lambda i: f"{i.group}, {i.name}")
def test_equals_one_process(gangs: Any, item: Item) -> None:
    want, by_size = ask(item, {size: gangs(size) for size in (0, *SIZES)})
    for answers in by_size.values():
        assert isinstance(answers, list), answers
        found = measure(item, want, [a[0] for a in answers])
        assert not isinstance(found, str), found
        assert max(max(parts.values()) for parts in found.values()) <= item.bar, found
        assert any("not faster" in note for note in answers[0][1]) == item.whole, answers[0][1]

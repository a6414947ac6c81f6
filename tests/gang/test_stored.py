"""A training step stored once trains on 1, 2 and 3 replicas as the live one in one process does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.gang import stored_cases
from tests.gang.compare import BAR, differences

if TYPE_CHECKING:
    from pathlib import Path

    from tests.gang.conftest import Gangs

pytestmark = pytest.mark.gang


@pytest.mark.parametrize("name", stored_cases.CASES)
@pytest.mark.timeout(400)
def test_a_stored_step_trains_alike_on_any_number_of_replicas(
    gangs: Gangs, name: str, tmp_path: Path
) -> None:
    url = str(tmp_path)
    ((want, _),) = gangs(0).run("stored_cases:save", name=name, url=url)
    assert isinstance(want, dict), want
    for size in (2, 3):
        gangs(size).send("stored_cases:train", name=name, url=url)
    for size in (2, 3):
        answers = [answer for answer, _ in gangs(size).answers(name)]
        for got in answers:
            assert isinstance(got, dict), got
            assert got.pop("begun") >= len(want["losses"])
            assert max(differences(got, want).values()) <= BAR, differences(got, want)

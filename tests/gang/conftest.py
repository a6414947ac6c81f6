"""Gangs are started once for the whole session and ended with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.gang.gang import Gang

if TYPE_CHECKING:
    from collections.abc import Iterator


class Gangs:
    """The gangs of the session by size; size 0 is the reference, a plain process."""

    def __init__(self) -> None:
        self._known: dict[int, Gang] = {}

    def __call__(self, size: int) -> Gang:
        return self._known.setdefault(size, Gang(size))

    def close(self) -> None:
        for gang in self._known.values():
            gang.close()


@pytest.fixture(scope="session")
def gangs() -> Iterator[Gangs]:
    gangs = Gangs()
    yield gangs
    gangs.close()


@pytest.fixture(autouse=True)
def place() -> None:
    """These tests send out no jobs; their gangs live as long as the session, not the test."""

"""Training cells in the manner of Keras's guides and examples equal one process, to the last line."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from tests.gang import cases_generative, cases_guides, cases_sequences
from tests.gang.compare import differences
from tests.gang.gang import Failure

pytestmark = [pytest.mark.gang, pytest.mark.timeout(1500)]
BAR = 1e-5
CELLS = [
    (module.__name__.rpartition(".")[2], name)
    for module in (cases_guides, cases_generative, cases_sequences)
    for name, f in vars(module).items()
    if inspect.isfunction(f) and f.__module__ == module.__name__ and name != "end"
]


@pytest.mark.parametrize(("module", "name"), CELLS, ids=[name for _, name in CELLS])
def test_equals_one_process(gangs: Any, module: str, name: str) -> None:
    seeded = {"module": module, "name": name}
    want = gangs(0).run("scenes:seeded", **seeded)[0][0]
    assert isinstance(want, dict), want
    for got, _ in gangs(2).run("scenes:seeded", **seeded):
        assert not isinstance(got, Failure), got
        found = differences(got, want)
        assert max(found.values()) <= BAR, found

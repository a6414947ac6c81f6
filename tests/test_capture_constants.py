"""What a notebook has set in a module beside it holds where the cell runs, and comes back."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_kf.capture import Cell, constants

from .capture_notebook import Notebook, Replicas, replicas

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOURCE = """
RATE = 0.5
NAMES = ['a']
TABLE = {'x': (1, 2)}
_LIMIT = None
class Own: pass
OWN = Own()
BIG = list(range(2000))
"""


@pytest.fixture
def own_config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    (tmp_path / "own_config.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(constants, "_arrived", ())
    import own_config  # type: ignore[import-not-found]

    yield own_config
    sys.modules.pop("own_config", None)


@pytest.fixture(scope="module")
def away() -> Iterator[Replicas]:
    with replicas() as started:
        yield started


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, away: Replicas) -> Notebook:
    return Notebook(monkeypatch, tmp_path, away)


def test_plain_values_of_modules_beside_the_notebook(own_config: Any) -> None:
    assert constants.snapshot()["own_config"] == {
        "RATE": 0.5,
        "NAMES": ["a"],
        "TABLE": {"x": (1, 2)},
        "_LIMIT": None,
    }
    assert not {"pytest", "sys", "json"} & constants.snapshot().keys()


def test_what_was_set_holds_in_a_fresh_module(own_config: Any) -> None:
    own_config.RATE = 0.25
    own_config.NAMES.append("b")
    own_config.ADDED = 3
    state = constants.snapshot()
    del sys.modules["own_config"]
    constants.restore(state, arrived=True, work=Cell("import own_config", {}, "", 1))
    fresh = sys.modules["own_config"]
    assert fresh is not own_config
    assert (fresh.RATE, fresh.NAMES, fresh.ADDED) == (0.25, ["a", "b"], 3)
    fresh.RATE = 0.1
    assert constants.snapshot().keys() == {"own_config"}, "a job tells of what came with it"
    assert constants.snapshot()["own_config"]["RATE"] == 0.1


def test_a_module_that_is_not_in_use_is_not_imported(own_config: Any) -> None:
    state = constants.snapshot()
    del sys.modules["own_config"]
    constants.restore(state, arrived=True, work=Cell("import sys", {}, "", 1))
    assert "own_config" not in sys.modules


def test_a_module_that_cannot_be_imported_is_left_to_the_cell() -> None:
    constants.restore({"no_such_module": {"A": 1}}, work=Cell("import no_such_module", {}, "", 1))


def test_more_of_modules_that_the_cell_uses(
    notebook: Notebook, own_config: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook.here("""
import numpy, own_config
class Mine: pass
factor = 3
def times(x): return x * factor
own_config.times, own_config.mine, own_config.array = times, Mine(), numpy.arange(5000.0)
own_config.BIG.append(1)
mine = own_config.mine
""")
    held = own_config.array
    notebook.away("""
total = own_config.times(own_config.array.sum()), len(own_config.BIG), type(own_config.OWN).__name__
own_config.array += 1
own_config.mine.left = [factor]
own_config.more = own_config.array[:2]
""")
    assert notebook["total"] == (3 * 4999 * 2500, 2001, "Own")
    assert own_config.array is held
    assert held[0] == 1
    assert own_config.mine is notebook["mine"]
    assert own_config.mine.left == [3]
    own_config.more[0] = 7
    assert held[0] == 7, "a view of it still"


def test_what_cannot_travel_is_left_alone(notebook: Notebook, own_config: Any) -> None:
    notebook.here("""
import own_config
class Mine: pass
own_config.mine = Mine(); own_config.mine.file = [open('/dev/null')]
""")
    notebook.away("rate = own_config.RATE")
    assert notebook["rate"] == 0.5
    own_config.mine.file[0].close()

"""What a notebook has set in a module beside it holds where the cell runs, and comes back."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_kf.capture import constants

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
    constants.restore(state, arrived=True, source="import own_config")
    fresh = sys.modules["own_config"]
    assert fresh is not own_config
    assert (fresh.RATE, fresh.NAMES, fresh.ADDED) == (0.25, ["a", "b"], 3)
    fresh.RATE = 0.1
    assert constants.snapshot().keys() == {"own_config"}, "a job tells of what came with it"
    assert constants.snapshot()["own_config"]["RATE"] == 0.1


def test_a_module_that_is_not_in_use_is_not_imported(own_config: Any) -> None:
    state = constants.snapshot()
    del sys.modules["own_config"]
    constants.restore(state, arrived=True, source="import sys")
    assert "own_config" not in sys.modules


def test_a_module_that_cannot_be_imported_is_left_to_the_cell() -> None:
    constants.restore({"no_such_module": {"A": 1}}, source="import no_such_module")

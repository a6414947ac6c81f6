"""Loggers have their levels and handlers where a cell runs."""

from __future__ import annotations

import io
import logging
import pickle
import sys
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_kf.capture import logs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    found = logging.getLogger("tests.own")
    yield found
    found.setLevel(logging.NOTSET)
    found.propagate, found.disabled = True, False
    found.handlers.clear()
    logging.disable(logging.NOTSET)


def elsewhere(logger: logging.Logger) -> dict[str, Any]:
    """Take what was set on the logger off it, and give it as it travels."""
    state: dict[str, Any] = pickle.loads(pickle.dumps(logs.levels()))
    logger.setLevel(logging.NOTSET)
    logger.propagate = True
    logger.handlers.clear()
    return state


def test_levels_and_streams(logger: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    state = elsewhere(logger)
    monkeypatch.setattr(sys, "stderr", there := io.StringIO())
    logs.set_levels(state)
    logger.debug("said")
    assert there.getvalue() == "DEBUG: said\n" and not logger.propagate


def test_a_handler_that_is_there_is_not_made_twice(logger: logging.Logger) -> None:
    logger.addHandler(logging.StreamHandler())
    state = logs.levels()
    logs.set_levels(state)
    assert len(logger.handlers) == 1


def test_a_file_goes_on(logger: logging.Logger, tmp_path: Path) -> None:
    with_file = logging.FileHandler(tmp_path / "own.log", encoding="utf-8")
    logger.addHandler(with_file)
    logger.warning("here")
    with_file.close()
    logs.set_levels(elsewhere(logger))
    logger.warning("there")
    logger.handlers[0].close()
    assert (tmp_path / "own.log").read_text() == "here\nthere\n"


def test_what_writes_elsewhere_is_left_out(logger: logging.Logger) -> None:
    class Own(logging.StreamHandler):  # type: ignore[type-arg]
        pass

    logger.addHandler(Own())
    logger.addHandler(logging.StreamHandler(io.StringIO()))
    assert logs.levels()["loggers"]["tests.own"]["handlers"] == []


def test_silence_is_for_all(logger: logging.Logger) -> None:
    logging.disable(logging.ERROR)
    state = logs.levels()
    logging.disable(logging.NOTSET)
    logs.set_levels(state)
    assert not logger.isEnabledFor(logging.ERROR)

"""Who logs what: levels of loggers, and handlers where the other side has none.

Loggers travel by name, as Python's own pickling has them, so what was set on them must go along. A handler
holds a lock and a stream of its process: those of the standard library that write to the standard streams or
to a file are made again. Others are left out, and their loggers are silent there.
"""

from __future__ import annotations

import logging
import sys
from typing import Any


def levels() -> dict[str, Any]:
    """What was set on loggers, the root's name being empty."""
    known = logging.root.manager.loggerDict.items()
    loggers = {"": logging.root} | {n: found for n, found in known if isinstance(found, logging.Logger)}
    return {
        "disable": logging.root.manager.disable,
        "loggers": {
            name: {
                "level": logger.level,
                "propagate": logger.propagate,
                "disabled": logger.disabled,
                "handlers": [made for handler in logger.handlers if (made := _recipe(handler))],
            }
            for name, logger in loggers.items()
            if logger.level or not logger.propagate or logger.disabled or logger.handlers
        },
    }


def set_levels(state: dict[str, Any]) -> None:
    """Set what `levels` saw; a logger that has handlers here keeps them."""
    logging.disable(state["disable"])
    for name, saw in state["loggers"].items():
        logger = logging.getLogger(name)
        logger.setLevel(saw["level"])
        logger.propagate, logger.disabled = saw["propagate"], saw["disabled"]
        if not logger.handlers:
            for recipe in saw["handlers"]:
                logger.addHandler(_made(recipe))


def _recipe(handler: logging.Handler) -> dict[str, Any] | None:
    recipe: dict[str, Any] = {"level": handler.level, "format": _format(handler.formatter)}
    if type(handler) is logging.FileHandler:
        return recipe | {"file": handler.baseFilename, "encoding": handler.encoding}
    if type(handler) is logging.StreamHandler:
        for name in ("stdout", "stderr"):
            if handler.stream in (getattr(sys, name), getattr(sys, f"__{name}__")):
                return recipe | {"stream": name}
    return None


def _format(formatter: logging.Formatter | None) -> tuple[str | None, str | None] | None:
    return (formatter._fmt, formatter.datefmt) if type(formatter) is logging.Formatter else None


def _made(recipe: dict[str, Any]) -> logging.Handler:
    handler: logging.Handler
    if "file" in recipe:
        handler = logging.FileHandler(recipe["file"], encoding=recipe["encoding"], delay=True)
    else:
        handler = logging.StreamHandler(getattr(sys, recipe["stream"]))
    handler.setLevel(recipe["level"])
    if recipe["format"]:
        handler.setFormatter(logging.Formatter(*recipe["format"]))
    return handler

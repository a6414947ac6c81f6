"""The replica's side of equality: code for one process, run by N of them, with the same result.

Every replica runs the whole program on the same data. What costs time, the calls of Keras models, is cut by
rows: each replica computes its block of the batch, the blocks are put together again, and everything
after that (losses, metrics, callbacks, the user's own arithmetic) is computed from whole batches, as in one
process. Gradients with respect to variables are averaged over the replicas. A call that does not treat rows
one by one is not cut: each replica computes it whole, which is right though not faster.

Importing this package must not load TensorFlow; its names are loaded on first use (PEP 562). It imports
of jupyter_kf only the errors and what ``chance`` is.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .agreement import agree
    from .hooks import install, running, uninstall, uses_own_strategy
    from .sharing import distribute, mean, whole

_HOME = {
    "agree": "agreement",
    "distribute": "sharing",
    "install": "hooks",
    "mean": "sharing",
    "running": "hooks",
    "uninstall": "hooks",
    "uses_own_strategy": "hooks",
    "whole": "sharing",
}
_MODULES = ("collective", "disk", "report", "resume", "rows", "stop", "watch")

__all__ = ["agree", "distribute", "install", "mean", "running", "uninstall", "uses_own_strategy", "whole"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    if name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

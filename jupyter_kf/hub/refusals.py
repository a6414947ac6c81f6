"""Refusals: a spawn that is turned down on purpose, said to a person, and no fault of the hub.

JupyterHub 6 has an exception for it. For 5.5 there is one that its pages show in the same way.
"""

from __future__ import annotations

from tornado import web

from .metrics import REFUSALS

try:
    from jupyterhub.spawner import SpawnException
except ImportError:  # JupyterHub 5

    class SpawnException(web.HTTPError):  # type: ignore[no-redef]
        """What JupyterHub 5 needs of version 6's: a message for the page, a status for the API."""

        def __init__(self, message: str, *, reason: str, status_code: int = 400) -> None:
            super().__init__(status_code, "%s", message)
            self.message = self.jupyterhub_message = message
            self.kind = reason


def refusal(message: str, reason: str, status: int = 400) -> SpawnException:
    """Make the exception and count it: 400 is a wrong choice, 403 what is not allowed, 503 no room."""
    REFUSALS.labels(reason).inc()
    return SpawnException(message, reason=reason, status_code=status)

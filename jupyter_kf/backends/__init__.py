"""Where jobs run. Each backend is its own module, loaded only when it is chosen."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..errors import SpecError

if TYPE_CHECKING:
    from ..store import ArtifactStore
    from .base import Backend

BACKEND_VARIABLE = "JUPYTER_KF_BACKEND"


def connect(name: str | None = None, store: ArtifactStore | None = None) -> Backend:
    """Make the backend ``name``: ``local`` or ``kubernetes``; by default ``JUPYTER_KF_BACKEND``."""
    match name or os.environ.get(BACKEND_VARIABLE) or "local":
        case "local":
            from .local import LocalBackend

            return LocalBackend(store)
        case "kubernetes":
            from .kubernetes import KubernetesBackend

            return KubernetesBackend(store)
        case "memory":
            from .memory import MemoryBackend

            return MemoryBackend(store)
        case other:
            raise SpecError(f"There is no backend {other!r}; backends: local, kubernetes.")

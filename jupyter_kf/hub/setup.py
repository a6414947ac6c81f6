"""What a hub with `KFSpawner` needs beside the spawner, in one call of its configuration file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

from . import culling
from .api import handlers

if TYPE_CHECKING:
    from traitlets.config import Config


def complete(c: Config, cull_every: int = 60) -> None:
    """Add to a configuration that names the catalogue's file: the free numbers for notebooks, and the culler.

    Call it after what the file says of services, roles and handlers, which stay.
    """
    c.JupyterHub.spawner_class = "kf"
    if "hub_connect_url" in c.JupyterHub:
        c.JupyterHub.hub_connect_url = _from_elsewhere(c.JupyterHub.hub_connect_url)
    _add(c.JupyterHub, "extra_handlers", handlers())
    if "catalogue_file" in c.KFSpawner:
        role = {"name": culling.SERVICE, "services": [culling.SERVICE], "scopes": culling.SCOPES}
        service = culling.service(c.KFSpawner.catalogue_file, cull_every)
        service["command"] += _beside(c.JupyterHub)
        _add(c.JupyterHub, "services", [service])
        _add(c.JupyterHub, "load_roles", [role])


def _from_elsewhere(url: str) -> str:
    """The hub's address for servers in other namespaces, where the name of its Service alone is unknown."""
    parts, namespace = urlparse(url), os.environ.get("POD_NAMESPACE")
    if not namespace or not parts.hostname or "." in parts.hostname or parts.hostname == "localhost":
        return url
    return parts._replace(
        netloc=parts.netloc.replace(parts.hostname, f"{parts.hostname}.{namespace}", 1)
    ).geturl()


def _beside(hub: Any) -> list[str]:
    """Where the hub is for a program beside it, if it listens everywhere: no policy is in the way there."""
    bound = urlparse(hub.hub_bind_url if "hub_bind_url" in hub else "http://127.0.0.1:8081")
    base = hub.base_url if "base_url" in hub else "/"
    return [] if bound.hostname else [f"--url=http://localhost:{bound.port}{base.rstrip('/')}/hub/api"]


def _add(section: Any, name: str, more: list[Any]) -> None:
    section[name] = [*(section[name] if name in section and isinstance(section[name], list) else []), *more]

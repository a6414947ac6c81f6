"""What the spawn page says is free, for the panel in the notebook: one more address of the hub's API.

It is the hub's own, as the one look at the cluster is in the hub. Who may use a server may ask it for that
server, so a server's own token does and it learns nothing of profiles that its user may not have.
"""

from __future__ import annotations

from typing import Any

from jupyterhub.apihandlers.base import APIHandler
from jupyterhub.scopes import needs_scope
from tornado import web

from .spawner import AVAILABILITY_PATH, KFSpawner
from .watching import Look


def handlers() -> list[tuple[str, type[APIHandler]]]:
    """The addresses, as ``JupyterHub.extra_handlers`` has them."""
    pattern = AVAILABILITY_PATH.format(user="([^/]+)", server="([^/]*)")
    return [(f"/api/{pattern}", AvailabilityHandler)]


class AvailabilityHandler(APIHandler):
    """``GET``: for each profile of jobs how many workers could start at once, of how many."""

    @needs_scope("access:servers")
    async def get(self, user_name: str, server_name: str = "") -> None:
        user = self.find_user(user_name)
        spawner = user.spawners.get(server_name) if user else None
        if not isinstance(spawner, KFSpawner):
            raise web.HTTPError(404, "There is no such server with profiles.")
        look = Look.shared() if spawner.show_free else None
        known: dict[str, Any] = {}
        for offer in spawner.offered().jobs(spawner.groups):
            for count in offer.counts:
                places = look.workers(offer, count) if look else None
                known[offer.job_name(count)] = {"free": places[0], "total": places[1]} if places else {}
        self.finish({"availability": known, "age": look.age if look else None})

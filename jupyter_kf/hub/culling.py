"""When a server has been idle or there for too long: the limits of its profile.

The work is jupyterhub-idle-culler's, which JupyterHub runs as a service; this only tells it what the
catalogue says. A server's activity is what the server itself tells the hub, and there a job that runs counts.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from jupyterhub_idle_culler import IdleCuller
from traitlets import Unicode, default

from ..errors import SpecError
from .offers import Catalogue, read_file

if TYPE_CHECKING:
    from collections.abc import Callable

SERVICE = "jupyter-kf-culler"
# What the service may do at the hub, and no more.
SCOPES = ["list:users", "read:users:activity", "read:servers", "delete:servers"]
_EVERY = 60


def is_over(catalogue: Catalogue, server: dict[str, Any], inactive: timedelta, now: datetime) -> str:
    """Why a server must stop by the limits of its profile; empty if it need not."""
    name = (server.get("user_options") or {}).get("profile")
    offer = next((each for each in catalogue.offers if each.name == name), None)
    if offer is None:
        return ""
    if offer.idle and inactive.total_seconds() >= offer.idle:
        return f"idle for {_said(inactive)}, and {name!r} allows {_said(timedelta(seconds=offer.idle))}"
    age = now - _time(server["started"]) if server.get("started") else timedelta()
    if offer.age and age.total_seconds() >= offer.age:
        return f"there for {_said(age)}, and {name!r} allows {_said(timedelta(seconds=offer.age))}"
    return ""


def _time(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _said(time: timedelta) -> str:
    return str(timedelta(seconds=int(time.total_seconds())))


def service(catalogue_file: str, every: int = _EVERY) -> dict[str, Any]:
    """The service as ``JupyterHub.services`` has them."""
    command = [sys.executable, "-m", __name__, f"--ProfileCuller.catalogue_file={catalogue_file}"]
    return {"name": SERVICE, "command": [*command, f"--cull-every={every}"]}


class ProfileCuller(IdleCuller):
    """The idle culler with a catalogue instead of one limit for all."""

    name = SERVICE
    catalogue_file = Unicode(help="The file of the catalogue, profiles.yaml.").tag(config=True)
    config_file = ""
    _last_right: Catalogue | None = None

    @default("cull_arbiter_hook")
    def _by_profile(self) -> Callable[..., bool]:
        def over(*, inactive: timedelta, server: dict[str, Any], **_: Any) -> bool:
            why = is_over(self._catalogue(), server, inactive, datetime.now(UTC))
            if why:
                self.log.info("The server %s is stopped: %s.", server["full_name"], why)
            return bool(why)

        return over

    def _catalogue(self) -> Catalogue:
        """The catalogue as it is now; after a change that is wrong, the last that was right."""
        try:
            self._last_right = read_file(self.catalogue_file)
        except SpecError as err:
            self.log.error("The catalogue of profiles is wrong: %s", err)
        return self._last_right or Catalogue()


if __name__ == "__main__":
    ProfileCuller.launch_instance()

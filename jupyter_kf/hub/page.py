"""The cards of the spawn page: the catalogue's profiles for a user, with what is free and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import SpecError
from . import holdings, offers
from .availability import words
from .catalogue import Base, claimed, profile_list
from .options import Choice
from .watching import Look

if TYPE_CHECKING:
    from .spawner import KFSpawner


def entries(spawner: KFSpawner) -> list[dict[str, Any]]:
    """KubeSpawner's ``profile_list`` with what the page says beside it."""
    catalogue = spawner.offered()
    offered = catalogue.servers(spawner.groups)
    found = profile_list(offered, Base(spawner.tolerations, spawner.volumes, spawner.volume_mounts))
    look = Look.shared() if spawner.show_free else None
    if look:
        look.offers = catalogue.offers
    saved = spawner.user_options or {}
    for offer, entry in zip(offered, found, strict=True):
        entry["saved"] = saved if saved.get("profile") == offer.name else {}
        entry["jobs"] = spawner.job_rights
        entry["free"] = words(offer, look.free(offer), look.age) if look else ""
        entry["warning"] = _why_not(spawner, offer, look)
    return found


def _why_not(spawner: KFSpawner, offer: offers.Offer, look: Look | None) -> str:
    """Why the user would be refused this offer now, as far as it can be known without asking."""
    try:
        spawner.check_servers(offer)
        held = look.held_in(spawner.namespace) if look and spawner.enable_user_namespaces else []
        catalogue = spawner.offered()
        most = catalogue.per_user
        allowance = offers.Allowance(accelerators=most.accelerators, devices=most.devices)
        smallest = Choice(offer, min(offer.counts, default=0))
        holdings.check(smallest, held, allowance, claimed(catalogue.offers))
    except SpecError as err:
        return str(err)
    return ""

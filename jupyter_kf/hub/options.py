"""What a user submitted, checked against what the user may have: nothing of it is trusted.

The form offers the right choices only, but anybody may send anything to the hub's API, and a choice
saved long ago may be offered no more. Pure: `SpecError` says what is wrong.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import SpecError

if TYPE_CHECKING:
    from .offers import Offer

_LONGEST = 80


@dataclass(frozen=True)
class Choice:
    """An offer with all that was to be chosen of it."""

    offer: Offer
    count: int = 0
    image: str = ""

    @property
    def options(self) -> dict[str, str]:
        """The choice as user options, in the form that KubeSpawner applies."""
        chosen = {"profile": self.offer.name}
        if len(self.offer.images) > 1:
            names = [each.image for each in self.offer.images]
            chosen["image"] = f"image-{names.index(self.image) + 1}"
        return chosen | ({"count": str(self.count)} if len(self.offer.counts) > 1 else {})


def choose(options: Any, offers: list[Offer]) -> Choice:
    """Read user options; without a profile, the first offer is meant."""
    if not isinstance(options, dict) or not all(isinstance(key, str) for key in options):
        raise SpecError("The options must be a mapping with the keys profile, count and image.")
    if not offers:
        raise SpecError("No profile is offered to you. Ask the administrator of this hub for one.")
    asked = {key: value for key, value in options.items() if value not in (None, "")}
    name = asked.pop("profile", offers[0].name)
    offer = next((each for each in offers if each.name == name), None)
    if offer is None:
        there = ", ".join(each.name for each in offers)
        raise SpecError(f"There is no profile {_said(name)} for you. Offered are: {there}.")
    count = _count(asked.pop("count", None), offer)
    image = _image(asked.pop("image", None), offer)
    if asked:
        raise SpecError(f"The profile {offer.name!r} has no option {_said(min(asked))}.")
    return Choice(offer, count, image)


def _count(value: Any, offer: Offer) -> int:
    if value is None:
        return offer.counts[0] if offer.counts else 0
    if isinstance(value, bool) or str(value) not in map(str, offer.counts):
        there = ", ".join(map(str, offer.counts)) or "none"
        raise SpecError(f"The profile {offer.name!r} comes with {there} accelerators, not {_said(value)}.")
    return int(value)


def _image(value: Any, offer: Offer) -> str:
    if value is None:
        return offer.images[0].image if offer.images else ""
    for number, each in enumerate(offer.images, 1):
        if value == f"image-{number}" or value == each.image:
            return each.image
    there = ", ".join(each.image for each in offer.images) or "no choice of images"
    raise SpecError(f"The profile {offer.name!r} has no image {_said(value)}; there is {there}.")


def _said(value: Any) -> str:
    return repr(value)[:_LONGEST]


def check_stock(options: Any, profile_list: list[dict[str, Any]]) -> None:
    """Check options against a ``profile_list`` of the administrator's own, where KubeSpawner does not.

    It takes a choice that is not there for a fault of its own, and a pattern that fits the beginning
    for one that fits.
    """
    if not isinstance(options, dict):
        raise SpecError("The options must be a mapping.")
    slug = options.get("profile")
    wanted = (each for each in profile_list if each["slug"] == slug or (not slug and each.get("default")))
    for name, option in (next(wanted, {}).get("profile_options") or {}).items():
        choice, free = options.get(name), options.get(f"{name}--unlisted-choice")
        choices = map(repr, option.get("choices") or {})
        if not free and choice and repr(choice) not in choices:
            raise SpecError(f"The profile {slug!r} has no choice {_said(choice)} of {name}.")
        pattern = option.get("unlisted_choice", {}).get("validation_regex")
        if free and pattern and not re.fullmatch(pattern, str(free)):
            raise SpecError(f"{_said(free)} is not allowed for {name}.")

"""Profiles: the one menu of images, resources and queues that an administrator offers.

The same catalogue feeds the spawn page, the panel and ``%%kf --profile``. A notebook finds it
in the environment, where the spawner put it, already filtered for the user. This module reads
it; it knows no cluster.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import SpecError
from .spec import Record, Resources

if TYPE_CHECKING:
    from collections.abc import Iterable

PROFILES_VARIABLE = "JUPYTER_KF_PROFILES"
# Where a hub says what is free for them: a URL, which takes the token of a server of its own.
AVAILABILITY_VARIABLE = "JUPYTER_KF_AVAILABILITY"


@dataclass(frozen=True)
class Profile(Record):
    """A named image, resources and queue; an empty ``image`` means the notebook's own.

    ``pod_overrides`` is merged into the specification of each replica's pod on Kubernetes: node
    selector, tolerations, and whatever else the cluster wants. ``store_secret`` names the Secret
    whose entries, configuration files of fsspec, give replicas access to a store that is a URL.
    ``hosts`` is the only number of replicas that a job may have, as a TPU slice has so many hosts.
    """

    name: str
    title: str = ""
    description: str = ""
    image: str = ""
    resources: Resources = field(default_factory=Resources)
    queue: str = ""
    store_secret: str = ""
    hosts: int = 0
    pod_overrides: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.name:
            raise SpecError("A profile needs a name.")

    def check_replicas(self, replicas: int) -> None:
        """Raise `SpecError` if a job of this profile cannot have so many replicas."""
        if self.hosts and replicas != self.hosts:
            raise SpecError(
                f"The profile {self.name!r} is a slice of {self.hosts} hosts: it takes {self.hosts} workers, "
                f"not {replicas}."
            )


def catalogue() -> tuple[Profile, ...]:
    """Read the profiles: ``JUPYTER_KF_PROFILES`` holds JSON or the path of a JSON file.

    Raises `SpecError` naming the profile and the field that is wrong.
    """
    text = os.environ.get(PROFILES_VARIABLE, "").strip()
    if not text:
        return ()
    if text[0] not in "[{":
        try:
            text = Path(text).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as err:
            raise SpecError(f"{PROFILES_VARIABLE} names {text!r}, which cannot be read: {err}.") from err
    return parse(text)


def parse(text: str) -> tuple[Profile, ...]:
    """Read a JSON list of profiles."""
    try:
        entries: Any = json.loads(text)
    except ValueError as err:
        raise SpecError(f"The catalogue of profiles is not JSON: {err}.") from err
    if not isinstance(entries, list):
        raise SpecError("The catalogue of profiles must be a list.")
    profiles = tuple(_profile(entry, number) for number, entry in enumerate(entries, 1))
    names = [profile.name for profile in profiles]
    if twice := {name for name in names if names.count(name) > 1}:
        raise SpecError(f"The catalogue has more than one profile {sorted(twice)[0]!r}.")
    return profiles


def _profile(entry: Any, number: int) -> Profile:
    try:
        return Profile.from_dict(entry)
    except SpecError as err:
        name = entry.get("name") if isinstance(entry, dict) else None
        raise SpecError(f"Profile {name or number!r} of the catalogue: {err}") from err


def find(name: str, profiles: Iterable[Profile] | None = None) -> Profile:
    """Give the profile of this name; `SpecError` with the names there are."""
    offered = catalogue() if profiles is None else tuple(profiles)
    for profile in offered:
        if profile.name == name:
            return profile
    there = ", ".join(p.name for p in offered) or "none are set up here"
    raise SpecError(f"There is no profile {name!r}; profiles: {there}.")

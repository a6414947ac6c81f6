"""The administrator's catalogue: read, checked, and frozen.

One file for what a user may start: notebook servers and jobs alike. A fault in it is one line that
says where it is. Nothing here knows KubeSpawner or a cluster.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from ..errors import SpecError
from .accelerators import Accelerator, accelerator
from .places import Document

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    Fault = tuple[tuple[str | int, ...], str]

_UNITS = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40}
_FOR_SERVERS, _FOR_JOBS = {"idle", "age", "max_per_user"}, {"store_secret", "pod_overrides"}
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class Image:
    """An image to choose."""

    image: str
    title: str = ""


@dataclass(frozen=True)
class Offer:
    """One entry of the catalogue. Amounts are in bytes, times in seconds."""

    name: str
    title: str = ""
    description: str = ""
    images: tuple[Image, ...] = ()
    cpu: float | None = None
    memory: int | None = None
    shm: int | None = None
    accelerator: Accelerator | None = None
    node_selector: dict[str, str] = field(default_factory=dict)
    tolerations: tuple[dict[str, Any], ...] = ()
    queue: str = ""
    store_secret: str = ""
    pod_overrides: dict[str, Any] = field(default_factory=dict)
    servers: bool = True
    jobs: bool = True
    groups: frozenset[str] = frozenset()
    max_per_user: int | None = None
    idle: int | None = None
    age: int | None = None
    start_within: int | None = None
    grows_to: int | None = None

    @property
    def counts(self) -> tuple[int, ...]:
        """How many accelerators may be asked for, the default first."""
        return self.accelerator.counts if self.accelerator else ()

    def job_name(self, count: int) -> str:
        """The name of the profile for jobs with so many accelerators a replica."""
        return self.name if count == self.counts[0] else f"{self.name}-x{count}"

    def is_for(self, groups: Iterable[str]) -> bool:
        """Whether a member of these groups may have it."""
        return not self.groups or not self.groups.isdisjoint(groups)


@dataclass(frozen=True)
class Allowance:
    """What one user may hold at once, servers and jobs together; None is no limit.

    ``accelerators`` are by resource, ``devices`` by the DeviceClass that they are claimed from.
    """

    cpu: float | None = None
    memory: int | None = None
    pods: int | None = None
    accelerators: dict[str, int] = field(default_factory=dict)
    devices: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Catalogue:
    """All offers, and what one user may hold of them."""

    offers: tuple[Offer, ...] = ()
    per_user: Allowance = field(default_factory=Allowance)

    def servers(self, groups: Iterable[str]) -> list[Offer]:
        """What a member of these groups may start as a notebook server."""
        groups = list(groups)
        return [offer for offer in self.offers if offer.servers and offer.is_for(groups)]

    def jobs(self, groups: Iterable[str]) -> list[Offer]:
        """What a member of these groups may run jobs with."""
        groups = list(groups)
        return [offer for offer in self.offers if offer.jobs and offer.is_for(groups)]

    def placed(self, selector: dict[str, str], tolerated: Iterable[dict[str, Any]]) -> Catalogue:
        """The same on the nodes that the spawner's own settings name: they hold for servers and for jobs."""
        more = tuple(tolerated)
        placed = (
            replace(each, node_selector=selector | each.node_selector, tolerations=(*more, *each.tolerations))
            for each in self.offers
        )
        return replace(self, offers=tuple(placed))


def read_file(path: str | Path) -> Catalogue:
    """Read a catalogue; `SpecError` says which line is wrong and why."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as err:
        raise SpecError(f"The catalogue {path} cannot be read: {err}.") from err
    return read(text, Path(path).name)


def read_dict(entries: dict[str, Any]) -> Catalogue:
    """Read a catalogue that stands in the hub's configuration."""
    return read(yaml.safe_dump(entries, sort_keys=False), "KFSpawner.catalogue")


@lru_cache(maxsize=4)
def read(text: str, name: str = "profiles.yaml") -> Catalogue:
    """Read a catalogue from YAML."""
    document = Document(text, name)
    document.check(json.loads(files(__package__).joinpath("profiles.schema.json").read_text("utf-8")))
    offers = tuple(_offer(document, number) for number in range(len(document.data["profiles"])))
    _check_names(document, offers)
    allowed = document.data.get("per_user", {})
    per_user = Allowance(**(allowed | ({"memory": _size(allowed["memory"])} if "memory" in allowed else {})))
    for number, offer in enumerate(offers):
        _check_allowance(document, number, offer, per_user)
    return Catalogue(offers, per_user)


def _offer(document: Document, number: int) -> Offer:
    entry = dict(document.data["profiles"][number])
    here = ("profiles", number)
    if "image" in entry and "images" in entry:
        raise document.fault((*here, "images"), "there is an image and a list of images: keep one")
    images = [{"image": entry.pop("image")}] if "image" in entry else entry.pop("images", [])
    purposes = entry.pop("for", ["servers", "jobs"])
    try:
        devices = accelerator(entry.pop("accelerator")) if "accelerator" in entry else None
    except ValueError as err:
        raise document.fault((*here, "accelerator"), str(err)) from err
    sizes = {key: _size(entry[key]) for key in ("memory", "shm") if key in entry}
    times = {key: _seconds(entry[key]) for key in ("idle", "age", "start_within") if key in entry}
    offer = Offer(
        **(entry | sizes | times)
        | {
            "images": tuple(Image(**each) for each in images),
            "accelerator": devices,
            "tolerations": tuple(entry.get("tolerations", ())),
            "groups": frozenset(entry.get("groups", ())),
            "servers": "servers" in purposes,
            "jobs": "jobs" in purposes,
        }
    )
    for key, message in _faults(entry, offer):
        raise document.fault((*here, *key), message)
    return offer


def _faults(entry: dict[str, Any], offer: Offer) -> Iterator[Fault]:
    """What the schema cannot say about one entry."""
    twice = [name for name, times in Counter(each.image for each in offer.images).items() if times > 1]
    if twice:
        yield ("images",), f"the image {twice[0]} is there twice"
    if offer.shm and offer.memory and offer.shm > offer.memory:
        yield ("shm",), "shared memory is part of the memory and cannot be more than it"
    if offer.idle and offer.age and offer.idle > offer.age:
        yield ("idle",), "a server would end of age before it could be idle for so long"
    yield from _device_faults(offer)
    for number, each in enumerate(offer.tolerations):
        if each.get("operator") == "Exists" and "value" in each:
            yield ("tolerations", number), "Exists takes no value"
        if "tolerationSeconds" in each and each.get("effect") != "NoExecute":
            yield ("tolerations", number), "tolerationSeconds goes with the effect NoExecute"
    for key in entry.keys() & _FOR_SERVERS if not offer.servers else ():
        yield (key,), "it is for servers, and the profile is for jobs only"
    for key in entry.keys() & _FOR_JOBS if not offer.jobs else ():
        yield (key,), "it is for jobs, and the profile is for servers only"


def _device_faults(offer: Offer) -> Iterator[Fault]:
    if offer.grows_to and not offer.accelerator:
        yield ("grows_to",), "it counts accelerators, of which the profile has none"
    elif offer.grows_to and offer.grows_to < min(offer.counts):
        yield ("grows_to",), "the pool can never grow to what one pod asks for"
    if offer.accelerator and offer.accelerator.hosts > 1 and offer.servers:
        hosts = offer.accelerator.hosts
        yield ("accelerator",), f"the slice has {hosts} hosts and a server one: say for: [jobs]"


def _check_names(document: Document, offers: tuple[Offer, ...]) -> None:
    seen: set[str] = set()
    for number, offer in enumerate(offers):
        names = {offer.name} | {offer.job_name(count) for count in offer.counts}
        if clash := names & seen:
            raise document.fault(
                ("profiles", number, "name"), f"another profile has the name {sorted(clash)[0]!r}"
            )
        seen |= names


def _check_allowance(document: Document, number: int, offer: Offer, per_user: Allowance) -> None:
    devices = offer.accelerator
    allowed = None
    if devices:
        by_class = per_user.devices.get(devices.device_class)
        allowed = by_class if devices.device_class else per_user.accelerators.get(devices.resource)
    needs: list[tuple[str, float | None, float | None]] = [
        ("cpu", offer.cpu, per_user.cpu),
        ("memory", offer.memory, per_user.memory),
        ("accelerator", min(offer.counts) if offer.counts else None, allowed),
    ]
    for key, needed, most in needs:
        if needed is not None and most is not None and needed > most:
            raise document.fault(("profiles", number, key), "it is more than per_user lets a user have")


def _size(text: str) -> int:
    return int(text[:-2]) * _UNITS[text[-2:]]


def _seconds(text: str) -> int:
    return int(text[:-1]) * _SECONDS[text[-1]]

"""From an offer of the catalogue to what starts things: KubeSpawner's ``profile_list``, a job's `Profile`.

Pure functions. What an administrator configured on the spawner itself (z2jh's tolerations, home volume)
is handed in as ``base`` and kept, as KubeSpawner lets a profile replace lists.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..backends.manifests import QUEUE_LABEL
from ..names import label_key
from ..profiles import Profile
from ..spec import Resources

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .offers import Offer

PROFILE_LABEL = label_key("profile")
_GIB = 1 << 30
Collection = list[Any] | dict[str, Any]
# By the name of a template: a DeviceClass and a number of its devices.
Claimed = dict[str, tuple[str, int]]


@dataclass(frozen=True)
class Base:
    """What the spawner has before a profile is applied to it."""

    tolerations: Collection
    volumes: Collection
    volume_mounts: Collection


def profile_list(offers: Iterable[Offer], base: Base) -> list[dict[str, Any]]:
    """Compile to the list form, which all KubeSpawners from 7.0 understand; the first is the default."""
    return [_entry(offer, base) for offer in offers]


def _entry(offer: Offer, base: Base) -> dict[str, Any]:
    options: dict[str, Any] = {}
    override = _common(offer, base)
    if len(offer.images) > 1:
        options["image"] = {"display_name": "Image", "choices": _image_choices(offer)}
    elif offer.images:
        override["image"] = offer.images[0].image
    if len(offer.counts) > 1:
        options["count"] = {"display_name": "How many", "choices": _count_choices(offer)}
    elif offer.counts:
        override |= _devices(offer, offer.counts[0])
    return {
        "slug": offer.name,
        "display_name": offer.title or offer.name,
        "description": offer.description,
        "facts": facts(offer),
        "kubespawner_override": override,
        **({"profile_options": options} if options else {}),
    }


def facts(offer: Offer) -> list[str]:
    """What one gets, in words for the spawn page."""
    found = []
    if offer.cpu:
        found.append(f"{offer.cpu:g} core{'s' if offer.cpu != 1 else ''}")
    if offer.memory:
        found.append(f"{offer.memory / _GIB:.3g} GiB of memory")
    if offer.accelerator:
        counts = " or ".join(map(str, sorted(offer.counts)))
        found.append(f"{offer.accelerator.title}: {counts}")
    if offer.queue:
        found.append(f"queue {offer.queue}")
    if offer.idle:
        found.append(f"stops after {duration(offer.idle)} without activity")
    if offer.age:
        found.append(f"stops after {duration(offer.age)} in any case")
    return found


def duration(seconds: int) -> str:
    """A time in the largest unit that it is a whole number of."""
    units = {86400: "day", 3600: "hour", 60: "minute", 1: "second"}
    size = next(size for size in units if seconds % size == 0)
    number = seconds // size
    return f"{number} {units[size]}{'s' if number != 1 else ''}"


def _common(offer: Offer, base: Base) -> dict[str, Any]:
    labels = {PROFILE_LABEL: offer.name} | ({QUEUE_LABEL: offer.queue} if offer.queue else {})
    override: dict[str, Any] = {"extra_labels": labels}
    if offer.cpu:
        override |= {"cpu_limit": offer.cpu, "cpu_guarantee": offer.cpu}
    if offer.memory:
        override |= {"mem_limit": offer.memory, "mem_guarantee": offer.memory}
    if offer.start_within:
        override["start_timeout"] = offer.start_within
    if selector := node_selector(offer):
        override["node_selector"] = selector
    if wanted := tolerations(offer):
        override["tolerations"] = _joined(base.tolerations, wanted)
    if offer.shm:
        override["volumes"] = _joined(base.volumes, [shm(offer.shm)])
        override["volume_mounts"] = _joined(base.volume_mounts, [{"name": "shm", "mountPath": "/dev/shm"}])
    return override


def _joined(base: Collection, more: list[dict[str, Any]]) -> dict[str, Any]:
    """Both as a dict, which KubeSpawner sorts by key; a list of the base comes first, in its order."""
    there = list(base.values() if isinstance(base, dict) else base)
    new = [each for each in more if each not in there]
    ours = {f"jupyter-kf-{number:03}": each for number, each in enumerate(new)}
    if isinstance(base, dict):
        return base | ours
    return {f"base-{number:03}": each for number, each in enumerate(base)} | ours


def _image_choices(offer: Offer) -> dict[str, Any]:
    return {
        f"image-{number}": {
            "display_name": each.title or each.image,
            "kubespawner_override": {"image": each.image},
        }
        for number, each in enumerate(offer.images, 1)
    }


def _count_choices(offer: Offer) -> dict[str, Any]:
    return {
        str(count): {"display_name": str(count), "kubespawner_override": _devices(offer, count)}
        for count in offer.counts
    }


def _devices(offer: Offer, count: int) -> dict[str, Any]:
    """Extended resources must be limits, and the same requests; a claim is put into the pod elsewhere."""
    assert offer.accelerator is not None
    if offer.accelerator.device_class:
        return {}
    amount = {offer.accelerator.resource: str(count)}
    return {"extra_resource_limits": amount, "extra_resource_guarantees": dict(amount)}


def node_selector(offer: Offer) -> dict[str, str]:
    """Which nodes it may run on."""
    return (offer.accelerator.node_selector if offer.accelerator else {}) | offer.node_selector


def tolerations(offer: Offer) -> list[dict[str, Any]]:
    """Which taints it tolerates, each once."""
    found: list[dict[str, Any]] = []
    for each in (*(offer.accelerator.tolerations if offer.accelerator else ()), *offer.tolerations):
        if each not in found:
            found.append(each)
    return found


def shm(size: int) -> dict[str, Any]:
    """The volume of shared memory, which counts as memory of the pod."""
    return {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": str(size)}}


def claim_name(name: str, count: int) -> str:
    """The name of the ResourceClaimTemplate of a user's namespace for so many devices of an offer."""
    return f"{name}-x{count}"


def claimed(offers: Iterable[Offer]) -> Claimed:
    """Which devices, and how many of them, a claim from each of the templates is for."""
    found = ((offer, offer.accelerator) for offer in offers)
    return {
        claim_name(offer.name, count): (devices.device_class, count)
        for offer, devices in found
        if devices and devices.device_class
        for count in offer.counts
    }


def job_profiles(offers: Iterable[Offer]) -> list[Profile]:
    """What ``%%kf --profile`` may name: an offer, and for each further count one ending with -xCOUNT."""
    return [_job_profile(offer, count) for offer in offers for count in offer.counts or (0,)]


def _job_profile(offer: Offer, count: int) -> Profile:
    devices = offer.accelerator
    pod: dict[str, Any] = {}
    if selector := node_selector(offer):
        pod["nodeSelector"] = selector
    if wanted := tolerations(offer):
        pod["tolerations"] = wanted
    if offer.shm:
        pod["volumes"] = [shm(offer.shm)]
    if devices and devices.device_class:
        pod |= _claim(claim_name(offer.name, count))
    named = bool(devices and devices.resource)
    return Profile(
        name=offer.job_name(count) if count else offer.name,
        title=offer.title or offer.name,
        description=offer.description,
        # Of several images a job takes the notebook's own, which was chosen from them.
        image=offer.images[0].image if len(offer.images) == 1 else "",
        resources=Resources(
            cpu=float(offer.cpu) if offer.cpu else None,
            memory=offer.memory,
            accelerator=devices.resource if devices and named else "",
            accelerators=count if named else 0,
        ),
        queue=offer.queue,
        store_secret=offer.store_secret,
        hosts=devices.hosts if devices and devices.hosts > 1 else 0,
        pod_overrides=_merged(pod, offer.pod_overrides),
    )


def _claim(template: str) -> dict[str, Any]:
    return {
        "resourceClaims": [{"name": "accelerator", "resourceClaimTemplateName": template}],
        "containers": [{"name": "replica", "resources": {"claims": [{"name": "accelerator"}]}}],
    }


def _merged(pod: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    from ..backends.manifests import merge

    merged: dict[str, Any] = merge(pod, overrides)
    return merged

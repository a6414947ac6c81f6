"""What a user holds at once, servers and jobs together, against what a user may hold.

The hub says no before a pod is made, in words; the ResourceQuota of the user's namespace says no to
whatever passes by the hub. Pure.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from ..errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .catalogue import Claimed
    from .offers import Allowance
    from .options import Choice

_SUFFIXES = {
    **{"n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0},
    **{"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18},
    **{"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50, "Ei": 2.0**60},
}
_GIB = 1 << 30


def quantity(text: str | int | float) -> float:
    """Read an amount as Kubernetes writes it."""
    text = str(text)
    digits = text.rstrip("numkKMGTPEi")
    return float(digits) * _SUFFIXES[text[len(digits) :]]


def request(pod: dict[str, Any]) -> Counter[str]:
    """What the scheduler sets aside for a pod; a finished one holds nothing."""
    if is_finished(pod):
        return Counter()
    spec, total = pod["spec"], Counter[str]()
    first = spec.get("initContainers") or []
    beside = [each for each in first if each.get("restartPolicy") == "Always"]  # which never end
    for container in [*(spec.get("containers") or []), *beside]:
        total.update(_requests(container))
    for container in first:
        total |= _requests(container)  # they run before the others, so the larger counts
    return total


def is_finished(pod: dict[str, Any]) -> bool:
    """Whether a pod has ended and only its record is there."""
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def _requests(container: dict[str, Any]) -> Counter[str]:
    asked = container.get("resources") or {}
    amounts = (asked.get("limits") or {}) | (asked.get("requests") or {})
    return Counter({name: quantity(amount) for name, amount in amounts.items()})


def claims(pod: dict[str, Any]) -> list[str]:
    """The templates that a pod's claims of devices are made from."""
    found = (each.get("resourceClaimTemplateName") for each in pod["spec"].get("resourceClaims") or [])
    return [name for name in found if name]


def check(
    choice: Choice, pods: Iterable[dict[str, Any]], allowed: Allowance, claimed: Claimed | None = None
) -> None:
    """Raise `SpecError` if the choice and the pods there are more than a user may hold.

    ``claimed`` says what a claim from each of the catalogue's templates is for.
    """
    there = [pod for pod in pods if not is_finished(pod)]
    held = sum(map(request, there), Counter[str]())
    for name in (each for pod in there for each in claims(pod) if each in (claimed or {})):
        device_class, count = (claimed or {})[name]
        held[_devices(device_class)] += count
    offer = choice.offer
    wants: dict[str, float] = {"cpu": offer.cpu or 0, "memory": offer.memory or 0}
    if devices := offer.accelerator:
        wants[devices.resource or _devices(devices.device_class)] = choice.count
    limits = {"cpu": allowed.cpu, "memory": allowed.memory} | allowed.accelerators
    limits |= {_devices(name): most for name, most in allowed.devices.items()}
    for name, most in limits.items():
        if most is not None and wants.get(name, 0) and held[name] + wants[name] > most:
            raise SpecError(
                f"You may hold {_amount(name, most)} at once, servers and jobs together. You hold "
                f"{_amount(name, held[name])} in {_pods(len(there))}, and this asks for "
                f"{_amount(name, wants[name])} more. Stop a server or cancel a job, or choose less."
            )
    if allowed.pods is not None and len(there) >= allowed.pods:
        raise SpecError(
            f"You may have {_pods(allowed.pods)} at once, servers and jobs together, and have {len(there)}. "
            "Stop a server or cancel a job first."
        )


def _devices(device_class: str) -> str:
    return f"devices of {device_class}"


def _pods(number: int) -> str:
    return f"{number} pod{'s' if number != 1 else ''}"


def _amount(name: str, number: float) -> str:
    return f"{number / _GIB:.3g} GiB of memory" if name == "memory" else f"{number:g} {name}"

"""Accelerators as an administrator names them, and what a cluster calls them.

What each vendor's device plug-in, labels and taints are is known here and nowhere else. Pure: an
entry of the catalogue in, an `Accelerator` out, `ValueError` with what is wrong with it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

# Which keys an entry may have beside its vendor, or its DeviceClass for Dynamic Resource Allocation.
_KEYS = {
    "nvidia": {"product", "mig", "shared", "resource", "counts"},
    "amd": {"product", "partition", "resource", "counts"},
    "intel": {"product", "model", "resource", "counts"},
    "google": {"generation", "topology"},
    "device_class": {"selector", "counts"},
}
_PRODUCT_LABELS = {"nvidia": "nvidia.com/gpu.product", "amd": "amd.com/gpu.product-name"}
_INTEL = {"gaudi": "habana.ai/gaudi", "i915": "gpu.intel.com/i915", "xe": "gpu.intel.com/xe"}
TPU = "google.com/tpu"
_TPU_HOST_CHIPS = 4  # of a slice that spans hosts
# Generation: the value of the node label, and the topologies that are one host.
_TPUS: dict[str, tuple[str, tuple[str, ...]]] = {
    "v4": ("tpu-v4-podslice", ("2x2x1",)),
    "v5e": ("tpu-v5-lite-podslice", ("1x1", "2x2", "2x4")),
    "v5p": ("tpu-v5p-slice", ("2x2x1",)),
    "v6e": ("tpu-v6e-slice", ("1x1", "2x2", "2x4")),
    "tpu7x": ("tpu7x", ("1x1x1", "2x2x1")),
}


@dataclass(frozen=True)
class Accelerator:
    """Devices of one kind: the resource's name on the cluster and how many of it a pod may ask for.

    ``hosts`` is above 1 for a TPU slice that spans hosts. ``device_class`` and ``selector`` are those of
    a claim (Dynamic Resource Allocation), which has no resource's name.
    """

    title: str
    resource: str = ""
    counts: tuple[int, ...] = (1,)
    hosts: int = 1
    node_selector: dict[str, str] = field(default_factory=dict)
    tolerations: tuple[dict[str, Any], ...] = ()
    device_class: str = ""
    selector: str = ""


def accelerator(entry: dict[str, Any]) -> Accelerator:
    """Read one ``accelerator`` of the catalogue, which fits the schema."""
    if ("vendor" in entry) == ("device_class" in entry):
        raise ValueError("an accelerator has a vendor, or a device_class where the cluster has such")
    kind = entry.get("vendor", "device_class")
    for key in entry.keys() - _KEYS[kind] - {"vendor", "device_class"}:
        raise ValueError(f"{key!r} is of no use for {kind}")
    if kind == "google":
        return _tpu(entry.get("generation", ""), entry.get("topology", ""))
    counts = tuple(entry.get("counts", (1,)))
    if kind == "device_class":
        name = entry["device_class"]
        return Accelerator(name, counts=counts, device_class=name, selector=entry.get("selector", ""))
    title, resource = {"nvidia": _nvidia, "amd": _amd, "intel": _intel}[kind](entry)
    if entry.get("shared") and counts != (1,):
        raise ValueError("a shared GPU is given out one at a time: counts must be [1]")
    product = entry.get("product")
    if product and kind not in _PRODUCT_LABELS:
        raise ValueError("nodes with Intel's devices have no label of the product: use node_selector")
    family = "nvidia.com/gpu" if kind == "nvidia" else "amd.com/gpu" if kind == "amd" else resource
    return Accelerator(
        title=f"{title} {product}" if product else title,
        resource=entry.get("resource", resource),
        counts=counts,
        node_selector={_PRODUCT_LABELS[kind]: product} if product else {},
        tolerations=(_tolerate(family),),
    )


def _nvidia(entry: dict[str, Any]) -> tuple[str, str]:
    if "mig" in entry and entry.get("shared"):
        raise ValueError("an accelerator is a MIG slice or shared, not both")
    if "mig" in entry:
        return f"NVIDIA MIG {entry['mig']}", f"nvidia.com/mig-{entry['mig']}"
    if entry.get("shared"):
        return "shared NVIDIA GPU", "nvidia.com/gpu.shared"
    return "NVIDIA GPU", "nvidia.com/gpu"


def _amd(entry: dict[str, Any]) -> tuple[str, str]:
    part = entry.get("partition")
    return (f"AMD GPU {part}", f"amd.com/{part}") if part else ("AMD GPU", "amd.com/gpu")


def _intel(entry: dict[str, Any]) -> tuple[str, str]:
    if "model" not in entry:
        raise ValueError("an accelerator of Intel needs its model: gaudi, i915 or xe")
    return f"Intel {entry['model']}", _INTEL[entry["model"]]


def _tpu(generation: str, topology: str) -> Accelerator:
    if not generation or not topology:
        raise ValueError("a TPU needs its generation and its topology")
    label, single = _TPUS[generation]
    sides = [int(side) for side in topology.split("x")]
    if len(sides) != single[0].count("x") + 1:
        raise ValueError(f"a topology of TPU {generation} looks like {single[-1]}, not {topology}")
    chips = math.prod(sides)
    hosts = 1 if topology in single else chips // _TPU_HOST_CHIPS
    if topology not in single and (chips % _TPU_HOST_CHIPS or hosts < 2):
        raise ValueError(
            f"TPU {generation} has no topology {topology}: a slice is one host ({', '.join(single)}) "
            f"or several hosts of {_TPU_HOST_CHIPS} chips"
        )
    return Accelerator(
        title=f"TPU {generation} {topology}",
        resource=TPU,
        counts=(chips // hosts,),
        hosts=hosts,
        node_selector={
            "cloud.google.com/gke-tpu-accelerator": label,
            "cloud.google.com/gke-tpu-topology": topology,
        },
        tolerations=(_tolerate(TPU),),
    )


def _tolerate(key: str) -> dict[str, Any]:
    return {"key": key, "operator": "Exists", "effect": "NoSchedule"}

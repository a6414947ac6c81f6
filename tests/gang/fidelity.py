"""The fidelity matrix: everything people do, on 2 and 3 replicas, against one process.

``python -m tests.gang.fidelity docs/fidelity.md`` runs it and writes the page; the tests run the same items.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.gang.compare import BAR, differences
from tests.gang.gang import Failure, Gang
from tests.gang.scenes import ROWS

SIZES = (2, 3)


@dataclass(frozen=True)
class Item:
    """One row: what it is, the case that does it, and what is expected where it is not plain equality."""

    group: str
    name: str
    case: str
    options: dict[str, Any] = field(default_factory=dict)
    whole: bool = False
    bar: float = BAR
    why: str = ""


def _items() -> list[Item]:
    items: list[Item] = []

    def add(group: str, module: str, *names: str, **options: Any) -> None:
        items.extend(Item(group, n.replace("_", " "), f"{module}:{n}", **options) for n in names)

    add("Input", "cases_fit", "in_numpy", "in_pandas", "in_dataset", "in_unseeded_shuffle", "in_generator")
    add("Input", "cases_fit", "in_pydataset", "in_dicts")
    add("Input", "cases_fit", "in_ragged", whole=True)
    add("Options of fit", "cases_fit", "sample_weight", "class_weight", "validation_data", "validation_split")
    add(
        "Options of fit", "cases_fit", "epochs_and_steps", "steps_per_execution", "run_eagerly", "jit_compile"
    )
    add("Options of fit", "cases_fit", "on_batch")
    add("Losses", "cases_fit", "loss_sum", "loss_mean_with_sample_weight", "loss_none", "loss_across_rows")
    add("Losses", "cases_fit", "regularisers", "activity_regulariser", "add_loss_mean", "add_loss_sum")
    add("Losses", "cases_fit", "add_loss_maximum", whole=True)
    add("Metrics", "cases_fit", "metrics_many", "metric_own", "logs_by_batch")
    for name, options in OPTIMIZERS.items():
        items.append(Item("Optimizers", name, "cases_fit:optimizer", options))
    half = {"bar": 2e-3, "why": "float16 rounds differently for another number of rows"}
    for dynamic in (False, True):
        name = f"mixed_float16, {'dynamic' if dynamic else 'no'} loss scaling"
        items.append(Item("Optimizers", name, "cases_fit:mixed_precision", {"dynamic": dynamic}, **half))
    add("Callbacks", "cases_fit", "callbacks_decide", "callbacks_write")
    add("Layers", "cases_layers", "batch_norm", "batch_norm_masked", "batch_norm_frozen", "norms", "noise")
    add("Layers", "cases_layers", "augmentation", "convolutions", "recurrent", "masked_outputs", "attention")
    add(
        "Layers",
        "cases_layers",
        "shared_layers",
        "frozen_layers",
        "own_layer",
        "control_flow",
        "recompute_grad",
    )
    add("Layers", "cases_layers", "custom_gradient", "text")
    add("Layers", "cases_layers", "stateful_rnn", "own_layer_across_rows", "own_layer_with_state", whole=True)
    add("Layers", "cases_layers", "functional_operations", whole=True)
    for name, options in LOOPS.items():
        items.append(Item("Custom loops", name, "cases_loops:simple", options))
    add("Custom loops", "cases_loops", "marked_function", "persistent", "second_derivatives", "maml")
    add("Custom loops", "cases_loops", "gradient_of_gradient", "jacobian", "saliency", "gradient_of_output")
    add(
        "Custom loops", "cases_loops", "loop_in_graph", "sparse_gradients", "own_accumulation", "tf_gradients"
    )
    add("Custom loops", "cases_loops", "raw", whole=True)
    add(
        "Real models",
        "cases_models",
        "resnet",
        "transformer",
        "gan",
        "vae",
        "vae_own_step",
        "unet",
        "two_towers",
    )
    add("Real models", "cases_models", "distillation", "wgan", "own_steps")
    return items


OPTIMIZERS: dict[str, dict[str, Any]] = {
    "SGD, momentum, nesterov": {"name": "SGD", "learning_rate": 0.05, "momentum": 0.9, "nesterov": True},
    "Adam, cosine schedule": {"name": "Adam", "schedule": True},
    "AdamW, weight decay": {"name": "AdamW", "weight_decay": 0.01},
    "Adam, clipvalue": {"name": "Adam", "clipvalue": 0.05},
    "Adam, clipnorm": {"name": "Adam", "clipnorm": 0.1},
    "SGD, global_clipnorm": {"name": "SGD", "global_clipnorm": 0.1},
    "Adam, moving average": {"name": "Adam", "use_ema": True, "ema_overwrite_frequency": 2},
    "Adam, gradient accumulation": {"name": "Adam", "gradient_accumulation_steps": 2},
    "RMSprop": {"name": "RMSprop"},
    "Adagrad": {"name": "Adagrad"},
    "Adadelta": {"name": "Adadelta"},
    "Adamax": {"name": "Adamax"},
    "Nadam": {"name": "Nadam"},
    "Ftrl": {"name": "Ftrl"},
    "Lion": {"name": "Lion"},
    "Adafactor": {"name": "Adafactor"},
    "Lamb": {"name": "Lamb"},
}
LOOPS: dict[str, dict[str, Any]] = {
    "mean loss": {},
    "sum loss": {"reduce": "sum"},
    "compute_average_loss": {"reduce": "average"},
    "eager": {"graph": False},
}
ITEMS = _items()


def measure(item: Item, want: Any, answers: list[Any]) -> dict[str, dict[str, float]] | str:
    """The differences by shape and part, the worst replica's; or what went wrong."""
    if isinstance(want, Failure):
        return f"one process fails: {want.type}: {want.message[:300]}"
    found: dict[str, dict[str, float]] = {}
    for rank, got in enumerate(answers):
        if isinstance(got, Failure):
            return f"replica {rank} fails: {got.type}: {got.message[:300]}"
        for shape in ROWS:
            for part, value in differences(got[shape], want[shape]).items():
                parts = found.setdefault(shape, {})
                parts[part] = max(parts.get(part, 0.0), value)
    return found


def main(page: str, *only: str) -> int:
    gangs = {size: Gang(size) for size in (0, *SIZES)}
    rows, wrong, begin = [], 0, time.monotonic()
    try:
        for item in [i for i in ITEMS if not only or any(o in i.case or o in i.name for o in only)]:
            at = time.monotonic()
            want = gangs[0].run(item.case, **item.options)[0][0]
            results = {}
            for size in SIZES:
                answers = gangs[size].run(item.case, **item.options)
                found = measure(item, want, [a[0] for a in answers])
                results[size] = found
                whole = bool(answers[0][1])
                bad = isinstance(found, str) or max(max(p.values()) for p in found.values()) > item.bar
                wrong += bad
                if bad or whole != item.whole:
                    print("BAD" if bad else "WHOLE?", item.name, size, found, answers[0][1], flush=True)
            print(f"{item.case} {item.name} {time.monotonic() - at:.1f}s", flush=True)
            rows.append((item, results))
    finally:
        for gang in gangs.values():
            gang.close()
    print(f"{len(rows)} items, {wrong} wrong, {time.monotonic() - begin:.0f} s")
    if page != "-":
        Path(page).write_text(write(rows))
    return wrong


def write(rows: list[Any]) -> str:
    raise NotImplementedError


if __name__ == "__main__":
    sys.exit(min(main(*sys.argv[1:]), 1))

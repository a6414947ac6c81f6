"""The rows of the fidelity matrix: what people do with TensorFlow and Keras."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.gang.compare import BAR


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
    error: str = ""
    """Part of the message of the error that all replicas must end with; ``why`` says of which kind."""


AS_HERE = "an error, as in one process"


def _items() -> list[Item]:
    items: list[Item] = []

    def add(group: str, module: str, *names: str, **options: Any) -> None:
        items.extend(Item(group, n.replace("_", " "), f"{module}:{n}", **options) for n in names)

    def refused(name: str, error: str, why: str, whole: bool = False) -> None:
        case = f"cases_refused:{name.replace(' ', '_')}"
        items.append(Item("Refused", name, case, why=why, error=error, whole=whole))

    add("Input", "cases_fit", "in_numpy", "in_pandas", "in_dataset", "in_unseeded_shuffle", "in_generator")
    add("Input", "cases_fit", "in_pydataset", "in_dicts")
    add("Input", "cases_fit", "in_ragged", whole=True)
    add("Options of fit", "cases_fit", "sample_weight", "class_weight", "validation_data", "validation_split")
    add(
        "Options of fit", "cases_fit", "epochs_and_steps", "steps_per_execution", "run_eagerly", "jit_compile"
    )
    add("Options of fit", "cases_fit", "on_batch")
    add("Losses", "cases_compile", "loss_sum", "loss_mean", "loss_mean_with_sample_weight", "loss_none")
    add("Losses", "cases_compile", "loss_across_rows", "regularisers", "activity_regulariser")
    add("Losses", "cases_compile", "add_loss_mean", "add_loss_sum")
    add("Losses", "cases_compile", "add_loss_maximum", whole=True)
    add("Metrics", "cases_compile", "metrics_many", "metric_own", "logs_by_batch")
    for name, options in OPTIMIZERS.items():
        items.append(Item("Optimizers", name, "cases_compile:optimizer", options))
    half = {"bar": 2e-3, "why": "float16 rounds differently for another number of rows"}
    for dynamic in (False, True):
        name = f"mixed_float16, {'dynamic' if dynamic else 'no'} loss scaling"
        items.append(Item("Optimizers", name, "cases_compile:mixed_precision", {"dynamic": dynamic}, **half))
    add("Callbacks", "cases_callbacks", "callbacks_decide", "callbacks_write", "tensorboard", "callback_own")
    items.append(
        Item(
            "Layers",
            "batch norm, Adam",
            "cases_layers:batch_norm",
            {"optimizer": "Adam"},
            bar=2e-3,
            why="Adam divides by the size of the gradient: rounding shows where gradients nearly vanish",
        )
    )
    add("Layers", "cases_layers", "batch_norm", "batch_norm_masked", "batch_norm_frozen", "norms", "noise")
    add("Layers", "cases_numbers", "spectral_layer", "wide_layers")
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
    add("Custom loops", "cases_loops", "noise")
    add("Custom loops", "cases_numbers", "complex_outputs")
    add(
        "Custom loops",
        "cases_loops",
        "loop_in_graph",
        "sparse_gradients",
        "own_accumulation",
        "tf_gradients",
        "noise",
    )
    add("Custom loops", "cases_loops", "raw", whole=True)
    add("Custom loops", "cases_vectorized", "hessians")
    add("Custom loops", "cases_vectorized", "by_example", whole=True)
    add("Layers", "cases_vectorized", "grouped_convolutions")
    add("Real models", "cases_models", "resnet", "transformer", "unet", "two_towers", "distillation")
    add("Real models", "cases_models", "own_steps", "built_by_data")
    add("Real models", "cases_generators", "gan", "vae", "vae_own_step", "wgan")
    refused("class and sample weights", "class_weight", why=AS_HERE)
    refused("rows do not match", "Data cardinality is ambiguous", why=AS_HERE)
    refused("unknown rows do not match", "Compute it whole: with kf.whole()", why="refused, with the way out")
    saved = "save of a step that trains"
    refused(saved, "without %%kf, after this one", why="refused, with the way out", whole=True)
    refused("derivative between outputs", "Compute the call whole", why="refused, with the way out")
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

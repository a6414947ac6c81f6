"""Keras objects: models, layers, optimizers, metrics, losses and the bookkeeping between them.

Every private name of Keras on which capture depends is in this file. Keras tracks its variables by ``id``;
those tables are made again after the contents are in place. Compiled functions are dropped and made again
by Keras when they are next needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf
from keras.src.backend.common import global_state
from keras.src.ops.function import Function, make_node_key
from keras.src.saving import object_registration
from keras.src.saving.keras_saveable import KerasSaveable
from keras.src.utils import tracking
from tensorflow.python.framework.ops import SymbolicTensor

from jupyter_kf.capture import objects, refusals
from jupyter_kf.capture.kind import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

# attributes of this process, and what they are where there is nothing yet
PROCESS_OWN: dict[str, Any] = {
    "train_function": None,
    "test_function": None,
    "predict_function": None,
    "_distribute_strategy": None,
    "_distribution_strategy": None,
    "_trainable_variables_indices": None,
    "_saved_model_inputs_spec": None,
    "_saved_model_arg_spec": None,
    "_tf_trackable": None,
}
# attributes that using a model sets, and nobody would call a change of it
USED = {"_called", "_jit_compile", "stop_training", "stop_evaluating", "stop_predicting"}
GLOBALS = (
    "object_name_uids",
    "global_seed_generator",
    "global_random_seed",
    "dtype_policy",
    "traceback_filtering",
    "interactive_logging",
)


def _process_own(obj: Any) -> set[str]:
    """What stays with the process.

    The nodes of a functional model are kept by the ids of its layers. Losses that were added while a step was
    traced are tensors of its graph; Keras forgets them at the next call.
    """
    own = set(PROCESS_OWN)
    if isinstance(obj, Function):
        own.add("_nodes")
    if isinstance(obj, keras.Layer) and any(isinstance(loss, SymbolicTensor) for loss in obj._losses):
        own.add("_losses")
    return own


def _anew(name: str) -> Any:
    """What stays with the process, where there is nothing yet."""
    return [] if name == "_losses" else PROCESS_OWN.get(name)


def saveable_contents(obj: Any) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    own = _process_own(obj)
    held = {name: value for name, value in obj.__dict__.items() if name not in own}
    absent = [name for name in own if name in obj.__dict__]
    return (*held, "jupyter_kf"), (*held.values(), tuple(absent))


def meant(obj: Any) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    """What a user would call a change of it: not a function that Keras made, nor TensorFlow's notes on it."""
    unimportant = _process_own(obj) | USED
    held = {n: v for n, v in obj.__dict__.items() if n not in unimportant and not n.startswith("_self_")}
    return tuple(held), tuple(held.values())


def fill_saveable(obj: Any, contents: tuple[tuple[str, ...], tuple[Any, ...]]) -> None:
    new = dict(zip(*contents, strict=True))
    own = new.pop("jupyter_kf")
    kept = {name: obj.__dict__.get(name, _anew(name)) for name in own}
    obj.__dict__.clear()
    obj.__dict__.update(new)
    obj.__dict__.update(kept)


def finish_saveable(obj: Any) -> None:
    """Drop compiled functions, make the tables by id again, take this process's strategy."""
    held = obj.__dict__
    for name in ("train_function", "test_function", "predict_function"):
        if name in held:
            held[name] = None
    if "_distribution_strategy" in held:
        held["_distribution_strategy"] = tf.distribute.get_strategy()
    if "_distribute_strategy" in held:
        held["_distribute_strategy"] = tf.distribute.get_strategy() if tf.distribute.has_strategy() else None
    if "_trainable_variables_indices" in held:
        variables = held.get("_trainable_variables", ())
        held["_trainable_variables_indices"] = {obj._var_key(v): place for place, v in enumerate(variables)}
    if isinstance(obj, Function):
        nodes = (node for depth in obj._nodes_by_depth.values() for node in depth)
        held["_nodes"] = {
            make_node_key(node.operation, node.operation._inbound_nodes.index(node)) for node in nodes
        }


def trained(objects: Iterable[Any]) -> list[Any]:
    """The trainable variables among `objects`, in them if they are layers, and the states of optimizers."""
    found: dict[int, Any] = {}
    for obj in objects:
        if isinstance(obj, tf.Variable) and obj.trainable:
            found[id(obj)] = obj
        elif isinstance(obj, keras.Layer):
            found.update((id(var.value), var.value) for var in obj.trainable_variables)
            obj = getattr(obj, "optimizer", None)
        if isinstance(obj, keras.optimizers.Optimizer):
            found.update((id(var.value), var.value) for var in obj.variables)
    return list(found.values())


def variable_contents(var: Any) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    return tuple(var.__dict__), tuple(var.__dict__.values())


def fill_variable(var: Any, contents: tuple[tuple[str, ...], tuple[Any, ...]]) -> None:
    var.__dict__.clear()
    var.__dict__.update(zip(*contents, strict=True))


def tracker_contents(tracker: Any) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    held = {name: value for name, value in tracker.__dict__.items() if name != "stored_ids"}
    return tuple(held), tuple(held.values())


def fill_tracker(tracker: Any, contents: tuple[tuple[str, ...], tuple[Any, ...]]) -> None:
    tracker.__dict__.clear()
    tracker.__dict__.update(zip(*contents, strict=True))


def finish_tracker(tracker: Any) -> None:
    tracker.stored_ids = {name: {id(v) for v in store} for name, (_, store) in tracker.config.items()}


# ---- containers that report to a tracker; filled without reporting


def tracked_contents(obj: Any) -> tuple[Any, ...]:
    tracker = obj.tracker
    if isinstance(obj, dict):
        return tracker, objects.dict_contents(obj)
    return tracker, tuple(obj)


def fill_tracked(obj: Any, contents: tuple[Any, ...]) -> None:
    obj.tracker, held = contents
    if isinstance(obj, dict):
        for key in list(dict.keys(obj)):
            dict.__delitem__(obj, key)
        for key, value in zip(*held, strict=True):
            dict.__setitem__(obj, key, value)
    elif isinstance(obj, list):
        objects.fill_list(obj, held)
    else:
        objects.fill_set(obj, held)


def make_tracked(obj: Any) -> tuple[Any, ...]:
    return new_tracked, (type(obj),)


def new_tracked(cls: Any) -> Any:
    obj = cls.__new__(cls)
    obj.tracker = None
    return obj


# ---- process-wide state


def ambient_state() -> dict[str, Any]:
    """Counters of automatic names, the global seed generator, the configuration, registered classes."""
    return {
        "globals": {name: global_state.get_global_attribute(name) for name in GLOBALS},
        "floatx": keras.config.floatx(),
        "epsilon": keras.config.epsilon(),
        "data_format": keras.config.image_data_format(),
        "registered": dict(object_registration.GLOBAL_CUSTOM_OBJECTS),
        "names": dict(object_registration.GLOBAL_CUSTOM_NAMES),
    }


def set_ambient_state(state: dict[str, Any]) -> None:
    for name, value in state["globals"].items():
        global_state.set_global_attribute(name, value)
    keras.config.set_floatx(state["floatx"])
    keras.config.set_epsilon(state["epsilon"])
    keras.config.set_image_data_format(state["data_format"])
    object_registration.GLOBAL_CUSTOM_OBJECTS.update(state["registered"])
    object_registration.GLOBAL_CUSTOM_NAMES.update(state["names"])


def make_saveable(obj: Any) -> tuple[Any, ...]:
    return objects.new, (type(obj),)


SAVEABLE = Kind(make_saveable, saveable_contents, fill_saveable, finish_saveable, meant=meant, deferred=True)
VARIABLE = Kind(make_saveable, variable_contents, fill_variable, deferred=True)
TRACKER = Kind(make_saveable, tracker_contents, fill_tracker, finish_tracker)
TRACKED = Kind(make_tracked, tracked_contents, fill_tracked)


def resolve(obj: Any) -> tuple[bool, Kind | None]:
    """(whether this module knows the type, its kind)."""
    if isinstance(obj, keras.Variable):
        return True, VARIABLE
    if isinstance(obj, KerasSaveable):
        if keras.backend.backend() != "tensorflow":
            raise refusals.Culprit(
                obj,
                f"Keras runs on {keras.backend.backend()} here, and jobs are TensorFlow jobs",
                "set KERAS_BACKEND=tensorflow before keras is imported",
            )
        return True, SAVEABLE
    if type(obj) is tracking.Tracker:
        return True, TRACKER
    if isinstance(
        obj, tracking.TrackedList | tracking.TrackedDict | tracking.TrackedOrderedDict | tracking.TrackedSet
    ):
        return True, TRACKED
    return False, None

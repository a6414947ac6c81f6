"""How TensorFlow works in a process: its seed, and the settings that change what an operation gives or says.

Loaded only when TensorFlow is. What only makes things faster is the replica's own affair and stays out.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow.python.data.ops import debug_mode
from tensorflow.python.debug.lib import check_numerics_callback
from tensorflow.python.eager import context
from tensorflow.python.framework import config, ops
from tensorflow.python.ops import stateful_random_ops
from tensorflow.python.ops.numpy_ops import np_dtypes, np_math_ops
from tensorflow.python.util import traceback_utils

_stand_in: int | None = None


def let_seed_stand_for_none() -> None:
    """The seed that all replicas have agreed on is none of the notebook's."""
    global _stand_in
    _stand_in = context.context()._seed


def snapshot() -> dict[str, Any]:
    """The state now: plain data, and the generator that the program shares."""
    here = context.context()
    optimizer = tf.config.optimizer.get_experimental_options()
    optimizer.pop("scoped_allocator_optimization", None)  # which collectives switch on
    seeded = here._seed is not None and here._seed != _stand_in
    return {
        "seed": here._seed if seeded else None,
        "rng": here._rng.getstate() if seeded else None,
        "generator": stateful_random_ops.global_generator,
        "eagerly": tf.config.functions_run_eagerly(),
        "optimizer": optimizer,
        "determinism": config.is_op_determinism_enabled(),
        "numpy": _numpy_behavior(),
        "check_numerics": _numerics_limits(),
        "debug_data": debug_mode.DEBUG_MODE,
        "whole_tracebacks": not traceback_utils.is_traceback_filtering_enabled(),
        "soft_placement": tf.config.get_soft_device_placement(),
    }


def restore(state: dict[str, Any]) -> None:
    """Set the state to what `snapshot` saw."""
    here = context.context()
    tf.config.run_functions_eagerly(state["eagerly"])
    tf.config.optimizer.set_experimental_options(state["optimizer"])
    if state["determinism"]:
        tf.config.experimental.enable_op_determinism()
    if state["seed"] is not None:
        tf.random.set_seed(state["seed"])
        here._rng.setstate(state["rng"])
    else:
        here._seed = _stand_in
    stateful_random_ops.global_generator = state["generator"]
    _behave_like_numpy(*state["numpy"])
    _check_numerics(state["check_numerics"])
    debug_mode.toggle_debug_mode(state["debug_data"])
    filtering = tf.debugging.disable_traceback_filtering, tf.debugging.enable_traceback_filtering
    filtering[not state["whole_tracebacks"]]()
    if tf.config.get_soft_device_placement() != state["soft_placement"]:
        tf.config.set_soft_device_placement(state["soft_placement"])


def _numpy_behavior() -> tuple[str, bool, bool, bool]:
    """How types are promoted, whether tensors have NumPy's ways, which floats are preferred and allowed."""
    mode = ops.promo_mode_enum_to_string(ops.get_dtype_conversion_mode())
    return mode, ops._numpy_style_slicing, np_dtypes.is_prefer_float32(), np_dtypes.is_allow_float64()


def _behave_like_numpy(mode: str, slicing: bool, prefer_float32: bool, allow_float64: bool) -> None:
    """The parts of ``experimental_enable_numpy_behavior``, which itself says a warning."""
    ops.set_dtype_conversion_mode(mode)
    np_dtypes.set_prefer_float32(prefer_float32)
    np_dtypes.set_allow_float64(allow_float64)
    if slicing and not ops._numpy_style_slicing:
        ops.enable_numpy_style_slicing()
        np_math_ops.enable_numpy_methods_on_tensor()


def _numerics_limits() -> tuple[int, int] | None:
    """The limits with which numbers are checked in this thread; None: they are not."""
    callback = getattr(check_numerics_callback._state, "check_numerics_callback", None)
    return (callback._stack_height_limit, callback._path_length_limit) if callback else None


def _check_numerics(limits: tuple[int, int] | None) -> None:
    if limits == _numerics_limits():
        return
    tf.debugging.disable_check_numerics()
    if limits:
        tf.debugging.enable_check_numerics(*limits)

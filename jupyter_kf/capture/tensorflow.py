"""TensorFlow's own objects: variables, tensors, functions, random generators.

Loaded only when TensorFlow is. A traced ``tf.function`` is made again from its Python function with all its
options; traces are of this process. Private names of TensorFlow are used here and in ``data.py`` only.
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy
import tensorflow as tf
from tensorflow.python.eager import context
from tensorflow.python.eager.polymorphic_function import polymorphic_function
from tensorflow.python.trackable import data_structures

from jupyter_kf.capture import arrays, keras
from jupyter_kf.capture.kind import Kind, no_fill, nothing
from jupyter_kf.capture.tensors import Buffer

_BEYOND = {tf.resource, tf.variant}


def raw(tensor: Any) -> memoryview:
    """The bytes of an eager tensor without a copy (``_numpy`` is ``numpy()`` less the copy)."""
    return arrays.raw(numpy.asarray(tensor._numpy()))


def packed(owner: Any, dtype: tf.DType, shape: tuple[int, ...], value: Any) -> tuple[Any, ...]:
    """``(source, dtype, shape)`` of a tensor's value; `value` gives the tensor."""
    if dtype == tf.string:
        return value().numpy(), None, shape
    size = int(numpy.prod(shape, dtype=numpy.int64)) * numpy.dtype(dtype.as_numpy_dtype).itemsize
    token = arrays.dtype_token(numpy.dtype(dtype.as_numpy_dtype))
    if size < arrays.INLINE:
        return bytes(raw(value())), token, shape
    return Buffer(owner, dtype.name, shape, size, lambda: raw(value())), token, shape


def unpacked(source: Any, dtype: Any, shape: tuple[int, ...]) -> Any:
    return source if dtype is None else arrays.view(source, dtype, shape, "C")


def build_tensor(packing: tuple[Any, ...], dtype: str) -> Any:
    tensor = tf.constant(unpacked(*packing), dtype=dtype)
    if isinstance(packing[0], arrays.Loaded):
        packing[0].bind(tensor)
    return tensor


def make_tensor(tensor: Any) -> tuple[Any, ...]:
    return build_tensor, (
        packed(tensor, tensor.dtype, tuple(tensor.shape), lambda: tensor),
        tensor.dtype.name,
    )


# ---- variables


def make_variable(var: Any) -> tuple[Any, ...]:
    options = {
        "trainable": var.trainable,
        "name": var.name.partition(":")[0],
        "dtype": var.dtype.name,
        "shape": var.shape.as_list() if var.shape.rank is not None else None,
        "synchronization": var.synchronization.name,
        "aggregation": var.aggregation.name,
    }
    return build_variable, (variable_contents(var), options)


def variable_contents(var: Any) -> tuple[Any, ...]:
    value = weakref.ref(var)
    shape = tuple(var.shape) if var.shape.is_fully_defined() else tuple(var.read_value().shape)
    return packed(var, var.dtype, shape, lambda: value().read_value())  # type: ignore[union-attr]


def build_variable(packing: tuple[Any, ...], options: dict[str, Any]) -> Any:
    options = dict(options)
    options["synchronization"] = tf.VariableSynchronization[options["synchronization"]]
    options["aggregation"] = tf.VariableAggregation[options["aggregation"]]
    options["shape"] = tf.TensorShape(options["shape"])
    with tf.init_scope():
        var = tf.Variable(unpacked(*packing), **options)
    if isinstance(packing[0], arrays.Loaded):
        packing[0].bind(var)
    return var


def fill_variable(var: Any, packing: tuple[Any, ...]) -> None:
    var.assign(unpacked(*packing))


# ---- functions


def make_function(function: Any) -> tuple[Any, ...]:
    # the signature is kept in the function's type; None if the user gave none
    options = {
        "input_signature": function.input_signature,
        "autograph": function._autograph,
        "jit_compile": function._jit_compile,
        "reduce_retracing": function._reduce_retracing,
        "experimental_autograph_options": function._experimental_autograph_options,
        "experimental_attributes": dict(function._attributes) or None,
    }
    return build_function, (function._python_function, function._name, options)


def build_function(python_function: Any, name: str, options: dict[str, Any]) -> Any:
    return polymorphic_function.Function(python_function, name, **options)


# ---- wrappers that TensorFlow puts around a module's lists and dictionaries


def wrapper_contents(wrapper: Any) -> tuple[Any, ...]:
    names = sorted(name for name in object.__getattribute__(wrapper, "__dict__") if "snapshot" not in name)
    held = object.__getattribute__(wrapper, "__dict__")
    return tuple(names), tuple(held[name] for name in names)


def make_list_wrapper(wrapper: Any) -> tuple[Any, ...]:
    return list.__new__, (type(wrapper),)


def fill_list_wrapper(wrapper: Any, contents: tuple[Any, ...]) -> None:
    wrapper.__dict__.clear()
    wrapper.__dict__.update(zip(*contents, strict=True))


def finish_list_wrapper(wrapper: Any) -> None:
    wrapper._last_wrapped_list_snapshot = list(wrapper._storage)


def make_dict_wrapper(wrapper: Any) -> tuple[Any, ...]:
    return data_structures._DictWrapper, (wrapper.__wrapped__,)


def fill_dict_wrapper(wrapper: Any, contents: tuple[Any, ...]) -> None:
    for name, value in zip(*contents, strict=True):
        setattr(wrapper, name, value)


def finish_dict_wrapper(wrapper: Any) -> None:
    wrapper._update_snapshot()


# ---- process-wide state


def ambient_state() -> dict[str, Any]:
    """The global seed, and where TensorFlow stands in the operation seeds it draws from it."""
    here = context.context()
    rng = getattr(here, "_rng", None)
    return {"seed": here._seed, "rng": rng.getstate() if rng is not None else None}


def set_ambient_state(state: dict[str, Any]) -> None:
    here = context.context()
    if state["seed"] != here._seed or state["seed"] is not None:
        tf.random.set_seed(state["seed"]) if state["seed"] is not None else setattr(here, "_seed", None)
    if state["rng"] is not None:
        here._rng.setstate(state["rng"])


VARIABLE = Kind(make_variable, variable_contents, fill_variable, made_full=True)
TENSOR = Kind(make_tensor, nothing, no_fill, made_full=True)
FUNCTION = Kind(make_function, nothing, no_fill, made_full=True)
LIST_WRAPPER = Kind(make_list_wrapper, wrapper_contents, fill_list_wrapper, finish_list_wrapper)
DICT_WRAPPER = Kind(make_dict_wrapper, nothing, no_fill, finish_dict_wrapper, made_full=True)


def resolve(obj: Any) -> tuple[bool, Kind | None]:
    """(whether this module knows the type, its kind)."""
    if isinstance(obj, data_structures._DictWrapper):
        return True, DICT_WRAPPER
    if isinstance(obj, data_structures.ListWrapper):
        return True, LIST_WRAPPER
    if isinstance(obj, tf.Variable):
        return True, VARIABLE
    if isinstance(obj, tf.Tensor) and hasattr(obj, "_numpy"):
        return True, TENSOR
    if isinstance(obj, polymorphic_function.Function):
        return True, FUNCTION
    if isinstance(obj, tf.DType | tf.TensorShape):
        return True, None
    if isinstance(obj, tf.distribute.Strategy):
        return True, STRATEGY
    if isinstance(obj, tf.data.Dataset):
        from jupyter_kf.capture import data

        return True, data.DATASET
    return keras.resolve(obj)


def make_strategy(strategy: Any) -> tuple[Any, ...]:
    return tf.distribute.get_strategy, ()


STRATEGY = Kind(make_strategy, nothing, no_fill, made_full=True)

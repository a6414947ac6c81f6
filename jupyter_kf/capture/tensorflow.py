"""TensorFlow's own objects: variables, tensors, functions, and the wrappers around a module's containers.

Loaded only when TensorFlow is. A traced ``tf.function`` is made again from its Python function with all its
options; traces are of this process. Private names of TensorFlow are used here, in ``resources.py``,
``data.py``, ``held.py`` and ``runtime.py`` only.
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy
import tensorflow as tf
from tensorflow.python.eager.polymorphic_function import polymorphic_function
from tensorflow.python.ops import resource_variable_ops
from tensorflow.python.trackable import data_structures

from jupyter_kf.capture import arrays, keras, refusals, resources
from jupyter_kf.capture.kind import Kind, no_fill, nothing
from jupyter_kf.capture.tensors import Memory, Part


def raw(tensor: Any) -> memoryview:
    """The bytes of an eager tensor without a copy (``_numpy`` is ``numpy()`` less the copy)."""
    array = numpy.asarray(tensor._numpy())
    return array.reshape(-1).view("u1").data if array.size else memoryview(b"")


def packed(
    owner: Any, dtype: tf.DType, shape: tuple[int, ...], value: Any, anew: bool = False
) -> tuple[Any, ...]:
    """``(source, dtype, shape)`` of a tensor's value; `value` gives the tensor."""
    if dtype == tf.string:
        return value().numpy(), None, shape
    if dtype in (tf.resource, tf.variant):
        raise refusals.Culprit(
            owner, "it stands for something inside TensorFlow's runtime", "make it inside the cell"
        )
    numpy_dtype = numpy.dtype(dtype.as_numpy_dtype)
    size = int(numpy.prod(shape, dtype=numpy.int64)) * numpy_dtype.itemsize
    memory = Memory(owner, lambda lo, hi: raw(value())[lo:hi])
    return Part(owner, memory, 0, size, dtype.name, shape, anew), arrays.dtype_token(numpy_dtype), shape


def unpacked(source: Any, dtype: Any, shape: tuple[int, ...]) -> Any:
    """What `packed` packed: a string array, or a view of the file."""
    if dtype is None:
        return source
    return source.read_only(0)[0].view(numpy.dtype(dtype)).reshape(shape)


def bind(source: Any, obj: Any) -> Any:
    if isinstance(source, arrays.Loaded):
        source.bind(obj, 0)
    return obj


def build_tensor(packing: tuple[Any, ...], dtype: str) -> Any:
    return bind(packing[0], tf.constant(unpacked(*packing), dtype=dtype))


def make_tensor(tensor: Any) -> tuple[Any, ...]:
    packing = packed(tensor, tensor.dtype, tuple(tensor.shape), lambda: tensor)
    return build_tensor, (packing, tensor.dtype.name)


# ---- variables


_LATE = (polymorphic_function.UnliftedInitializerVariable, resource_variable_ops.UninitializedVariable)


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
    if _never_set(var):
        return None, None, ()
    target = weakref.ref(var)
    shape = tuple(var.shape) if var.shape.is_fully_defined() else tuple(var.read_value().shape)
    return packed(var, var.dtype, shape, lambda: _read(target()), anew=True)


def _never_set(var: Any) -> bool:
    """Whether it was made while a function was traced that then failed, and so has no value."""
    return isinstance(var, _LATE) and not var.is_initialized()


def _read(var: Any) -> Any:
    return var.read_value()


def build_variable(packing: tuple[Any, ...], options: dict[str, Any]) -> Any:
    options = dict(options)
    options["synchronization"] = tf.VariableSynchronization[options["synchronization"]]
    options["aggregation"] = tf.VariableAggregation[options["aggregation"]]
    options["shape"] = tf.TensorShape(options["shape"])
    with tf.init_scope():
        if packing[0] is None:
            return resource_variable_ops.UninitializedVariable(**options)
        return bind(packing[0], tf.Variable(unpacked(*packing), **options))


def fill_variable(var: Any, packing: tuple[Any, ...]) -> None:
    if packing[0] is not None:
        var.assign(unpacked(*packing))


# ---- functions


def make_function(traced: Any) -> tuple[Any, ...]:
    # the signature is kept in the function's type; None if the user gave none
    options = {
        "input_signature": traced.input_signature,
        "autograph": traced._autograph,
        "jit_compile": traced._jit_compile,
        "reduce_retracing": traced._reduce_retracing,
        "experimental_autograph_options": traced._experimental_autograph_options,
        "experimental_attributes": dict(traced._attributes) or None,
    }
    return build_function, (traced._python_function, traced._name, options)


def build_function(python_function: Any, name: str, options: dict[str, Any]) -> Any:
    return polymorphic_function.Function(python_function, name, **options)


# ---- wrappers that TensorFlow puts around a module's lists and dictionaries


def wrapper_contents(wrapper: Any) -> tuple[Any, ...]:
    held = object.__getattribute__(wrapper, "__dict__")
    names = sorted(name for name in held if "snapshot" not in name)
    return tuple(names), tuple(held[name] for name in names)


def make_list_wrapper(wrapper: Any) -> tuple[Any, ...]:
    return list.__new__, (type(wrapper),)


def fill_list_wrapper(wrapper: Any, contents: tuple[Any, ...]) -> None:
    wrapper.__dict__.clear()
    wrapper.__dict__.update(zip(*contents, strict=True))


def finish_list_wrapper(wrapper: Any) -> None:
    wrapper._last_wrapped_list_snapshot = list(wrapper._storage)


def make_dict_wrapper(_: Any) -> tuple[Any, ...]:
    return data_structures._DictWrapper, ()  # with values in it, it would track what is not yet filled


def dict_wrapper_contents(wrapper: Any) -> tuple[Any, ...]:
    return wrapper.__wrapped__, wrapper_contents(wrapper)


def fill_dict_wrapper(wrapper: Any, contents: tuple[Any, ...]) -> None:
    wrapper.__wrapped__, held = contents
    object.__getattribute__(wrapper, "__dict__").update(zip(*held, strict=True))


def finish_dict_wrapper(wrapper: Any) -> None:
    wrapper._update_snapshot()


def make_strategy(_: Any) -> tuple[Any, ...]:
    return tf.distribute.get_strategy, ()


VARIABLE = Kind(make_variable, variable_contents, fill_variable, made_full=True)
TENSOR = Kind(make_tensor, nothing, no_fill, made_full=True)
FUNCTION = Kind(make_function, nothing, no_fill, made_full=True)
LIST_WRAPPER = Kind(make_list_wrapper, wrapper_contents, fill_list_wrapper, finish_list_wrapper)
DICT_WRAPPER = Kind(make_dict_wrapper, dict_wrapper_contents, fill_dict_wrapper, finish_dict_wrapper)
STRATEGY = Kind(make_strategy, nothing, no_fill, made_full=True)


def resolve(obj: Any) -> tuple[bool, Kind | None]:
    """(whether this module knows the type, its kind)."""
    if isinstance(obj, tf.DType | tf.TensorShape):
        return True, None
    if isinstance(obj, tf.Tensor) and hasattr(obj, "_numpy"):
        return True, TENSOR
    families = (
        (data_structures._DictWrapper, DICT_WRAPPER),
        (data_structures.ListWrapper, LIST_WRAPPER),
        (tf.Variable, VARIABLE),
        (polymorphic_function.Function, FUNCTION),
        (tf.distribute.Strategy, STRATEGY),
    )
    for family, kind in families:
        if isinstance(obj, family):
            return True, kind
    found = resources.resolve(obj)
    return found if found[0] else keras.resolve(obj)

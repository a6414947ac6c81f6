"""NumPy arrays: their bytes travel beside the pickle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy

from jupyter_kf.capture import kinds
from jupyter_kf.capture.kind import Kind
from jupyter_kf.capture.tensors import Buffer

INLINE = 2048  # bytes; smaller arrays travel in the pickle
Array = numpy.ndarray[Any, Any]


@dataclass(frozen=True)
class Loaded:
    """A buffer that arrived: its number and its bytes (a read-only view of the file)."""

    key: int
    view: memoryview
    keys: dict[int, int]

    def bind(self, obj: Any) -> None:
        """Remember which object was made from this buffer."""
        self.keys[id(obj)] = self.key


def dtype_token(dtype: numpy.dtype[Any]) -> Any:
    """What `numpy.dtype` makes the same dtype of, by name or by scalar type (bfloat16, float8, int4...)."""
    return dtype.type if dtype.type.__module__.startswith("ml_dtypes") else dtype


def raw(array: Array) -> memoryview:
    """The bytes of an array in its own order, without a copy if it is contiguous."""
    flat = array.reshape(-1, order="A") if array.flags.forc else numpy.ascontiguousarray(array).reshape(-1)
    return flat.view("u1").data if flat.size else memoryview(b"")


def order(array: Array) -> str:
    return "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"


def packed(array: Array) -> Any:
    if array.nbytes < INLINE:
        return bytes(raw(array))
    return Buffer(array, array.dtype.name, array.shape, array.nbytes, lambda: raw(array))


def make(array: Array) -> tuple[Any, ...]:
    return build, (packed(array), dtype_token(array.dtype), array.shape, order(array), array.flags.writeable)


def view(source: Any, dtype: Any, shape: tuple[int, ...], order: Any) -> Array:
    """An array over bytes that arrived, without a copy."""
    data = source.view if isinstance(source, Loaded) else source
    flat = numpy.frombuffer(data, "u1") if len(data) else numpy.empty(0, "u1")
    array: Array = flat.view(numpy.dtype(dtype)).reshape(shape, order=order)
    return array


def build(source: Any, dtype: Any, shape: tuple[int, ...], order: Any, writeable: bool) -> Array:
    array = numpy.empty(shape, dtype, order=order)
    if array.size:
        array[...] = view(source, dtype, shape, order)
    array.flags.writeable = writeable
    if isinstance(source, Loaded):
        source.bind(array)
    return array


def contents(array: Array) -> tuple[Any, ...]:
    return packed(array), dtype_token(array.dtype), array.shape, order(array)


def fill(array: Array, state: tuple[Any, ...]) -> None:
    new = view(*state)
    if new.shape != array.shape:
        array.resize(new.shape, refcheck=False)
    writeable = array.flags.writeable
    array.flags.writeable = True
    array[...] = new
    array.flags.writeable = writeable


ARRAY = Kind(make, contents, fill, made_full=True)


def resolve(obj: Any) -> tuple[bool, Kind | None]:
    """(whether this module knows the type, its kind)."""
    if isinstance(obj, numpy.generic | numpy.dtype | numpy.ufunc):
        return True, None
    if type(obj) is numpy.ndarray and not obj.dtype.hasobject and obj.dtype.kind != "T":
        return True, ARRAY
    return False, None


kinds.uncached.add(numpy.ndarray)

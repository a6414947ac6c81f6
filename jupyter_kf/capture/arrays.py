"""NumPy arrays: their bytes travel beside the pickle, and arrays that share memory go on sharing it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy

from jupyter_kf.capture import kinds
from jupyter_kf.capture.kind import Kind
from jupyter_kf.capture.tensors import Memory, Part, TensorReader

if TYPE_CHECKING:
    from collections.abc import Mapping

Array = numpy.ndarray[Any, Any]
_bounds = numpy.lib.array_utils.byte_bounds


@dataclass
class Loaded:
    """A memory that arrived: made once for all the objects that share it."""

    number: int
    reader: TensorReader
    _made: dict[int, Array] = field(default_factory=dict)

    def read_only(self, lo: int) -> tuple[Array, int, bool]:
        """The stretch that holds the byte `lo`, where it starts, and whether it is of one object alone."""
        span = self.reader.span(self.number, lo)
        data = self.reader.bytes(span) if span.hi > span.lo else b""
        return numpy.frombuffer(data, "u1"), span.lo, span.sole

    def memory(self, lo: int) -> tuple[Array, int]:
        """The same stretch in memory of this process, shared by all who ask for it."""
        data, start, _ = self.read_only(lo)
        if start not in self._made:
            self._made[start] = data.copy()
        return self._made[start], start

    def bind(self, obj: Any, lo: int) -> None:
        """Remember which object was made from this memory."""
        self.reader.places[id(obj)] = (self.number, lo)


@dataclass(frozen=True)
class Alias:
    """Memory of a live array of this side: its bytes start `shift` before those that are meant."""

    array: Array
    shift: int

    @property
    def __array_interface__(self) -> dict[str, Any]:
        address = self.array.ctypes.data + self.shift
        return {"data": (address, False), "shape": (1,), "typestr": "|u1", "version": 3}


def dtype_token(dtype: numpy.dtype[Any]) -> Any:
    """What `numpy.dtype` makes the same dtype of, by name or by scalar type (bfloat16, float8, int4...)."""
    return dtype.type if dtype.type.__module__.startswith("ml_dtypes") else dtype


def root(array: Array) -> Array:
    """The array whose memory it is."""
    while isinstance(array.base, numpy.ndarray):
        array = array.base
    return array


def part(array: Array, anew: bool = False) -> Part:
    """Where the bytes of an array are."""
    whole = root(array)
    base, _end = _bounds(whole)
    low, high = _bounds(array) if array.size else (base, base)
    memory = Memory(whole, lambda lo, hi: _window(whole, base + lo, hi - lo))
    shape = array.shape if array.flags.c_contiguous else None
    if array.flags.f_contiguous and shape is None:
        shape = (array.size,)
    return Part(array, memory, low - base, high - base, array.dtype.name, shape, anew)


def _window(whole: Array, address: int, size: int) -> memoryview:
    """Bytes of this process, which belong to `whole`."""
    if not size:
        return memoryview(b"")
    first = numpy.asarray(Alias(whole, address - whole.ctypes.data))
    return numpy.lib.stride_tricks.as_strided(first, (size,), (1,)).data


def described(array: Array, anew: bool) -> tuple[Any, ...]:
    """What an array is made of: memory, place in it, dtype, shape, strides."""
    where = part(array, anew)
    start = array.ctypes.data - (_bounds(root(array))[0]) if array.size else 0
    return where, where.lo, start, dtype_token(array.dtype), array.shape, array.strides


def make(array: Array) -> tuple[Any, ...]:
    return build, (*described(array, False), array.flags.writeable)


def build(
    source: Any, lo: int, start: int, dtype: Any, shape: Any, strides: Any, writeable: bool
) -> Array:  # the place of an array in memory needs them all
    if isinstance(source, Alias):
        return _over(source, start - lo, dtype, shape, strides)
    data, first, sole = source.read_only(lo)
    if sole:
        array = _layout(data, start - first, dtype, shape, strides).copy(order="K")
    else:
        memory, first = source.memory(lo)
        array = _layout(memory, start - first, dtype, shape, strides)
    array.flags.writeable = writeable
    source.bind(array, lo)
    return array


def _layout(data: Array, offset: int, dtype: Any, shape: Any, strides: Any) -> Array:
    if 0 in shape:
        return numpy.empty(shape, dtype)
    return numpy.ndarray(shape, numpy.dtype(dtype), data, offset, strides)


def _over(alias: Alias, start: int, dtype: Any, shape: Any, strides: Any) -> Array:
    """A view of a live array's memory."""
    here = Alias(alias.array, alias.shift + start)
    one = numpy.asarray(here)
    item = numpy.lib.stride_tricks.as_strided(one, (numpy.dtype(dtype).itemsize,), (1,))
    return numpy.lib.stride_tricks.as_strided(item.view(dtype), shape, strides)


class Shared:
    """The memory of arrays that the other side has, to recognise new views of it."""

    def __init__(self, known: Mapping[int, Any]) -> None:
        self._places: dict[int, list[tuple[int, int, int, int]]] = {}
        for number, array in known.items():
            if type(array) is numpy.ndarray:
                where, _, start, *_ = described(array, False)
                self._places.setdefault(id(where.memory.owner), []).append(
                    (where.lo, where.hi, start, number)
                )

    def find(self, where: Part) -> tuple[int, int] | None:
        """The number of a known array that covers the part, and how far from its start the part begins."""
        for lo, hi, start, number in self._places.get(id(where.memory.owner), ()):
            if lo <= where.lo and where.hi <= hi:
                return number, where.lo - start
        return None


def contents(array: Array) -> tuple[Any, ...]:
    return described(array, True)


def fill(array: Array, state: tuple[Any, ...]) -> None:
    source, lo, start, dtype, shape, strides = state
    data, first, _ = source.read_only(lo)
    new = _layout(data, start - first, dtype, shape, strides)
    if new.shape != array.shape:
        array.resize(new.shape, refcheck=False)
    writeable = array.flags.writeable
    array.flags.writeable = True
    array[...] = new
    array.flags.writeable = writeable


ARRAY = Kind(make, contents, fill, made_full=True)
kinds.uncached.add(numpy.ndarray)


def resolve(obj: Any) -> tuple[bool, Kind | None]:
    """(whether this module knows the type, its kind)."""
    if isinstance(obj, numpy.generic | numpy.dtype | numpy.ufunc):
        return True, None
    if type(obj) is numpy.ndarray and not obj.dtype.hasobject and obj.dtype.kind != "T":
        return True, ARRAY
    return False, None

"""Big buffers beside the pickle, in one safetensors file.

Written straight from the memory of the objects and read through a map of the file, so that there is never a
second copy of all the weights. The format is that of https://github.com/huggingface/safetensors: the length
of the header in 8 bytes, the header in JSON, the bytes. Any tool that reads safetensors can open the file.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_NAMES = {
    "bool": "BOOL", "uint8": "U8", "int8": "I8", "uint16": "U16", "int16": "I16", "uint32": "U32",
    "int32": "I32", "uint64": "U64", "int64": "I64", "float16": "F16", "bfloat16": "BF16", "float32": "F32",
    "float64": "F64", "float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2", "complex64": "C64",
}  # fmt: skip


@dataclass(eq=False)
class Buffer:
    """A buffer to be written: ``view()`` gives its bytes without a copy, when it is its turn."""

    owner: Any
    dtype: str
    shape: tuple[int, ...]
    nbytes: int
    view: Callable[[], memoryview]


class Stored(Protocol):
    """Buffers as they were at some moment, to compare with."""

    def same(self, key: int, now: memoryview) -> bool: ...


@dataclass
class TensorWriter:
    """Collects buffers, each owner once, and writes them in one go."""

    buffers: list[Buffer] = field(default_factory=list)
    keys: dict[int, int] = field(default_factory=dict)
    digests: list[bytes] = field(default_factory=list)

    def add(self, buffer: Buffer) -> int:
        """The number of the buffer; the number it already has, if its owner was added before."""
        key = self.keys.get(id(buffer.owner))
        if key is None:
            key = self.keys[id(buffer.owner)] = len(self.buffers)
            self.buffers.append(buffer)
        return key

    def header(self) -> bytes:
        entries, offset = {}, 0
        for key, buffer in enumerate(self.buffers):
            dtype, shape = _NAMES.get(buffer.dtype), list(buffer.shape)
            if dtype is None:
                dtype, shape = "U8", [buffer.nbytes]
            entries[str(key)] = {
                "dtype": dtype,
                "shape": shape,
                "data_offsets": [offset, offset + buffer.nbytes],
            }
            offset += buffer.nbytes
        text = json.dumps(entries, separators=(",", ":")).encode()
        return text + b" " * (-len(text) % 8)

    def write(self, path: Path) -> str:
        """Write all, keep the digest of each buffer, return the sha256 of the file."""
        header = self.header()
        total = hashlib.sha256(struct.pack("<Q", len(header)) + header)
        with path.open("wb", buffering=0) as file:
            file.write(struct.pack("<Q", len(header)) + header)
            for buffer in self.buffers:
                view = buffer.view()
                _write_all(file, view)
                self.digests.append(hashlib.sha256(view).digest())
                total.update(self.digests[-1])
        return total.hexdigest()

    def same(self, key: int, now: memoryview) -> bool:
        return hashlib.sha256(now).digest() == self.digests[key]


def _write_all(file: Any, view: memoryview) -> None:
    while len(view):
        view = view[file.write(view) :]


class TensorReader:
    """The buffers of a file, as read-only views."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            self.header = file.read(length)
            self._start = 8 + length
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        entries = json.loads(self.header)
        self._spans = [tuple(entries[str(key)]["data_offsets"]) for key in range(len(entries))]

    def view(self, key: int) -> memoryview:
        start, end = self._spans[key]
        return memoryview(self._map)[self._start + start : self._start + end]

    def digest(self) -> str:
        """The sha256 that `TensorWriter.write` returned, if the file is as it was."""
        total = hashlib.sha256(struct.pack("<Q", len(self.header)) + self.header)
        for key in range(len(self._spans)):
            total.update(hashlib.sha256(self.view(key)).digest())
        return total.hexdigest()

    def same(self, key: int, now: memoryview) -> bool:
        import numpy

        return numpy.array_equal(numpy.frombuffer(self.view(key), "u1"), numpy.frombuffer(now, "u1"))

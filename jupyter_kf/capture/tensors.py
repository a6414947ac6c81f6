"""Memory beside the pickle: the bytes of arrays, tensors and variables, in one safetensors file.

Objects that share memory share it on the other side too, so what travels is not arrays but the stretches of
memory that they cover. Written straight from the memory of the objects and read through a map of the file:
there is never a second copy of all the weights. The format is that of
https://github.com/huggingface/safetensors (length of the header, header in JSON, bytes), so other tools can
open the file; which stretch belongs where is in its metadata.
"""

from __future__ import annotations

import concurrent.futures
import hashlib
import json
import mmap
import os
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

SMALL = 4096  # bytes; smaller stretches travel together as one tensor
TYPE_NAMES = {
    "bool": "BOOL", "uint8": "U8", "int8": "I8", "uint16": "U16", "int16": "I16", "uint32": "U32",
    "int32": "I32", "uint64": "U64", "int64": "I64", "float16": "F16", "bfloat16": "BF16", "float32": "F32",
    "float64": "F64", "float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2", "complex64": "C64",
}  # fmt: skip


@dataclass(eq=False)
class Memory:
    """Memory that belongs to `owner`; ``view(lo, hi)`` gives a stretch of it without a copy."""

    owner: Any
    view: Callable[[int, int], memoryview]


@dataclass(eq=False)
class Part:
    """The bytes `lo` to `hi` of a memory, which `obj` covers.

    The shape is None if there are gaps, or if the elements are not in the order of rows.
    ``anew``: they are written even if the other side has them.
    """

    obj: Any
    memory: Memory
    lo: int
    hi: int
    dtype: str
    shape: tuple[int, ...] | None
    anew: bool = False


class Span(NamedTuple):
    """A stretch of a memory: where it is in the file, and whether a single object covers it."""

    memory: int
    lo: int
    hi: int
    start: int
    sole: bool


class Stored(Protocol):
    """Memory as it was at some moment, to compare with."""

    def same(self, obj: Any, now: Part) -> bool: ...


@dataclass
class TensorWriter:
    """Collects memories, each owner once, and writes what was mentioned of them in one go."""

    memories: list[Memory] = field(default_factory=list)
    parts: list[list[Part]] = field(default_factory=list)
    numbers: dict[int, int] = field(default_factory=dict)
    spans: list[Span] = field(default_factory=list)
    _stored: dict[tuple[int, int], tuple[Span, bytes]] = field(default_factory=dict)

    def mention(self, part: Part) -> int:
        """The number of the memory of a part."""
        number = self.numbers.get(id(part.memory.owner))
        if number is None:
            number = self.numbers[id(part.memory.owner)] = len(self.memories)
            self.memories.append(part.memory)
            self.parts.append([])
        self.parts[number].append(part)
        return number

    def write(self, path: Path) -> str:
        """Write all, keep the digest of each stretch, return the digest of the file.

        Digests are made by other threads, while the bytes are still in the processor's cache.
        """
        self.spans = list(_placed(_stretches(self.parts)))
        head = self._header()
        with path.open("wb", buffering=0) as file, concurrent.futures.ThreadPoolExecutor(_threads()) as pool:
            _write_all(file, memoryview(head))
            pending = []
            for span in self.spans:
                view = self.memories[span.memory].view(span.lo, span.hi)
                pending.append(pool.submit(_digest, view))
                _write_all(file, view)
            for span, digest in zip(self.spans, pending, strict=True):
                self._stored[span.memory, span.lo] = (span, digest.result())
        return _total(head, (digest.result() for digest in pending))

    def _header(self) -> bytes:
        entries: dict[str, Any] = {"__metadata__": {"spans": json.dumps(self.spans, separators=(",", ":"))}}
        end = 0
        for place, span in enumerate(self.spans):
            end = span.start + span.hi - span.lo
            first = next(part for part in self.parts[span.memory] if part.lo == span.lo < part.hi)
            dtype, shape = TYPE_NAMES.get(first.dtype, "U8"), first.shape
            if not span.sole or shape is None or first.dtype not in TYPE_NAMES:
                dtype, shape = "U8", (end - span.start,)
            if span.hi - span.lo >= SMALL:
                entries[str(place)] = {"dtype": dtype, "shape": shape, "data_offsets": [span.start, end]}
        small = sum(span.hi - span.lo for span in self.spans if span.hi - span.lo < SMALL)
        entries["small"] = {"dtype": "U8", "shape": [small], "data_offsets": [end - small, end]}
        text = json.dumps(entries, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        return struct.pack("<Q", len(text)) + text

    def same(self, obj: Any, now: Part) -> bool:
        number = self.numbers.get(id(now.memory.owner))
        if number is None:
            return False
        found = [kept for (memory, _), kept in self._stored.items() if memory == number]
        for span, digest in found:
            if span.lo <= now.lo and now.hi <= span.hi:
                return _digest(now.memory.view(span.lo, span.hi)) == digest
        return now.lo == now.hi


def _stretches(parts: list[list[Part]]) -> Iterator[Span]:
    """The stretches of each memory that are covered without a gap."""
    for number, mentioned in enumerate(parts):
        merged: list[list[Any]] = []
        for part in sorted(mentioned, key=lambda part: part.lo):
            if merged and part.lo < merged[-1][1]:
                merged[-1] = [merged[-1][0], max(merged[-1][1], part.hi), False]
            elif part.lo < part.hi:
                merged.append([part.lo, part.hi, part.shape is not None])
        yield from (Span(number, lo, hi, 0, sole) for lo, hi, sole in merged)


def _placed(spans: Iterable[Span]) -> Iterator[Span]:
    """Give each stretch its place in the file: the big ones first, then the small ones together."""
    start = 0
    for span in sorted(spans, key=lambda span: span.hi - span.lo < SMALL):
        yield span._replace(start=start)
        start += span.hi - span.lo


class TensorReader:
    """The memories of a file. What is made from them is made by `Loaded.memory`."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            self._head = struct.pack("<Q", length) + file.read(length)
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        table = json.loads(json.loads(self._head[8:])["__metadata__"]["spans"])
        self._spans: dict[int, list[Span]] = {}
        for row in table:
            self._spans.setdefault(row[0], []).append(Span(*row))
        self._order = [Span(*row) for row in table]
        self.places: dict[int, tuple[int, int]] = {}

    def bytes(self, span: Span) -> memoryview:
        start = len(self._head) + span.start
        return memoryview(self._map)[start : start + span.hi - span.lo]

    def span(self, memory: int, lo: int) -> Span:
        """The stretch of a memory that holds the byte `lo`; an empty one for an object without bytes."""
        spans = self._spans.get(memory, [])
        return next((s for s in spans if s.lo <= lo < s.hi), Span(memory, lo, lo, 0, True))

    def digest(self) -> str:
        """What `TensorWriter.write` returned, if the file is as it was."""
        with concurrent.futures.ThreadPoolExecutor(_threads()) as pool:
            return _total(self._head, pool.map(_digest, map(self.bytes, self._order)))

    def same(self, obj: Any, now: Part) -> bool:
        import numpy

        if id(obj) not in self.places:
            return False
        number, lo = self.places[id(obj)]
        span = self.span(number, lo)
        then = self.bytes(span)[lo - span.lo : lo - span.lo + now.hi - now.lo]
        view = now.memory.view(now.lo, now.hi)
        return numpy.array_equal(numpy.frombuffer(then, "u1"), numpy.frombuffer(view, "u1"))


def _threads() -> int:
    return min(4, os.cpu_count() or 1)


def _digest(view: memoryview) -> bytes:
    return hashlib.sha256(view).digest()


def _total(head: bytes, digests: Iterable[bytes]) -> str:
    total = hashlib.sha256(head)
    for digest in digests:
        total.update(digest)
    return total.hexdigest()


def _write_all(file: Any, view: memoryview) -> None:
    while len(view):
        view = view[file.write(view[: 1 << 30]) :]

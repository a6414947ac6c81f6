"""Elements of a pipeline in which chance has a part: all replicas take those of the first.

Random operations without a seed, functions called side by side and Python functions give each process
something else. Every replica runs such a pipeline, and before an element is used, the replicas compare it.
Where all have the same, it is used as it is, else that of rank 0 is sent to the others; the end comes where
it comes for rank 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tensorflow as tf
from tensorflow.python.data.ops import iterator_ops, optional_ops
from tensorflow.python.data.util import structure

from .. import chance
from . import collective

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PLAIN = {1: tf.uint8, 2: tf.uint16, 4: tf.int32, 8: tf.int64}
"""Types of as many bytes that can be cast to bits."""


class SharedIterator(iterator_ops.OwnedIterator):  # type: ignore[misc]
    """An iterator whose elements are those of rank 0."""

    @property
    def _type_spec(self) -> Any:
        return SharedSpec(self.element_spec)

    def get_next_as_optional(self) -> Any:
        """The next element, or none; all replicas must ask for it."""
        shared = _shared if tf.executing_eagerly() else _share
        return optional_ops._OptionalImpl(shared(self), self.element_spec)

    def own(self) -> Any:
        """What this process's pipeline gives next."""
        return super().get_next_as_optional()

    def _next_internal(self) -> Any:
        following = self.get_next_as_optional()
        there = following.has_value()
        if tf.executing_eagerly():
            if not there:
                raise tf.errors.OutOfRangeError(None, None, "End of sequence")
            return following.get_value()
        with tf.control_dependencies([tf.cond(there, lambda: tf.constant(0, tf.int64), _end)]):
            return following.get_value()


class SharedSpec(iterator_ops.IteratorSpec):  # type: ignore[misc]
    """What such an iterator is where a function takes it."""

    @property
    def value_type(self) -> type:
        return SharedIterator

    def _from_components(self, components: Any) -> SharedIterator:
        return SharedIterator(components=components, element_spec=self._element_spec)


def hook(original: Callable[..., Any]) -> Callable[..., Any]:
    """``Dataset.__iter__``."""

    def iterate(self: Any) -> Any:
        if tf.executing_eagerly() and not collective.alone() and by_chance(self):
            return SharedIterator(self)
        return original(self)

    return iterate


def by_chance(dataset: Any) -> bool:
    """Whether chance has a part in what ``dataset`` gives; found once for each."""
    known = vars(dataset).get(chance.NOTE)
    if known is None:
        known = _found(dataset)
        setattr(dataset, chance.NOTE, known)
    return bool(known)


def _found(dataset: Any) -> bool:
    disordered = dataset.options().deterministic is False
    called: list[Any] = []
    parallel, todo = False, [dataset]
    while todo:
        part = todo.pop()
        known = vars(part).get(chance.NOTE)
        if known:
            return True
        if known is None:
            parallel |= getattr(part, "_num_parallel_calls", None) is not None
            disordered |= getattr(part, "_deterministic", "") == "false"
            called.extend(node for wrapped in part._functions() for node in _nodes(wrapped.function.graph))
            todo.extend(part._inputs())
    return chance.has_part(called, parallel=parallel, disordered=disordered)


def _nodes(graph: Any) -> Iterator[Any]:
    definition = graph.as_graph_def()
    yield from definition.node
    for function in definition.library.function:
        yield from function.node_def


def _end() -> tf.Tensor:
    """The error that ends an iteration."""
    return iter(tf.data.Dataset.range(0)).get_next()


def _share(iterator: SharedIterator) -> tf.Tensor:
    """The next element of rank 0 as an optional's variant."""
    own = iterator.own()
    types = structure.get_flat_tensor_types(iterator.element_spec)
    shapes = structure.get_flat_tensor_shapes(iterator.element_spec)
    parts = [_Part(dtype, shape) for dtype, shape in zip(types, shapes, strict=True)]

    def packed() -> tuple[tf.Tensor, tf.Tensor]:
        values = structure.to_tensor_list(iterator.element_spec, own.get_value())
        sizes, words = zip(*(p.pack(v) for p, v in zip(parts, values, strict=True)), strict=True)
        content = tf.concat([*words, tf.zeros([0], tf.int32)], 0)
        return tf.concat([[1], [_checksum(content)], *sizes], 0), content

    def nothing() -> tuple[tf.Tensor, tf.Tensor]:
        return tf.zeros([2 + sum(p.sizes for p in parts)], tf.int64), tf.zeros([0], tf.int32)

    head, content = tf.cond(own.has_value(), packed, nothing)
    heads = collective.gather(head)
    first = heads[0]

    def sent() -> tf.Tensor:
        sizes = tf.split(first[2:], [p.sizes for p in parts])
        count = tf.add_n([p.words(s) for p, s in zip(parts, sizes, strict=True)])
        mine = content if collective.rank() == 0 else tf.zeros([count], tf.int32)
        words = tf.split(collective.add(mine), [p.words(s) for p, s in zip(parts, sizes, strict=True)])
        values = [p.unpack(s, w) for p, s, w in zip(parts, sizes, words, strict=True)]
        return tf.raw_ops.OptionalFromValue(components=values)

    return tf.cond(
        tf.reduce_all(heads == first),
        lambda: own._variant_tensor,
        lambda: tf.cond(first[0] > 0, sent, tf.raw_ops.OptionalNone),
    )


_shared = tf.function(_share, autograph=False, reduce_retracing=True)


def _checksum(words: tf.Tensor) -> tf.Tensor:
    data = tf.reshape(tf.bitcast(words, tf.uint8), [1, -1])
    return tf.bitcast(tf.raw_ops.Fingerprint(data=data, method="farmhash64"), tf.int64)[0]


class _Part:
    """One tensor of an element: to whole words and back.

    Numbers go as they are after their shape; everything else as TensorFlow writes it down, after its length.
    """

    def __init__(self, dtype: tf.DType, shape: tf.TensorShape) -> None:
        self._dtype, self._shape = dtype, shape
        self._number = shape.rank is not None and (dtype.is_floating or dtype.is_integer or dtype.is_bool)
        self._bytes = dtype.size if self._number else 1
        self.sizes = shape.rank if self._number else 1

    def pack(self, value: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Its sizes and its words."""
        if not self._number:
            text = tf.io.serialize_tensor(value)
            length = tf.strings.length(text)
            return tf.cast(length, tf.int64)[None], tf.io.decode_raw(
                text, tf.int32, fixed_length=(length + 3) // 4 * 4
            )
        sizes = tf.shape(value, tf.int64)
        plain = tf.cast(value, tf.uint8) if self._dtype.is_bool else tf.bitcast(value, _PLAIN[self._bytes])
        flat, together = tf.reshape(plain, [-1]), max(1, 4 // self._bytes)
        if together > 1:
            flat = tf.reshape(tf.pad(flat, [[0, -tf.size(flat) % together]]), [-1, together])
        return sizes, tf.reshape(tf.bitcast(flat, tf.int32), [-1])

    def words(self, sizes: tf.Tensor) -> tf.Tensor:
        """How many words belong to sizes."""
        return tf.cast((tf.reduce_prod(sizes) * self._bytes + 3) // 4, tf.int32)

    def unpack(self, sizes: tf.Tensor, words: tf.Tensor) -> tf.Tensor:
        """The tensor again."""
        if not self._number:
            letters = tf.gather(
                [bytes([n]) for n in range(256)], tf.cast(self._cut(words, tf.uint8, sizes), tf.int32)
            )
            return tf.ensure_shape(
                tf.io.parse_tensor(tf.strings.reduce_join(letters), self._dtype), self._shape
            )
        plain = tf.reshape(self._cut(words, _PLAIN[self._bytes], sizes), sizes)
        value = tf.cast(plain, tf.bool) if self._dtype.is_bool else tf.bitcast(plain, self._dtype)
        return tf.ensure_shape(value, self._shape)

    def _cut(self, words: tf.Tensor, dtype: tf.DType, sizes: tf.Tensor) -> tf.Tensor:
        if dtype.size == 8:
            words = tf.reshape(words, [-1, 2])
        flat = tf.reshape(words if dtype == tf.int32 else tf.bitcast(words, dtype), [-1])
        return flat[: tf.reduce_prod(sizes)]

"""What a pipeline of tf.data holds between its iterators: the number of seeds it has drawn, and its cache.

Both live in TensorFlow's runtime under names of this process, which the graph of the pipeline mentions. Each
travels as an object of its own, so that pipelines that share one share it on the other side. They are read
and written by way of throw-away iterators: TensorFlow saves an iterator together with what it shares. Must
not run any part of the user's pipeline.
"""

from __future__ import annotations

import random
import weakref
from typing import Any

import tensorflow as tf
from tensorflow.core.framework import model_pb2, resource_handle_pb2, tensor_pb2
from tensorflow.python.trackable import base

from jupyter_kf.capture.kind import Kind

DRAWS = 2  # what each iterator takes from the seeds of a shuffle


class Held(base.Trackable):  # type: ignore[misc]
    """One of the runtime's resources; `keep` is what keeps it alive there, `about` how to make another."""

    def __init__(self, handle: Any, keep: Any, *about: Any) -> None:
        self.handle, self.keep, self.about = handle, keep, about
        proto = message(handle, resource_handle_pb2.ResourceHandleProto)
        _live[proto.container, proto.name] = self


class Seeds(Held):
    """Where the iterators of a shuffle get their seeds: ``about`` is (seed, seed2, reshuffle, seeded)."""


class Cache(Held):
    """What a complete iteration left: ``about`` is (types of an element, whether its order was random)."""


_live: weakref.WeakValueDictionary[tuple[str, str], Held] = weakref.WeakValueDictionary()


def held(cls: type[Held], proto: Any, keep: Any, *about: Any) -> Held:
    """The one object that stands for the resource that a graph mentions."""
    mentioned = proto.resource_handle_val[0]
    found = _live.get((mentioned.container, mentioned.name))
    return found or cls(tf.io.parse_tensor(proto.SerializeToString(), tf.resource), keep, *about)


def message(tensor: Any, cls: Any) -> Any:
    """What a scalar handle or variant says, as a message of protobuf; it is stored after its length."""
    content = tensor_pb2.TensorProto.FromString(tf.io.serialize_tensor(tensor).numpy()).tensor_content
    start = next(place for place, byte in enumerate(content) if byte < 0x80) + 1
    return cls.FromString(content[start:])


def _iterator(dataset: Any, types: list[tf.DType], modelled: bool) -> Any:
    about = {"output_types": types, "output_shapes": [tf.TensorShape(None)] * len(types)}
    options = tf.data.Options()  # nothing added around the node
    options.autotune.enabled = modelled
    options.experimental_optimization.apply_default_optimizations = False
    options.experimental_optimization.inject_prefetch = False
    wanted = options._to_proto().SerializeToString()
    plain = tf.raw_ops.OptionsDataset(input_dataset=dataset, serialized_options=wanted, **about)
    iterator = tf.raw_ops.AnonymousIteratorV3(**about)
    tf.raw_ops.MakeIterator(dataset=plain, iterator=iterator)
    return iterator


def _saved(iterator: Any) -> Any:
    return tf.raw_ops.SerializeIterator(resource_handle=iterator, external_state_policy=1)


# ---- seeds


def make_seeds(seeds: Seeds) -> tuple[Any, ...]:
    seed, seed2, reshuffle, seeded = seeds.about
    if not seeded:  # one seed, the same for all replicas
        seed, seed2 = (random.SystemRandom().randrange(1, 2**31) for _ in range(2))
    return build_seeds, (seed, seed2, reshuffle, seeded)


def build_seeds(seed: int, seed2: int, reshuffle: bool, seeded: bool) -> Seeds:
    with tf.init_scope():
        handle, deleter = tf.raw_ops.AnonymousSeedGenerator(seed=seed, seed2=seed2, reshuffle=reshuffle)
    return Seeds(handle, deleter, seed, seed2, reshuffle, seeded)


def seeds_contents(seeds: Seeds) -> int | None:
    """How many seeds were drawn; None where that changes nothing, or nothing that could be repeated."""
    _, _, reshuffle, seeded = seeds.about
    if not (reshuffle and seeded):
        return None
    with tf.init_scope():
        iterator = _draw(seeds)
        count = _count(_saved(iterator)) - DRAWS
        _put_back(iterator, count)
    return count


def fill_seeds(seeds: Seeds, count: int | None) -> None:
    if count is not None:
        with tf.init_scope():
            _put_back(_draw(seeds), count)


def _draw(seeds: Seeds) -> Any:
    """A fresh iterator of random numbers: it draws seeds as one of the shuffle would, and reads no data."""
    seed, seed2, reshuffle, _ = seeds.about
    numbers = tf.raw_ops.RandomDatasetV2(
        seed=seed,
        seed2=seed2,
        seed_generator=seeds.handle,
        rerandomize_each_iteration=reshuffle,
        output_types=[tf.int64],
        output_shapes=[[]],
    )
    return _iterator(numbers, [tf.int64], modelled=False)


def _opened(state: Any) -> tuple[Any, list[bytes], list[Any]]:
    """The message of an iterator's only node, the names of its values and the values."""
    (node,) = state
    said = message(node, tensor_pb2.VariantTensorDataProto)
    names = [name.rpartition(b":")[2] for name in said.metadata.split(b"@@")[1:]]
    packed = tf.io.parse_tensor(said.tensors[0].SerializeToString(), tf.variant)
    values = tf.raw_ops.UncompressElement(
        compressed=packed, output_types=[tf.int64] * len(names), output_shapes=[[]] * len(names)
    )
    return said, names, list(values)


def _count(state: Any) -> int:
    _, names, values = _opened(state)
    return int(values[names.index(b"epoch_num_random_samples")])


def _put_back(iterator: Any, count: int) -> None:
    said, names, values = _opened(_saved(iterator))
    values[names.index(b"epoch_num_random_samples")] = tf.constant(count, tf.int64)
    packed = tf.raw_ops.CompressElement(components=values)
    said.tensors[0].ParseFromString(tf.io.serialize_tensor(packed).numpy())
    state = tensor_pb2.TensorProto(dtype=tf.variant.as_datatype_enum, variant_val=[said])
    state.tensor_shape.dim.add(size=1)
    restored = tf.io.parse_tensor(state.SerializeToString(), tf.variant)
    tf.raw_ops.DeserializeIterator(resource_handle=iterator, serialized=restored)


# ---- caches


def make_cache(cache: Cache) -> tuple[Any, ...]:
    return build_cache, cache.about


def build_cache(types: tuple[str, ...], random_order: bool) -> Cache:
    with tf.init_scope():
        handle, deleter = tf.raw_ops.AnonymousMemoryCache()
    return Cache(handle, deleter, types, random_order)


def cache_contents(cache: Cache) -> tuple[bytes, ...] | None:
    """The elements of a complete cache, if another iteration would not give the same ones."""
    if not is_complete(cache):
        return None
    with tf.init_scope():
        return tuple(tf.io.serialize_tensor(part).numpy() for part in _saved(_look(cache)))


def is_complete(cache: Cache) -> bool:
    """Whether an iterator would read the cache and not its input; said only where the elements matter."""
    if not cache.about[1]:
        return False
    with tf.init_scope():
        model = tf.raw_ops.IteratorGetModelProto(iterator=_look(cache, modelled=True)).numpy()
    nodes = {node.name for node in model_pb2.ModelProto.FromString(model).nodes.values()}
    return nodes <= {"Root", "MemoryCache", "MemoryCacheImpl"}


def fill_cache(cache: Cache, parts: tuple[bytes, ...] | None) -> None:
    if parts is not None:
        with tf.init_scope():
            state = tf.stack([tf.io.parse_tensor(part, tf.variant) for part in parts])
            tf.raw_ops.DeserializeIterator(resource_handle=_look(cache), serialized=state)


def _look(cache: Cache, *, modelled: bool = False) -> Any:
    """An iterator over the cache that has no input to fill it from."""
    types = [tf.as_dtype(name) for name in cache.about[0]]
    about = {"output_types": types, "output_shapes": [tf.TensorShape(None)] * len(types)}
    any_variant = tf.data.Dataset.range(0)._variant_tensor
    element = [any_variant if dtype == tf.variant else tf.zeros([], dtype) for dtype in types]
    one = tf.raw_ops.TensorDataset(components=element, output_shapes=[[]] * len(types))
    none = tf.raw_ops.TakeDataset(input_dataset=one, count=0, **about)
    reader = tf.raw_ops.CacheDatasetV2(input_dataset=none, filename="", cache=cache.handle, **about)
    return _iterator(reader, types, modelled)


SEEDS = Kind(make_seeds, seeds_contents, fill_seeds)
CACHE = Kind(make_cache, cache_contents, fill_cache, watched=is_complete)

"""Things that live inside TensorFlow's runtime: lookup tables, iterators, pipelines.

Python holds only a handle to them. They are written out, made again on the other side, and on the way back
written into the live one.
"""

from __future__ import annotations

import contextlib
import gc
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tensorflow as tf
from tensorflow.python.data.ops import iterator_ops
from tensorflow.python.eager import context
from tensorflow.python.ops import lookup_ops, summary_ops_v2

from jupyter_kf.capture import data, held, objects, refusals
from jupyter_kf.capture.kind import Kind, no_fill, nothing

if TYPE_CHECKING:
    from collections.abc import Iterator

LOGDIR = "_kf_logdir"
"""Where the handle of a writer of summaries keeps its folder, when the writer was made in a job."""


def _exported(table: Any) -> tuple[Any, Any]:
    keys, values = table.export()
    return keys.numpy(), values.numpy()


def make_static(table: Any) -> tuple[Any, ...]:
    about = {"key_dtype": table.key_dtype, "value_dtype": table.value_dtype}
    try:
        initial: tuple[Any, ...] = (*_exported(table), about)
    except tf.errors.OpError:  # not filled yet
        initial = (table._initializer,)
    return build_static, (initial, table.default_value, table._name)


def build_static(initial: tuple[Any, ...], default: Any, name: str) -> Any:
    with tf.init_scope():
        if len(initial) == 1:
            return tf.lookup.StaticHashTable(initial[0], default, name)
        keys, values, about = initial
        return tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(keys, values, **about), default, name
        )


def make_mutable(table: Any) -> tuple[Any, ...]:
    about = {
        "key_dtype": table.key_dtype,
        "value_dtype": table.value_dtype,
        "default_value": table._default_value,
        "name": table._name,
    }
    if isinstance(table, lookup_ops.DenseHashTable):
        about |= {"empty_key": table._empty_key, "deleted_key": table._deleted_key}
        about["initial_num_buckets"] = table._initial_num_buckets
    return build_mutable, (type(table), about)


def build_mutable(cls: Any, about: dict[str, Any]) -> Any:
    with tf.init_scope():
        return cls(**about)


def mutable_contents(table: Any) -> tuple[Any, ...]:
    keys, values = _exported(table)
    return (
        keys.dtype.str,
        keys.shape,
        tuple(keys.ravel().tolist()),
        tuple(values.ravel().tolist()),
        values.shape,
    )


def fill_mutable(table: Any, contents: tuple[Any, ...]) -> None:
    _, keys_shape, keys, values, values_shape = contents
    old, _ = table.export()
    table.remove(old)
    if keys:
        new = tf.reshape(tf.constant(keys, table.key_dtype), keys_shape)
        table.insert(new, tf.reshape(tf.constant(values, table.value_dtype), values_shape))


def make_iterator(iterator: Any) -> tuple[Any, ...]:
    return iter, (iterator._dataset,)


def iterator_contents(iterator: Any) -> tuple[tuple[str, bytes], ...]:
    """The iterator's position, as TensorFlow's checkpoint of it."""
    with tempfile.TemporaryDirectory() as folder:
        tf.train.Checkpoint(iterator=iterator).write(f"{folder}/iterator")
        return tuple((path.name, path.read_bytes()) for path in sorted(Path(folder).iterdir()))


def fill_iterator(iterator: Any, contents: tuple[tuple[str, bytes], ...]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in contents:
            (Path(folder) / name).write_bytes(content)
        tf.train.Checkpoint(iterator=iterator).read(f"{folder}/iterator").assert_existing_objects_matched()


def finish_checkpoint(_: Any) -> None:
    tf.train.Checkpoint()  # the first one of a process starts a clock that writing needs


def make_writer(writer: Any) -> tuple[Any, ...]:
    if writer._closed:
        return build_writer, (None,)
    logdir = getattr(writer._resource, LOGDIR, None) or _folder(writer)
    if logdir is None:
        raise refusals.Culprit(writer, "it is an open event file", "make it inside the cell, or close it")
    return build_writer, (logdir,)


def _folder(writer: Any) -> str | None:
    """Where a writer of this process writes to, which its handle does not tell; None: it is not clear.

    TensorFlow numbers the handles of writers in the order of the files that they open.
    """
    seen = (obj for obj in gc.get_objects() if issubclass(type(obj), summary_ops_v2._ResourceSummaryWriter))
    numbers = sorted(_number(each) for each in seen if not each._closed)
    files = sorted(_event_files())
    if len(numbers) != len(files):
        return None
    return files[numbers.index(_number(writer))][1]


def _number(writer: Any) -> int:
    found = re.search(r'name="_AnonymousVar(\d+)"', str(writer._resource))
    return int(found[1]) if found else -1


def _event_files() -> Iterator[tuple[int, str]]:
    """Number and folder of each file of summaries that this process has open."""
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            path = link.readlink()
            found = re.search(rf"\.tfevents\.\d+\..+\.{os.getpid()}\.(\d+)", path.name)
            if found:
                yield int(found[1]), str(path.parent)


def writer_contents(writer: Any) -> None:
    """Nothing; but what it holds back is written, as nobody does so at the end of a replica."""
    writer.flush()


def build_writer(logdir: Any) -> Any:
    """A writer of summaries to the folder ``logdir``, to a file of its own; None: one that is closed."""
    with tf.init_scope():
        if logdir is not None:
            return tf.summary.create_file_writer(logdir)
        writer = summary_ops_v2._ResourceSummaryWriter(
            lambda: tf.raw_ops.SummaryWriter(shared_name=context.anonymous_name()), lambda _: None
        )
    writer._closed = True
    return writer


def make_records(writer: Any) -> tuple[Any, ...]:
    try:
        writer.flush()
    except tf.errors.FailedPreconditionError:
        return build_records, ()
    raise refusals.Culprit(writer, "it is an open file", "open the file inside the cell, or close it")


def build_records() -> Any:
    """A writer of records that is closed."""
    writer = tf.io.TFRecordWriter(os.devnull)
    writer.close()
    return writer


CHECKPOINT = Kind(objects.INSTANCE.make, objects.instance_contents, objects.fill_instance, finish_checkpoint)
STATIC_TABLE = Kind(make_static, nothing, no_fill, made_full=True)
MUTABLE_TABLE = Kind(make_mutable, mutable_contents, fill_mutable)
WRITER = Kind(make_writer, writer_contents, no_fill, made_full=True)
RECORDS = Kind(make_records, nothing, no_fill, made_full=True)
ITERATOR = Kind(make_iterator, iterator_contents, fill_iterator)


def resolve(obj: Any) -> tuple[bool, Kind | None]:
    """(whether this module knows the type, its kind)."""
    families: tuple[tuple[Any, Kind], ...] = (
        (tf.data.Dataset, data.DATASET),
        (held.Seeds, held.SEEDS),
        (held.Cache, held.CACHE),
        (tf.train.Checkpoint, CHECKPOINT),
        (summary_ops_v2._ResourceSummaryWriter, WRITER),
        (tf.io.TFRecordWriter, RECORDS),
        (iterator_ops.OwnedIterator, ITERATOR),
        (lookup_ops.StaticHashTable, STATIC_TABLE),
        ((lookup_ops.MutableHashTable, lookup_ops.DenseHashTable), MUTABLE_TABLE),
    )
    for family, kind in families:
        if isinstance(obj, family):
            return True, kind
    return False, None

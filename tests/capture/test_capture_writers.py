"""Writers of TensorFlow that are closed travel, and open ones of summaries, to a file of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jupyter_kf.capture import kinds, refusals

if TYPE_CHECKING:
    from pathlib import Path

tf = pytest.importorskip("tensorflow")


def sent(obj: Any) -> Any:
    kind = kinds.kind_of(obj)
    assert kind is not None
    make, arguments = kind.make(obj)
    return make(*arguments)


def test_records(tmp_path: Path) -> None:
    with tf.io.TFRecordWriter(str(tmp_path / "r")) as writer:
        writer.write(b"one")
        with pytest.raises(refusals.Culprit, match="an open file"):
            sent(writer)
    assert sum(1 for _ in tf.data.TFRecordDataset(str(tmp_path / "r"))) == 1
    with pytest.raises(tf.errors.FailedPreconditionError):
        sent(writer).write(b"two")


def test_summaries(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in "abc"]
    _, writer, last = (tf.summary.create_file_writer(str(folder)) for folder in folders)
    tmp_path = folders[1]
    again = sent(writer)
    last.close()
    with again.as_default():
        tf.summary.scalar("n", 1.0, step=1)
    for each in (writer, again):
        each.close()
        with pytest.raises(RuntimeError, match="closed"):
            sent(each).as_default()
    with tf.Graph().as_default():
        other = tf.summary.create_file_writer(str(tmp_path))
    with pytest.raises(refusals.Culprit, match="an open event file"):
        sent(other)
    files = sorted(tmp_path.iterdir())
    assert len(files) == 2
    assert sorted(sum(1 for _ in tf.data.TFRecordDataset(str(f))) for f in files) == [1, 2]

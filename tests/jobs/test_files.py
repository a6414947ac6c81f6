"""What a program writes is there once, as one process leaves it, and it may read it at once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import jupyter_kf as kf

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.gang


def text() -> Any:
    """Lines added, read back, put in place; folders made once."""
    Path("made").mkdir()
    os.makedirs("a/b/c", exist_ok=True)  # noqa: PTH103
    seen: list[Any] = []
    for turn in range(3):
        with open("log.txt", "a") as log:  # noqa: PTH123
            print("line", turn, file=log)
            seen.append(log.tell())
        seen.append(Path("log.txt").read_text())
    with open("log.txt", "r+") as log:  # noqa: PTH123
        log.seek(2)
        log.write("NE")
        log.seek(0)
        seen.append(log.read())
    count = int(Path("count").read_text()) if Path("count").exists() else 0
    Path("count").write_text(str(count + 1))
    Path("a/x").touch()
    os.rename("a/x", "a/y")  # noqa: PTH104
    return seen, sorted(map(str, Path().rglob("*"))), Path("count").read_text()


def errors() -> Any:
    """What cannot be done is the same error for all."""
    Path("there").mkdir()
    Path("file").write_text("x")
    seen = []
    for act in (
        lambda: Path("there").mkdir(),
        lambda: open("file", "x"),  # noqa: PTH123, SIM115
        lambda: Path("no/such/folder").write_text(""),
        lambda: Path("nothing").unlink(),
        lambda: Path("there").rmdir(),
        lambda: Path("there").rmdir(),
    ):
        try:
            act()
        except OSError as error:
            seen.append((type(error).__name__, error.errno, str(error.filename)))
    return seen


def libraries() -> Any:
    """What numpy, pandas, matplotlib, h5py, json and shutil write."""
    import gzip
    import json
    import shutil
    import zipfile

    import h5py
    import matplotlib
    import numpy as np
    import pandas as pd

    matplotlib.use("agg")
    from matplotlib import pyplot

    frame = pd.DataFrame({"a": [1, 2], "b": [0.5, 0.25]})
    frame.to_csv("t.csv")
    frame.to_csv("t.csv", mode="a", header=False)
    np.save("x.npy", np.arange(5))
    np.savez("x.npz", a=np.arange(3))
    np.savetxt("x.txt", np.eye(2))
    np.arange(4.0).tofile("x.bin")
    pyplot.plot([1, 2, 1])
    pyplot.savefig("p.png")
    pyplot.close()
    with gzip.open("z.gz", "wt") as z:
        z.write("zipped")
    with zipfile.ZipFile("z.zip", "w") as archive:
        archive.write("t.csv")
    with h5py.File("d.h5", "w") as store:
        store["x"] = np.arange(3)
    with open("d.json", "w") as plain:  # noqa: PTH123
        json.dump([1, 2], plain)
    shutil.copy("t.csv", "u.csv")
    shutil.copytree(".", "../copy", dirs_exist_ok=True)
    shutil.rmtree("../copy")
    with h5py.File("d.h5") as store:
        kept = store["x"][:].tolist()
    return (
        len(pd.read_csv("t.csv")),
        np.load("x.npy").sum(),
        np.load("x.npz")["a"].sum(),
        np.loadtxt("x.txt").sum(),
        kept,
        Path("u.csv").read_text(),
    )


def of_tensorflow() -> Any:
    """What TensorFlow and Keras write, also where Python cannot see it, and read in the next line."""
    import keras
    import numpy as np
    import tensorflow as tf

    with tf.io.TFRecordWriter("r.tfrecord") as records:
        for n in range(100):
            records.write(b"%d" % n)
    tf.io.write_file("words.txt", "a\nb\n")
    with tf.io.gfile.GFile("more.txt", "a") as more:
        more.write("c\n")
    Path("vocabulary.txt").write_text("one\ntwo\n")
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.ones((8, 3), "float32")
    csv = keras.callbacks.CSVLogger("log.csv", append=True)
    for _ in range(2):
        model.fit(x, x[:, :1], epochs=2, verbose=0, callbacks=[csv])
    model.save("m.keras")
    model.export("exported", verbose=False)
    tf.train.CheckpointManager(tf.train.Checkpoint(m=model), "saved", max_to_keep=2).save()
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        model.save_weights(f"{folder}/w.weights.h5")
        model.load_weights(f"{folder}/w.weights.h5")
        here = os.path.exists(folder)  # noqa: PTH110
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as named:
        named.write("own")
        named.flush()
        own = Path(named.name).read_text()
    return (
        sum(1 for _ in tf.data.TFRecordDataset("r.tfrecord")),
        sum(1 for _ in tf.data.TextLineDataset(["words.txt", "more.txt"])),
        keras.layers.StringLookup(vocabulary="vocabulary.txt").vocabulary_size(),
        len(Path("log.csv").read_text().splitlines()),
        len(keras.models.load_model("m.keras").get_weights()),
        here,
        own,
        sorted(p.name for p in Path().iterdir()),
    )


def commands() -> Any:
    """Commands run once; what they give and how they fail is known to all."""
    import subprocess

    subprocess.run("echo one >> c.txt", shell=True, check=True)
    code = os.system("echo two >> c.txt; exit 3")
    said = subprocess.check_output(["cat", "c.txt"], text=True)
    with pytest.raises(subprocess.CalledProcessError) as caught:
        subprocess.run(["false"], check=True)
    return code, said, caught.value.returncode


def _in(folder: Path, work: Callable[[], Any]) -> Any:
    folder.mkdir()
    os.chdir(folder)
    return work()


def _there(folder: Path) -> dict[str, Any]:
    """All files below a folder; the contents of those that are the same each time they are written."""
    fixed = {".txt", ".csv", ".npy", ".bin", ".json", ".tfrecord", ""}
    timed = {"log.csv", "checkpoint"}
    return {
        str(p.relative_to(folder)): p.read_bytes() if p.suffix in fixed and p.name not in timed else None
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras saves so
@pytest.mark.parametrize("work", [text, errors, libraries, of_tensorflow, commands])
def test_as_one_process_leaves_it(
    work: Callable[[], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    want = _in(tmp_path / "here", work)
    with kf.Executor(workers=3) as executor:
        assert executor.submit(_in, tmp_path / "there", work).result(120) == want
    there, here = _there(tmp_path / "there"), _there(tmp_path / "here")
    assert there.keys() == here.keys()
    assert there == here


def by_rank(folder: Path) -> str:
    """A program that knows of replicas: each writes a file of its own, and one writes the report."""
    os.chdir(folder)
    Path("before.txt").write_text("once")
    with open("across.txt", "w") as across:  # noqa: PTH123
        place = kf.JobEnvironment.current()
        assert place is not None
        across.write("closed later")
    Path(f"part-{place.rank}.txt").write_text(str(place.rank))
    if place.rank == 0:
        Path("report.txt").write_text("of all")
    kf.mean(0.0)  # all are here
    return Path("across.txt").read_text()


def test_a_program_that_asks_for_its_rank_decides_who_writes(tmp_path: Path) -> None:
    with kf.Executor(workers=3) as executor:
        job = executor.submit(by_rank, tmp_path)
        assert job.result(60) == "closed later"
    assert {p.name: p.read_text() for p in tmp_path.glob("*.txt")} == {
        "before.txt": "once",
        "across.txt": "closed later",
        "part-0.txt": "0",
        "part-1.txt": "1",
        "part-2.txt": "2",
        "report.txt": "of all",
    }
    assert "asks which replica it is" in job.logs()

"""What is over, and what is around a file, is told again; what still runs is refused."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import multiprocessing.pool
import pickle
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from jupyter_kf.capture import kinds, refusals

if TYPE_CHECKING:
    from pathlib import Path


def sent(obj: Any) -> Any:
    """``obj`` as it is on the other side."""
    kind = kinds.kind_of(obj)
    assert kind is not None
    make, arguments = kind.make(obj)
    made = make(*arguments)
    if not kind.made_full:
        kind.fill(made, kind.contents(obj))
    assert type(made) is type(obj)
    return made


@pytest.mark.parametrize("module", [gzip, bz2, lzma], ids=lambda m: m.__name__)
def test_a_closed_compressed_file(module: Any, tmp_path: Path) -> None:
    with module.open(tmp_path / "file", "wb") as file, pytest.raises(refusals.Culprit):
        kinds.kind_of(file)
    assert sent(file).closed


def test_tables_of_text(tmp_path: Path) -> None:
    with (tmp_path / "t.csv").open("w") as file:
        writer = csv.writer(file, delimiter=";")
    assert sent(writer).dialect.delimiter == ";"
    text = io.StringIO()
    sent(csv.writer(text)).writerow([1, 2])
    assert text.getvalue() == "1,2\r\n"
    with (tmp_path / "t.csv").open() as file:
        reader = csv.reader(file)
    assert list(sent(reader)) == []
    begun = csv.reader(["a,b", "c,d"])
    next(begun)
    assert list(sent(begun)) == [["c", "d"]]


def test_an_archive_of_arrays(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.arange(3))
    with np.load(tmp_path / "a.npz") as archive:
        open_one = sent(archive)
        assert open_one["x"].tolist() == [0, 1, 2]
        assert repr(open_one) == repr(archive)
    assert repr(sent(archive)) == repr(archive)
    assert sent(archive).zip is None
    open_one.close()


def test_a_progress_bar(capsys: pytest.CaptureFixture[str]) -> None:
    tqdm = pytest.importorskip("tqdm").tqdm
    bar = tqdm(range(2))
    with pytest.raises(refusals.Culprit, match="still shown"):
        sent(bar)
    list(bar)
    again = sent(bar)
    assert (again.n, again.total, again.disable) == (2, 2, True)
    assert "2/2" in str(again)
    capsys.readouterr()


def test_threads_and_processes() -> None:
    class Adds(threading.Thread):
        def run(self) -> None:
            self.found = 3

    thread = Adds(name="adds")
    with pytest.raises(refusals.Culprit):
        kinds.kind_of(thread)
    thread.start()
    thread.join()
    again = sent(thread)
    assert (again.found, again.name, again.is_alive()) == (3, "adds", False)

    process = subprocess.Popen([sys.executable, "-c", "exit(4)"])
    with pytest.raises(refusals.Culprit):
        kinds.kind_of(process)
    process.wait()
    assert (sent(process).wait(), sent(process).args) == (4, process.args)


def test_pools_and_what_they_gave() -> None:
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(len, "abc")
        with pytest.raises(refusals.Culprit):
            kinds.kind_of(pool)
    assert sent(future).result() == 3
    with pytest.raises(RuntimeError, match="after shutdown"):
        sent(pool).submit(len, "")
    with multiprocessing.pool.ThreadPool(1) as other:
        pass
    with pytest.raises(ValueError, match="not running"):
        sent(other).map(len, [""])


def test_connections_and_generators() -> None:
    connection = sqlite3.connect(":memory:")
    cursor = connection.cursor()
    with pytest.raises(refusals.Culprit):
        kinds.kind_of(connection)
    connection.close()
    for each in (connection, cursor):
        with pytest.raises(sqlite3.ProgrammingError):
            sent(each).execute("select 1")

    def numbers() -> Any:
        yield 1

    generator = numbers()
    with pytest.raises(refusals.Culprit):
        kinds.kind_of(generator)
    assert list(generator) == [1]
    assert list(sent(generator)) == []
    assert sent(generator).__name__ == "numbers"


class Odd:
    """An object whose own rules raise what no library foresees."""

    def __reduce_ex__(self, _: Any) -> Any:
        raise LookupError("odd")


def test_whatever_its_rules_raise_it_is_named() -> None:
    with pytest.raises(refusals.Culprit, match="odd"):
        kinds.kind_of(Odd())


def test_arguments_are_plain(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "file", "wb") as file:
        pass
    kind = kinds.kind_of(file)
    assert kind is not None
    assert pickle.loads(pickle.dumps(kind.make(file)[1]))[0] is gzip.GzipFile

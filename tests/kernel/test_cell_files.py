"""What a ``%%kf`` cell does to files is done once, by commands of the shell too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Kernel

pytestmark = pytest.mark.gang

CELL = """
import os, pandas as pd, matplotlib.pyplot as plt
os.mkdir("out")
with open("out/log.txt", "a") as log:
    log.write("by open\\n")
!echo by the shell >> out/log.txt
lines = !cat out/log.txt
pd.DataFrame({"n": [1]}).to_csv(os.path.abspath("out/n.csv"), index=False)
plt.plot([1, 2]); plt.savefig("out/p.png"); plt.close()
found = sorted(os.listdir("out"))
get = os.getcwd
"""


def test_files_of_a_cell(kernel: Kernel, tmp_path: Path) -> None:
    reply = kernel.run(f"%%kf -w 2 --quiet\n{CELL}")
    assert reply.status == "ok", reply.traceback
    assert (tmp_path / "out" / "log.txt").read_text() == "by open\nby the shell\n"
    shown = kernel.run("print(list(lines), found)").stdout
    assert shown == "['by open', 'by the shell'] ['log.txt', 'n.csv', 'p.png']\n"

    again = kernel.run(f"%%kf -w 2 --quiet\n{CELL}")
    assert again.ename == "FileExistsError"
    assert "parallel/" not in again.traceback


def test_functions_that_change_files_travel_back_as_themselves(kernel: Kernel) -> None:
    reply = kernel.run("%%kf -w 2 --quiet\nfrom shutil import copy\nfrom os import mkdir\nimport io, os")
    assert reply.status == "ok", reply.traceback
    here = kernel.run("import shutil, os\nprint(copy is shutil.copy, mkdir is os.mkdir)")
    assert here.stdout == "True True\n"


def test_a_name_left_with_a_closed_file_comes_back(kernel: Kernel) -> None:
    reply = kernel.run("%%kf -w 2 --quiet\nwith open('x', 'w') as f:\n    f.write('1')")
    assert reply.status == "ok", reply.traceback
    assert kernel.run("print(f.closed, f.name, f.mode)").stdout == "True x w\n"
    again = kernel.run("%%kf -w 2 --quiet\nprint(f.closed)\nwith open(f.name) as f:\n    text = f.read()")
    assert again.stdout == "True\n", again.traceback
    assert kernel.run("print(text, f.closed)").stdout == "1 True\n"


LEFT = """
import csv, gzip, tensorflow as tf
from concurrent.futures import ThreadPoolExecutor
from tqdm import tqdm
with open("t.csv", "w", newline="") as plain:
    table = csv.writer(plain)
    table.writerow([1, 2])
with gzip.open("t.gz", "wt") as packed:
    packed.write("text")
with tf.io.TFRecordWriter("t.records") as records:
    records.write(b"one")
summaries = tf.summary.create_file_writer("logs")
with summaries.as_default():
    tf.summary.scalar("n", 1.0, step=1)
with ThreadPoolExecutor(1) as pool:
    future = pool.submit(len, "abc")
bar = tqdm([1, 2])
list(bar)
numbers = (n for n in [1])
list(numbers)
"""
LATER = """
with summaries.as_default():
    tf.summary.scalar("n", 2.0, step=2)
summaries.close()
print(type(table).__name__, packed.closed, future.result(), bar.n, list(numbers), type(records).__name__)
"""


def test_what_a_cell_leaves_closed_is_closed(kernel: Kernel, tmp_path: Path) -> None:
    reply = kernel.run(f"%%kf -w 2 --quiet\n{LEFT}")
    assert (reply.status, "cannot come back" in reply.stderr) == ("ok", False), reply
    for magic in ("%%kf -w 2 --quiet\nnumber = future.result() + bar.n\n", ""):
        reply = kernel.run(magic or LATER)
        assert reply.status == "ok", reply
    assert reply.stdout == "writer True 3 2 [] TFRecordWriter\n"
    assert (tmp_path / "t.csv").read_bytes() == b"1,2\r\n"
    assert len(list((tmp_path / "logs").iterdir())) == 2


WRITES = """
for step in range(1, 3):
    with writer.as_default():
        tf.summary.scalar("n", 1.0, step=step)
"""
READ = """
from pathlib import Path
events = [e for p in Path("logs").iterdir() for e in tf.compat.v1.train.summary_iterator(str(p))]
print(sorted(e.step for e in events if e.summary.value))
"""


def test_a_writer_of_summaries_made_before_the_cell(kernel: Kernel) -> None:
    made = 'import tensorflow as tf; writer = tf.summary.create_file_writer("logs")'
    for source in (made, f"%%kf -w 2 --quiet\n{WRITES}", WRITES, "writer.close()"):
        reply = kernel.run(source)
        assert reply.status == "ok", reply
    assert kernel.run(READ).stdout.endswith("[1, 1, 2, 2]\n")

"""Capture and restore of weights against plain safetensors, and the peak memory of both.

Each measurement runs in a process of its own: variables are made, then written and read back either by
``safetensors.tensorflow`` or by `jupyter_kf.capture`. Peak memory is what the process held at most beyond the
variables themselves, from the kernel's own record.

    python benchmarks/capture.py [megabytes ...]
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

VARIABLES = 16
REPEATS, MEGABYTES = 3, 200  # at least so many times, and so much in all


def peak() -> float:
    """The most memory that this process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def plain(variables: list[Any], folder: Path) -> tuple[float, float]:
    """Seconds to save and to load, with safetensors."""
    import tensorflow as tf
    from safetensors import tensorflow as safetensors

    start = time.perf_counter()
    safetensors.save_file({str(n): v.value() for n, v in enumerate(variables)}, str(folder / "plain"))
    saved = time.perf_counter()
    loaded = [tf.Variable(value) for value in safetensors.load_file(str(folder / "plain")).values()]
    end = time.perf_counter()
    assert len(loaded) == len(variables)
    return saved - start, end - saved


def captured(variables: list[Any], folder: Path) -> tuple[float, float]:
    """Seconds to pack and to unpack, with every checksum made and checked."""
    from jupyter_kf.capture import pack, unpack

    start = time.perf_counter()
    pack({"variables": variables}, folder)
    saved = time.perf_counter()
    arrival = unpack(folder, {})
    end = time.perf_counter()
    assert len(arrival.value["variables"]) == len(variables)
    return saved - start, end - saved


def measure(way: Callable[[list[Any], Path], tuple[float, float]], megabytes: int) -> dict[str, float]:
    """The best of some runs, and the peak memory beyond two sets of the variables."""
    import numpy as np
    import tensorflow as tf

    size = megabytes * (1 << 20) // 4 // VARIABLES
    values = np.random.default_rng(0).random(size, dtype="f4")
    variables = [tf.Variable(values + n) for n in range(VARIABLES)]
    del values
    before = peak()
    runs = []
    for _ in range(max(REPEATS, MEGABYTES // megabytes)):
        with tempfile.TemporaryDirectory() as folder:
            runs.append(way(variables, Path(folder)))
    save, load = (min(times) for times in zip(*runs, strict=True))
    return {"save": save, "load": load, "extra": peak() - before}


def main() -> None:
    """Print a table; or, as a child, one measurement."""
    if sys.argv[1:2] == ["--one"]:
        way = {"plain": plain, "captured": captured}[sys.argv[2]]
        print(json.dumps(measure(way, int(sys.argv[3]))))
        return
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    print(f"{'MB':>6} {'way':>9} {'save s':>8} {'load s':>8} {'extra MB':>9} {'ratio':>6}")
    for megabytes in map(int, sys.argv[1:] or ["10", "100", "1000"]):
        base = 0.0
        for way in ("plain", "captured"):
            child = [sys.executable, __file__, "--one", way, str(megabytes)]
            done = subprocess.run(
                child, check=True, capture_output=True, text=True, env=environment, timeout=600
            )
            row = json.loads(done.stdout.splitlines()[-1])
            total = row["save"] + row["load"]
            base = base or total
            times = f"{row['save']:>8.3f} {row['load']:>8.3f} {row['extra']:>9.0f} {total / base:>6.2f}"
            print(f"{megabytes:>6} {way:>9} {times}", flush=True)


if __name__ == "__main__":
    main()

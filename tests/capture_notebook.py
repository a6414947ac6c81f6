"""A notebook for the tests of capture: cells run here, or travel to a fresh process and come back."""

from __future__ import annotations

import contextlib
import json
import linecache
import os
import subprocess
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_kf.capture import Captured, Cell, ambient, needed, pack

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

ROOT = Path(__file__).parents[1]


class Replicas:
    """Fresh processes, forked from one that has done the imports."""

    def __init__(self, *preload: str) -> None:
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "OMP_NUM_THREADS": "2",
        }
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("capture_replica.py")), *preload],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def run(self, folder: Path) -> None:
        """Run the payload in `folder`; raise what went wrong there as an AssertionError."""
        assert self._process.stdin and self._process.stdout
        print(folder, file=self._process.stdin, flush=True)
        answer = json.loads(self._process.stdout.readline())
        assert answer == "ok", answer

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()


@contextlib.contextmanager
def replicas(*preload: str) -> Iterator[Replicas]:
    """Replicas for the time of a block."""
    started = Replicas(*preload)
    try:
        yield started
    finally:
        started.close()


class Notebook:
    """A ``__main__`` of its own. Its functions and classes are defined nowhere else, as in a notebook."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, away: Replicas) -> None:
        main = types.ModuleType("__main__")
        monkeypatch.setitem(sys.modules, "__main__", main)
        self.names = main.__dict__
        self._folder, self._replicas, self._count = folder, away, 0

    def here(self, source: str) -> None:
        """Run a cell in this process, its source at hand as in a kernel."""
        self._count += 1
        name = f"<cell {id(self)}.{self._count}>"
        linecache.cache[name] = (len(source), None, source.splitlines(True), name)
        exec(compile(source, name, "exec"), self.names)

    def pack(self, source: str) -> tuple[Captured, Path]:
        """Capture a cell."""
        self._count += 1
        folder = self._folder / f"payload{self._count}"
        cell = Cell(source, needed(source, self.names), "<cell>", self._count)
        return pack({"work": cell, "ambient": ambient.snapshot(cell)}, folder), folder

    def away(self, source: str) -> dict[str, Any]:
        """Run a cell in a replica, and apply what comes back. Its exception is raised."""
        captured, folder = self.pack(source)
        self._replicas.run(folder)
        reply: dict[str, Any] = captured.apply(folder / "out")
        self.names.update(reply["bound"])
        for name in reply["deleted"]:
            del self.names[name]
        ambient.restore(reply["ambient"])
        if reply["error"]:
            raise reply["error"]
        return reply

    def __getitem__(self, name: str) -> Any:
        return self.names[name]

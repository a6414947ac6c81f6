"""The tour as on Binder: built as repo2docker builds it, then run in 2 GB of memory on one core.

``python benchmarks/binder.py`` takes the steps from repo2docker itself and runs them for a copy of the
last commit in a fresh prefix: the installation, ``postBuild``, and ``start`` before JupyterLab. Only the
prefix is made by ``venv`` and pip, where repo2docker makes it with conda, with the Jupyter that it has there,
in the same versions: the installation finds these. Then the tour runs beside the JupyterLab of the result.
Server, kernel and replicas are all held in one control group, or, where none can be made, only watched.
``--prefix DIR`` keeps what was built in DIR and takes it from there the next time.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
MEMORY = 2_000_000_000
MOST_SECONDS = 10.0
STEPS = """
import json, re
from pathlib import Path
from repo2docker.buildpacks import PythonBuildPack, conda
pack = PythonBuildPack("buildpack-deps:jammy")
assert pack.detect() and pack.python_version == {version!r}, pack.python_version
steps = [script.strip() for user, script in pack.get_assemble_scripts() if "pip install" in script]
lock = Path(conda.__file__).with_name("environment.py-{version}-linux-64.lock").read_text()
names = "ipywidgets|jupyter-(?:offlinenotebook|resource-usage)|jupyter_server|jupyterhub|jupyterlab|notebook"
there = re.findall(f"/noarch/({{names}})(?:-base)?-([0-9.]+)-", lock)
base = [f"{{name}}=={{of}}" for name, of in there]
print(json.dumps([base, [*steps, *pack.get_post_build_scripts()]]))
"""
# Runs the notebook and prints, for each code cell, how long it took.
TOUR = """
import json, sys, nbformat
from datetime import datetime
from nbclient import NotebookClient
book = nbformat.read("examples/tour.ipynb", as_version=4)
NotebookClient(book, timeout=300, resources={"metadata": {"path": "examples"}}).execute()
def seconds(cell):
    at = [datetime.fromisoformat(cell.metadata["execution"][f"iopub.status.{s}"]) for s in ("busy", "idle")]
    return (at[1] - at[0]).total_seconds()
cells = [cell for cell in book.cells if cell.cell_type == "code"]
json.dump([[cell.source.split("\\n")[0], seconds(cell)] for cell in cells], sys.stdout)
"""


def build(folder: Path) -> Path:
    """Run repo2docker's steps in ``folder``; give the prefix."""
    repo, prefix, tools = folder / "repo", folder / "prefix", folder / "tools"
    repo.mkdir(parents=True)
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    subprocess.run(["tar", "-x"], cwd=repo, input=archive, check=True)
    for place in (prefix, tools):
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
    subprocess.run([tools / "bin/pip", "install", "--quiet", "jupyter-repo2docker"], check=True)
    asked = STEPS.format(version=".".join(map(str, sys.version_info[:2])))
    steps = subprocess.run([tools / "bin/python", "-c", asked], cwd=repo, check=True, stdout=subprocess.PIPE)
    base, scripts = json.loads(steps.stdout)
    print("what repo2docker has there:", *base)
    subprocess.run([prefix / "bin/pip", "install", "--quiet", *base], env=environment(folder), check=True)
    for step in scripts:
        began = time.monotonic()
        subprocess.run(["bash", "-c", step], cwd=repo, env=environment(folder), check=True)
        print(f"built in {time.monotonic() - began:5.0f} s  {step}")
    return prefix


def environment(folder: Path) -> dict[str, str]:
    """Give what repo2docker sets, with a home of its own."""
    prefix, home = folder / "prefix", folder / "home"
    home.mkdir(exist_ok=True)
    theirs = ("JUPYTER", "IPYTHON", "PYTHON", "VIRTUAL_ENV", "TF_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(theirs)}
    return kept | {
        "HOME": str(home),
        "NB_PYTHON_PREFIX": str(prefix),
        "KERNEL_PYTHON_PREFIX": str(prefix),
        "REPO_DIR": str(folder / "repo"),
        "PATH": f"{prefix}/bin:{os.environ['PATH']}",
        "JUPYTER_KF_RUNTIME": str(folder / "run"),
    }


@contextlib.contextmanager
def group() -> Iterator[Path | None]:
    """Make a control group with the memory's limit below our own; None where that is not permitted."""
    lines = dict(line.split(":", 2)[1:] for line in Path("/proc/self/cgroup").read_text().splitlines())
    old = "memory" in lines
    top = Path("/sys/fs/cgroup/memory" if old else "/sys/fs/cgroup")
    place = top / lines["memory" if old else ""].lstrip("/") / f"jupyter-kf-binder-{os.getpid()}"
    try:
        place.mkdir()
    except OSError:
        yield None
        return
    try:
        (place / ("memory.limit_in_bytes" if old else "memory.max")).write_text(str(MEMORY))
        yield place
    except OSError:
        yield None
    finally:
        while (place / "cgroup.procs").read_text():
            time.sleep(0.1)
        place.rmdir()


def inside(place: Path | None, command: list[str]) -> list[str]:
    """Give the command that runs in the control group and on one core."""
    core = str(min(os.sched_getaffinity(0)))
    enter = f"echo $$ > {place}/cgroup.procs && " if place else ""
    return ["bash", "-c", f'{enter}exec taskset -c {core} "$@"', "bash", *command]


class Watch(threading.Thread):
    """Sums up what all processes of the prefix hold, each shared page once, a few times a second."""

    def __init__(self, prefix: Path) -> None:
        super().__init__(daemon=True)
        self.mark = f"NB_PYTHON_PREFIX={prefix}".encode()
        self.peak = 0
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.wait(0.3):
            self.peak = max(self.peak, sum(map(self.held, Path("/proc").glob("[0-9]*"))))

    def held(self, process: Path) -> int:
        with contextlib.suppress(OSError):
            if self.mark in (process / "environ").read_bytes().split(b"\0"):
                for line in (process / "smaps_rollup").read_text().splitlines():
                    if line.startswith("Pss:"):
                        return int(line.split()[1]) * 1024
        return 0


def measure(folder: Path) -> dict[str, Any]:
    """Open JupyterLab by ``start``, run the tour beside it; give the seconds of cells and the memory."""
    env, repo = environment(folder), folder / "repo"
    shutil.rmtree(folder / "run", ignore_errors=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    lab = ["jupyter-lab", "--allow-root", "--no-browser", f"--port={port}", "--IdentityProvider.token=tour"]
    watch = Watch(folder / "prefix")
    with group() as place:
        watch.start()
        began = time.monotonic()
        server = subprocess.Popen(
            inside(place, [str(repo / "binder/start"), *lab, "--ServerApp.port_retries=0"]),
            cwd=repo, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            wait(f"http://127.0.0.1:{port}/lab/tree/examples/tour.ipynb?token=tour", server)
            opened = time.monotonic() - began
            run = inside(place, ["python", "-c", TOUR])
            ran = subprocess.run(run, cwd=repo, env=env, check=True, stdout=subprocess.PIPE)
            killed = int(_counter(place, "oom_kill"))
            most = _most(place)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(30)
            stop = "from jupyter_kf.backends import warm; warm.stop()"
            subprocess.run(["python", "-c", stop], cwd=repo, env=env, check=False)
            watch.ended.set()
    figures = {"opened": opened, "cells": json.loads(ran.stdout), "pss": watch.peak}
    return figures | {"most": most, "killed": killed, "held": place is not None}


def wait(url: str, server: subprocess.Popen[bytes]) -> None:
    """Wait until the page is served."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.1)
    raise SystemExit("JupyterLab did not start.")


def _most(place: Path | None) -> int:
    for name in ("memory.max_usage_in_bytes", "memory.peak"):
        if place and (place / name).exists():
            return int((place / name).read_text())
    return 0


def _counter(place: Path | None, key: str) -> str:
    for name in ("memory.oom_control", "memory.events"):
        if place and (place / name).exists():
            return dict(line.split() for line in (place / name).read_text().splitlines())[key]
    return "0"


def main() -> int:
    """Build, measure, print; 1 if the first job took too long or something was killed for its memory."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--prefix", type=Path, help="keep the build here")
    given = parser.parse_args().prefix
    folder = (given or Path(tempfile.mkdtemp(prefix="kf-binder-"))).resolve()
    if not (folder / "prefix").exists():
        build(folder)
    seen = measure(folder)
    if not given:
        shutil.rmtree(folder)
    for line, seconds in seen["cells"]:
        print(f"{seconds:6.2f} s  {line}")
    first = next(seconds for line, seconds in seen["cells"] if line.startswith("%%kf"))
    print(f"JupyterLab served the tour after  {seen['opened']:.1f} s")
    print(f"the first job, the whole cell     {first:.1f} s  (limit {MOST_SECONDS:g})")
    print(f"mapped, pages of libraries too    {seen['pss'] / 1e6:.0f} MB, which is more than what is held")
    if seen["held"]:
        print(f"the control group held at most    {seen['most'] / 1e6:.0f} MB  (limit {MEMORY / 1e6:.0f})")
        print(f"processes killed for memory       {seen['killed']}")
    else:
        print("no control group could be made: one core, memory only watched")
    return int(first > MOST_SECONDS or seen["killed"] > 0)


if __name__ == "__main__":
    sys.exit(main())

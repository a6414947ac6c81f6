"""What a release must be: looked at before it is uploaded. ``make dist`` calls it; parts of it are tests."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path
from typing import TYPE_CHECKING

import jupyter_kf

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parents[1]
EXTENSION = "share/jupyter/labextensions/jupyter-kf"
# What goes beside the package, into the environment's own folders.
PLACED = (
    f"{EXTENSION}/install.json",
    f"{EXTENSION}/static/style.js",
    "etc/jupyter/jupyter_server_config.d/jupyter_kf.json",
    "etc/ipython/startup/50-jupyter-kf.py",
)
# Of what JupyterLab does not share among extensions, this is bundled. It has to be named in the wheel.
BUNDLED = {"@dagrejs/dagre", "uplot"}
FREE = {"MIT", "ISC", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0"}
LIST = "from {module} import main; import sys; sys.argv[1:] = ['list']; main()"


def version() -> str:
    """The version of the npm package, which is that of both."""
    return str(json.loads((ROOT / "labextension/package.json").read_text())["version"])


def check_wheel(wheel: Path, *, production: bool = True) -> None:
    """Its files, its metadata, and that it has all of the package and nothing else."""
    with zipfile.ZipFile(wheel) as opened:
        names = opened.namelist()
        (metadata,) = (n for n in names if n.endswith(".dist-info/METADATA"))
        told = Parser().parsestr(opened.read(metadata).decode())
        (entries,) = (opened.read(n).decode() for n in names if n.endswith("entry_points.txt"))
        (listed,) = (opened.read(n) for n in names if n.endswith(f"{EXTENSION}/package.json"))
        licences = [json.loads(opened.read(n)) for n in names if n.endswith("third-party-licenses.json")]
    assert told["Name"] == "jupyter-kf" and told["Version"] == version() == jupyter_kf.__version__
    assert told["License-Expression"] == "BSD-3-Clause" and "LICENSE" in told.get_all("License-File", [])
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(told.get_all("Provides-Extra", [])) == {name.replace("_", "-") for name in extras}
    assert all(f"[{group}]" in entries for group in ("jupyterhub.spawners", "jupyter_serverproxy_servers"))
    assert json.loads(listed)["version"] == version()
    ours = {n for n in names if n.startswith("jupyter_kf/")}
    source = (p for p in (ROOT / "jupyter_kf").rglob("*") if p.is_file() and "labextension" not in p.parts)
    assert ours == {str(p.relative_to(ROOT)) for p in source if p.suffix != ".pyc"}
    stem = f"jupyter_kf-{version()}"
    assert {n.split("/")[0] for n in set(names) - ours} == {f"{stem}.data", f"{stem}.dist-info"}
    for file in PLACED:
        assert any(n.endswith(file) for n in names), file
    for file in (
        "etc/jupyter/jupyter_server_config.d/jupyter_kf.json",
        "etc/ipython/startup/50-jupyter-kf.py",
    ):
        assert any(n.endswith(file) for n in names), file
    if production:
        assert not any(n.endswith(".map") for n in names), "a development build of the extension"
        check_licences(licences[0])


def check_licences(listed: dict[str, list[dict[str, str]]]) -> None:
    """The list of licences in the wheel names everything that is bundled, each with its text."""
    packages = {p["name"]: p for p in listed["packages"]}
    assert packages.keys() >= BUNDLED, f"not listed: {BUNDLED - packages.keys()}"
    for name, package in packages.items():
        assert package["licenseId"] in FREE, f"{name}: {package['licenseId']}"
        assert package["extractedText"], f"{name} without its text"


def check_sdist(sdist: Path) -> None:
    """It has what the wheel is made of, the built extension too, and what tests and readers need."""
    with tarfile.open(sdist) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    for needed in ("pyproject.toml", "LICENSE", "jupyter_kf/__init__.py", "labextension/src/index.ts"):
        assert needed in names, needed
    assert "jupyter_kf/labextension/static/style.js" in names, "Node would be needed to install it"
    assert not any("/node_modules/" in name or name.endswith(".pyc") for name in names)


def check_install(python: Path, home: Path) -> None:
    """An environment that has the wheel, without Node: both halves of the extension are there and on."""
    environ = {"HOME": str(home), "PATH": str(python.parent), "JUPYTER_PLATFORM_DIRS": "1"}

    def run(code: str) -> str:
        command = [python, "-c", code]
        done = subprocess.run(command, env=environ, cwd=home, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    assert "jupyter-kf v" + version() in _plain(run(LIST.format(module="jupyterlab.labextensions")))
    listed = run(LIST.format(module="jupyter_server.extension.serverextension"))
    assert "jupyter_kf enabled" in _plain(listed) and "jupyter_kf " + version() in _plain(listed)
    assert run("import jupyter_kf; print(jupyter_kf.__file__)").startswith(str(python.parents[1]))


def _plain(text: str) -> str:
    """Text of a terminal in one line, without its colours."""
    return " ".join(re.sub(r"\x1b\[\d*m", "", text).split())


def build(source: Path, out: Path) -> list[Path]:
    """Make the sdist, and the wheel from it."""
    command = [sys.executable, "-m", "build", "--outdir", out, source]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return sorted(out.iterdir())


def make(out: Path) -> Iterable[str]:
    """Make a release from the last commit and look at it; give what was done."""
    with tempfile.TemporaryDirectory(prefix="kf-dist-") as scratch:
        source, fresh = Path(scratch) / "source", Path(scratch) / "fresh"
        source.mkdir()
        archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, check=True, stdout=subprocess.PIPE)
        subprocess.run(["tar", "-x"], cwd=source, input=archive.stdout, check=True)
        wheel, sdist = build(source, out)
        yield f"made {sdist.name} and {wheel.name}"
        subprocess.run([sys.executable, "-m", "twine", "check", "--strict", wheel, sdist], check=True)
        check_wheel(wheel)
        check_sdist(sdist)
        yield "files, metadata, versions and licences are as they should be"
        subprocess.run([sys.executable, "-m", "venv", fresh], check=True)
        wanted = [fresh / "bin/pip", "install", "--quiet", f"{wheel}[lab]"]
        subprocess.run(wanted, check=True, env={**os.environ, "PATH": f"{fresh}/bin:/usr/bin:/bin"})
        check_install(fresh / "bin/python", Path(scratch))
        yield "a fresh environment without Node has both halves of the extension"


if __name__ == "__main__":
    for line in make(Path(sys.argv[1]).resolve()):
        print(line)

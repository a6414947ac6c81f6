"""The wheel and the sdist of this checkout, and what a release is made of."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import sysconfig
import venv
from typing import TYPE_CHECKING

import pytest

import jupyter_kf
from tests.distribution import BUNDLED, FREE, ROOT, build, check_install, check_sdist, check_wheel, version

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The wheel and the sdist, with the extension as it was last built here."""
    return build(ROOT, tmp_path_factory.mktemp("dist"))


def test_python_and_npm_have_one_version() -> None:
    assert jupyter_kf.__version__ == version()
    assert re.search(rf"^## {re.escape(version())}\b", (ROOT / "CHANGELOG.md").read_text(), re.M) or list(
        (ROOT / "changelog.d").glob("+*.md")
    )


def test_bundled_javascript_is_free_and_named() -> None:
    package = json.loads((ROOT / "labextension/package.json").read_text())
    shared = re.compile(r"@jupyterlab/|@lumino/|react$")
    assert {name for name in package["dependencies"] if not shared.match(name)} == BUNDLED
    for name in BUNDLED:
        installed = json.loads((ROOT / "labextension/node_modules" / name / "package.json").read_text())
        assert installed["license"] in FREE


@pytest.mark.timeout(240)
def test_wheel_and_sdist(made: list[Path]) -> None:
    wheel, sdist = made
    check_wheel(wheel, production=False)
    check_sdist(sdist)
    checked = [sys.executable, "-m", "twine", "check", "--strict", *made]
    done = subprocess.run(checked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.timeout(240)
def test_the_wheel_in_an_environment_of_its_own_without_node(made: list[Path], tmp_path: Path) -> None:
    fresh = tmp_path / "fresh"
    venv.create(fresh, with_pip=False)
    python = fresh / "bin/python"
    # JupyterLab and the other dependencies are those of the tests; ours comes first.
    place = next((fresh / "lib").glob("python*")) / "site-packages"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", made[0]]
    subprocess.run(pip, check=True)
    (place / "others.pth").write_text(sysconfig.get_path("purelib"))
    check_install(python, tmp_path)

"""The folder that Binder reads: it fits repo2docker, the package's own metadata and the tour."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BINDER = ROOT / "binder"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize("name", ["postBuild", "start"])
def test_scripts_can_be_run(name: str) -> None:
    assert os.access(BINDER / name, os.X_OK)
    assert (BINDER / name).read_text().startswith("#!/bin/bash\n")
    subprocess.run(["bash", "-n", BINDER / name], check=True)


def test_start_goes_on_to_the_server() -> None:
    assert (BINDER / "start").read_text().rstrip().splitlines()[-1] == 'exec "$@"'


def test_the_version_of_python_is_a_supported_one() -> None:
    name, _, version = (BINDER / "runtime.txt").read_text().strip().partition("-")
    assert name == "python"
    assert f"Programming Language :: Python :: {version}" in PROJECT["classifiers"]


def test_requirements_are_those_of_the_package() -> None:
    lines = (BINDER / "requirements.txt").read_text().splitlines()
    wanted = [line for line in lines if line and not line.startswith(("#", "-c"))]
    own = next(line for line in wanted if line.startswith("."))
    assert set(re.findall(r"[\w-]+", own)) <= PROJECT["optional-dependencies"].keys()
    # Versions stand in one place, the constraints; here are names only.
    assert all(re.fullmatch(r"[\w-]+", line) for line in wanted if line != own)
    constraints = next(line for line in lines if line.startswith("-c")).split()[1]
    pinned = (BINDER / constraints).resolve().read_text()
    for line in wanted:
        assert line == own or f"\n{line}==" in pinned


def test_the_badge_leads_to_the_tour() -> None:
    readme = (BINDER / "README.md").read_text()
    found = re.search(r"https://mybinder\.org/v2/\S+\?urlpath=lab/tree/(\S+)", readme)
    assert found is not None and (ROOT / found[1]).is_file()
    assert "](binder/README.md)" in (ROOT / "README.md").read_text()


def test_post_build_reads_lists_to_their_end() -> None:
    """A list that goes on when ``grep -q`` has found what it wants breaks off, and its pipe has failed."""
    script = (BINDER / "postBuild").read_text()
    checks = re.findall(r"^jupyter (?:server|lab)\s?extension list .*", script, re.M)
    assert len(checks) == 2
    for check in checks:
        line = re.search(r"'(.*)'", check)
        assert line is not None
        long = f"(echo '{line[1].replace('.*', ' ')}'; seq 100000)"
        piped = re.sub(r"^[^|]*", f"{long} 2>/dev/null ", check)
        subprocess.run(["bash", "-euo", "pipefail", "-c", piped], check=True)

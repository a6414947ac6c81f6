"""What README and documentation show is done: cells run in a kernel, catalogues are compiled, commands are asked.

A page's cells run in one session, after what a reader of it has. What needs more than this machine is marked in
the page, and counted here, so that it does not become more unseen.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tomllib
from collections import Counter
from copy import copy
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import fsspec
import pytest
import yaml
from IPython.core.inputtransformer2 import TransformerManager
from packaging.requirements import Requirement
from traitlets import HasTraits
from traitlets.config import Config

from jupyter_kf.hub.catalogue import Base, job_profiles, profile_list
from jupyter_kf.hub.offers import read
from jupyter_kf.magics import KFMagics
from jupyter_kf.profiles import PROFILES_VARIABLE, Profile
from tests.snippets import ROOT, WRITTEN, Snippet, everywhere, snippets
from tests.warmth import place, warm_place

from .conftest import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["place", "warm_place"]

# Of each kind of block, how many there are that this machine cannot run, by what they need.
NEEDS = {"a cluster": 4}
# Pages that are one program, from top to bottom; the others begin with what a reader has.
PROGRAMS = {"tutorial.md", "laptop.md"}
READER_HAS = """
%load_ext jupyter_kf
import keras, numpy as np, tensorflow as tf
import jupyter_kf as kf
keras.utils.set_random_seed(1)
x = np.random.default_rng(1).normal(size=(64, 4)).astype("float32")
y = x.sum(axis=1, keepdims=True)
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
model.compile("sgd", "mse")
train = tf.data.Dataset.from_tensor_slices((x, y)).batch(32)
batches = train.map(lambda x, y: x)
optimizer = keras.optimizers.SGD(0.01)

@tf.function
def step(x, y):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((model(x, training=True) - y) ** 2)
    optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
    return loss
"""
ALSO_HAS = {"graphs.md": 'kf.save_graph("theirs", model, x);'}
MAGICS = ("%", "!")


def with_cells() -> list[Path]:
    return [page for page in WRITTEN if any(not _is_configuration(s) for s in snippets(page, "python"))]


def _is_configuration(snippet: Snippet) -> bool:
    return re.match(r"c\.\w+\.\w+ = ", snippet.text) is not None


@pytest.fixture(scope="module")
def kernel(warm_place: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """One session for all pages."""
    folder = tmp_path_factory.mktemp("reader")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_KF_STORE", str(folder / "store"))
        patch.setenv("JUPYTER_KF_SLOTS", "4")
        patch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")
        kernel = Kernel(str(folder))
    yield kernel
    kernel.close()


@pytest.mark.gang
@pytest.mark.timeout(240)
@pytest.mark.parametrize("page", with_cells(), ids=lambda page: page.stem)
def test_the_cells_of_a_page_run(kernel: Kernel, page: Path) -> None:
    kernel.run("%reset -f")
    if page.name not in PROGRAMS:
        profiles = [
            each.to_dict() for s in snippets(page, "yaml") for each in job_profiles(read(s.text).offers)
        ]
        kernel.run(f"import os; os.environ[{PROFILES_VARIABLE!r}] = {json.dumps(profiles)!r}")
        begun = kernel.run(READER_HAS + ALSO_HAS.get(page.name, ""))
        assert begun.status == "ok", begun.evalue
    for snippet in snippets(page, "python"):
        for cell in () if snippet.needs or _is_configuration(snippet) else snippet.cells:
            reply = kernel.run(cell)
            if refused := re.search(r"# refused: (.*)", cell):
                assert refused[1] in reply.evalue + reply.stderr, f"{snippet}: {reply}"
            else:
                assert reply.status == "ok", f"{snippet}: {cell}\n{reply.evalue}{reply.stderr}"


def test_what_cannot_run_here_is_counted() -> None:
    languages = ("python", "console", "yaml", "json")
    found = [each for language in languages for each in everywhere(language)]
    assert Counter(each.needs for each in found if each.needs) == NEEDS
    fences = sum(len(re.findall(r"```(?:python|console|yaml|json)\b", p.read_text())) for p in WRITTEN)
    assert len(found) == fences, "a block that is not found is not run"


@pytest.mark.parametrize("snippet", [s for s in everywhere("python") if s.needs], ids=str)
def test_cells_that_do_not_run_here_can_be_read(snippet: Snippet) -> None:
    for cell in snippet.cells:
        compile(TransformerManager().transform_cell(cell), str(snippet), "exec")
        if asked := re.match(r"%%kf(.*)", cell):
            KFMagics.kf_cell.parser.parse_args(asked[1].split())


@pytest.mark.parametrize("snippet", [s for s in everywhere("python") if _is_configuration(s)], ids=str)
def test_a_configuration_is_taken(snippet: Snippet) -> None:
    from jupyterhub.app import JupyterHub

    from jupyter_kf.hub.spawner import KFSpawner

    config = Config()
    exec(snippet.text, {"c": config})
    for kind, settings in config.items():
        traits = {"JupyterHub": JupyterHub, "KFSpawner": KFSpawner}[kind].class_traits(config=True)
        asked = type(kind, (HasTraits,), {name: copy(traits[name]) for name in settings})
        assert asked(**settings).trait_values() == settings


@pytest.mark.parametrize("snippet", [s for s in everywhere("yaml") if "\nkind:" not in s.text], ids=str)
def test_a_catalogue_is_compiled(snippet: Snippet) -> None:
    part = "profiles:" not in snippet.text
    catalogue = read(snippet.text + ("profiles: [{name: cpu}]\n" if part else ""))
    offered = [offer for offer in catalogue.offers if offer.servers]
    assert len(profile_list(offered, Base([], [], []))) == len(offered)
    assert job_profiles(catalogue.offers)


@pytest.mark.parametrize("snippet", [s for s in everywhere("yaml") if "\nkind:" in s.text], ids=str)
def test_a_manifest_is_what_the_tests_on_a_cluster_make(snippet: Snippet) -> None:
    made = (ROOT / "tests" / "cluster" / "throwaway" / "kueue.py").read_text()
    manifest = yaml.safe_load(snippet.text)
    group, version = manifest["apiVersion"].split("/")
    assert f'_GROUP = "{group}"' in made and f"{{_GROUP}}/{version}" in made
    assert f'"kind": "{manifest["kind"]}"' in made
    assert manifest["metadata"].keys() == {"name", "namespace"}
    assert all(f'"{key}": ' in made for key in manifest["spec"])


@pytest.mark.parametrize("snippet", everywhere("json"), ids=str)
def test_json_is_a_profile_or_a_configuration_of_stores(snippet: Snippet, tmp_path: Path) -> None:
    data = json.loads(snippet.text)
    if "name" in data:
        assert Profile.from_dict(data).to_dict().items() >= data.items()
        return
    (tmp_path / "s3.json").write_text(snippet.text)
    taken: dict[str, Any] = {}
    fsspec.config.set_conf_files(str(tmp_path), taken)
    assert taken == data and taken.keys() <= set(fsspec.available_protocols())


@pytest.mark.parametrize("snippet", everywhere("console"), ids=str)
def test_a_command_is_one_that_its_program_takes(snippet: Snippet) -> None:
    assert snippet.commands
    for command in snippet.commands:
        words = shlex.split(re.sub(r"^(\w+=\S+ )+", "", command))
        program = words.pop(0).removeprefix(".venv/bin/").replace("python3", "python")
        assert program in PROGRAMS_ASKED, f"{snippet}: nothing here knows {program!r}"
        PROGRAMS_ASKED[program](words)


def _make(words: list[str]) -> None:
    targets = [word for word in words if "=" not in word]
    for target in targets:
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.M), target


def _pip(words: list[str]) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert words[0] == "install"
    for word in words[1:]:
        wanted = Requirement(re.sub(r"^(\.|dist/jupyter_kf-.*\.whl)(?=\[|$)", "jupyter-kf", word))
        assert wanted.name != "jupyter-kf" or wanted.extras <= extras.keys()


def _python(words: list[str]) -> None:
    from jupyter_kf.__main__ import parser

    if words[:2] == ["-m", "jupyter_kf"]:
        parser().parse_args(words[2:])
    elif words[0] == "-m":
        assert find_spec(words[1]) and all((ROOT / word).exists() for word in words[2:] if "/" in word)
    elif words[0] == "-c":  # beside the files that administrators get
        done = subprocess.run([sys.executable, *words], cwd=ROOT / "hub_config", check=False)
        assert done.returncode == 0
    else:
        assert (ROOT / words[0]).is_file()


def _files(words: list[str]) -> None:
    """What these programs do is another's; the files that they are given are ours."""
    named = {word.rpartition("=")[2] for word in words if word.endswith((".yaml", ".py"))}
    for name in named:
        assert (ROOT / name).is_file() or (ROOT / "hub_config" / name).is_file(), name


def _towncrier(words: list[str]) -> None:
    command = [sys.executable, "-m", "towncrier", *words, "--draft"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "No significant changes" not in done.stdout, done.stdout + done.stderr


def _known(words: list[str]) -> None:
    """Programs that are left as they are."""


PROGRAMS_ASKED = {
    "make": _make,
    "pip": _pip,
    "python": _python,
    "jupyterhub": _files,
    "helm": _files,
    "kubectl": _files,
    "towncrier": _towncrier,
    "twine": _known,
    **dict.fromkeys(("npm", "git", "cd", ".", "apt", "jupyter"), _known),
}

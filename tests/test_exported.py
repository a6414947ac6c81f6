from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

import pytest

import jupyter_kf

HEAVY = (
    "tensorflow",
    "keras",
    "numpy",
    "IPython",
    "traitlets",
    "fsspec",
    "kubernetes",
    "jupyter_core",
    "asyncio",
)

FRESH = """
import json, sys
sys.path[:] = {path!r}
import jupyter_kf
{more}
print(json.dumps(sorted(sys.modules)))
"""


def _modules_after(more: str = "") -> set[str]:
    code = FRESH.format(path=sys.path, more=more)
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def test_all_is_the_sorted_list_of_public_names():
    homes = [name for names in jupyter_kf._HOME.values() for name in names]

    assert sorted(homes) == jupyter_kf.__all__
    assert len(homes) == len(set(homes))


def test_import_loads_nothing_heavy():
    loaded = _modules_after()

    assert not loaded & set(HEAVY)
    assert {name for name in loaded if name.startswith("jupyter_kf")} == {"jupyter_kf"}


@pytest.mark.parametrize("name", jupyter_kf.__all__)
def test_every_public_name_is_where_it_is_said_to_be(name):
    home = next(module for module, names in jupyter_kf._HOME.items() if name in names)
    if importlib.util.find_spec(f"jupyter_kf.{home}") is None:
        pytest.fail(f"there is no jupyter_kf.{home}")

    value = getattr(jupyter_kf, name)

    assert value is getattr(sys.modules[f"jupyter_kf.{home}"], name)
    assert value.__doc__, f"{name} is public and has no docstring"


def test_an_executor_can_be_had_without_tensorflow():
    loaded = _modules_after("jupyter_kf.Executor, jupyter_kf.Job, jupyter_kf.Profile, jupyter_kf.JobSpec")

    assert not loaded & {"tensorflow", "keras", "IPython", "kubernetes"}


def test_names_are_offered_for_completion():
    assert set(jupyter_kf.__all__) <= set(dir(jupyter_kf))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'Worker'"):
        _ = jupyter_kf.Worker

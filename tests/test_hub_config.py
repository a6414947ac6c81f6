"""What hub_config/ gives to administrators is as it says."""

from __future__ import annotations

import re
import shlex
from importlib.metadata import entry_points, metadata, version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from traitlets.config import Config, PyFileConfigLoader

from jupyter_kf.hub.catalogue import job_profiles
from jupyter_kf.hub.namespaces import RIGHTS
from jupyter_kf.hub.offers import read_file
from jupyter_kf.hub.setup import complete

KIT = Path(__file__).parents[1] / "hub_config"


def test_the_profiles_can_be_read():
    catalogue = read_file(KIT / "profiles.yaml")
    names = [profile.name for profile in job_profiles(catalogue.jobs(["large-models"]))]
    assert names == ["cpu", "a100", "a100-x2", "a100-x4", "h100-slice", "l4-shared", "v5e", "v6e-16"]
    assert "v6e-16" not in [offer.name for offer in catalogue.servers(["large-models"])]


def test_the_hub_can_give_away_the_rights_that_it_gives():
    """Else the API server refuses to make the Role of a user."""
    [rules] = [
        each["rules"]
        for each in yaml.safe_load_all((KIT / "rbac.yaml").read_text())
        if each["kind"] == "ClusterRole"
    ]
    has = {
        (g, r, v)
        for rule in rules
        for g in rule["apiGroups"]
        for r in rule["resources"]
        for v in rule["verbs"]
    }
    assert {(group, kind, verb) for (group, kind), verbs in RIGHTS.items() for verb in verbs} <= has
    assert not [each for each in has if each[1] == "secrets" or "*" in each]


def test_each_right_of_the_hub_has_a_reason():
    lines = (KIT / "rbac.yaml").read_text().splitlines()
    for number, line in enumerate(lines):
        if line.lstrip().startswith("- apiGroups"):
            reason = lines[number - 1].strip()
            assert reason.startswith("# ") or reason == "rules:", f"line {number + 1} has no reason"


def test_the_values_start_our_spawner_with_the_catalogue():
    values = yaml.safe_load((KIT / "values.yaml").read_text())
    code = values["hub"]["extraConfig"]["jupyter-kf"]
    place = values["hub"]["extraFiles"]["profiles"]["mountPath"]
    assert f'catalogue_file = "{place}"' in code
    assert values["hub"]["consecutiveFailureLimit"] == 0
    assert values["singleuser"]["cloudMetadata"]["blockWithIptables"] is False


# Keys of the chart's values that ours set, with their types: jupyterhub/values.schema.yaml of
# https://github.com/jupyterhub/zero-to-jupyterhub-k8s, version 4.4. Helm refuses a key that is not there.
CHART = {
    "hub.image.name": str,
    "hub.image.tag": str,
    "hub.extraFiles.*.mountPath": str,
    "hub.consecutiveFailureLimit": int,
    "hub.extraConfig.*": str,
    "hub.networkPolicy.ingress": list,
    "singleuser.image.name": str,
    "singleuser.image.tag": str,
    "singleuser.profileList": list,
    "singleuser.cloudMetadata.blockWithIptables": bool,
    "cull.enabled": bool,
    "prePuller.hook.enabled": bool,
}
# Below these the names are the administrator's.
FREE = ("hub.extraFiles", "hub.extraConfig")


def leaves(values, path=""):
    for key, value in values.items():
        place = f"{path}.{'*' if path in FREE else key}".lstrip(".")
        if isinstance(value, dict):
            yield from leaves(value, place)
        else:
            yield place, type(value)


def test_the_values_are_those_that_the_chart_knows():
    found = dict(leaves(yaml.safe_load((KIT / "values.yaml").read_text())))
    assert found == CHART


def test_the_code_in_the_values_is_a_hubs_configuration(tmp_path):
    values = yaml.safe_load((KIT / "values.yaml").read_text())
    code = "c = get_config()\n" + values["hub"]["extraConfig"]["jupyter-kf"]
    (tmp_path / "config.py").write_text(code)
    config = PyFileConfigLoader("config.py", str(tmp_path)).load_config()
    assert config.JupyterHub.spawner_class == "kf"
    assert [each["name"] for each in config.JupyterHub.services] == ["jupyter-kf-culler"]


@pytest.mark.parametrize(
    ("set_", "namespace", "expected"),
    [
        ("http://hub:8081", "research", "http://hub.research:8081"),
        ("http://hub.own:8081", "research", "http://hub.own:8081"),
        ("http://127.0.0.1:8081", "research", "http://127.0.0.1:8081"),
        ("http://hub:8081", None, "http://hub:8081"),
    ],
)
def test_servers_in_other_namespaces_find_the_hub(monkeypatch, set_, namespace, expected):
    """The chart names the hub's Service alone, which is known in the hub's own namespace only."""
    monkeypatch.delenv("POD_NAMESPACE", raising=False)
    if namespace:
        monkeypatch.setenv("POD_NAMESPACE", namespace)
    config = Config(JupyterHub={"hub_connect_url": set_})
    complete(config)
    assert config.JupyterHub.hub_connect_url == expected


IMAGES = sorted((KIT / "images").glob("*/Dockerfile"))
an_image = pytest.mark.parametrize("file", IMAGES, ids=lambda file: file.parent.name)


@an_image
def test_an_image_installs_what_there_is(file):
    """Parts of this package that it has, and other packages in versions that these tests run with."""
    [line] = re.findall(r"^RUN pip install --no-cache-dir (.+)$", file.read_text(), re.M)
    for wanted in map(Requirement, shlex.split(line)):
        if wanted.name == "jupyter-kf":
            assert wanted.extras <= set(metadata("jupyter-kf").get_all("Provides-Extra"))
        else:
            assert wanted.specifier.contains(version(wanted.name)), wanted


@an_image
def test_an_image_has_a_base_of_one_version_and_does_not_run_as_root(file):
    text = file.read_text()
    assert re.findall(r"^FROM \S+:(?!latest)\S+$", text, re.M)
    assert (re.findall(r"^USER (\S+)", text, re.M) or ["the base's"])[-1] != "root"


@an_image
def test_an_image_uses_no_variable_of_its_base(file):
    """What the base was built with (ARG) is not known in what is built on it."""
    text = file.read_text()
    assert not set(re.findall(r"\$\{?(\w+)", text)) - set(re.findall(r"^(?:ARG|ENV) (\w+)", text, re.M))


def test_the_spawner_has_a_name():
    [found] = entry_points(group="jupyterhub.spawners", name="kf")
    assert found.load().__name__ == "KFSpawner"


def test_the_configuration_for_one_machine_is_one():
    config = PyFileConfigLoader("jupyterhub_config.py", str(KIT)).load_config()
    assert config.JupyterHub.spawner_class == "simple"
    assert config.Spawner.environment == {"JUPYTER_KF_BACKEND": "local"}

from __future__ import annotations

import json

import pytest

from jupyter_kf.errors import SpecError
from jupyter_kf.executor import Options
from jupyter_kf.profiles import PROFILES_VARIABLE, Profile, catalogue, find, parse
from jupyter_kf.spec import Resources

ENTRIES = [
    {"name": "small", "title": "Two cores", "resources": {"cpu": 2, "memory": 4 << 30}},
    {
        "name": "a100",
        "image": "tf:gpu",
        "queue": "gpus",
        "resources": {"accelerator": "nvidia.com/gpu", "accelerators": 1},
    },
]


def test_no_catalogue_is_an_empty_one(monkeypatch):
    monkeypatch.delenv(PROFILES_VARIABLE, raising=False)
    assert catalogue() == ()

    monkeypatch.setenv(PROFILES_VARIABLE, "  \n")
    assert catalogue() == ()


def test_the_catalogue_stands_in_the_environment(monkeypatch):
    monkeypatch.setenv(PROFILES_VARIABLE, json.dumps(ENTRIES))

    small, a100 = catalogue()

    assert small == Profile("small", title="Two cores", resources=Resources(cpu=2.0, memory=4 << 30))
    assert (a100.image, a100.queue, a100.resources.accelerators) == ("tf:gpu", "gpus", 1)


def test_the_catalogue_stands_in_a_file(monkeypatch, tmp_path):
    file = tmp_path / "profiles.json"
    file.write_text(json.dumps(ENTRIES), encoding="utf-8")
    monkeypatch.setenv(PROFILES_VARIABLE, str(file))

    assert [profile.name for profile in catalogue()] == ["small", "a100"]


def test_a_file_that_is_not_there_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv(PROFILES_VARIABLE, str(tmp_path / "absent.json"))

    with pytest.raises(SpecError, match=r"absent\.json.*cannot be read"):
        catalogue()


def test_a_file_that_is_not_text_is_named(monkeypatch, tmp_path):
    (tmp_path / "image.png").write_bytes(b"\x89PNG\xff")
    monkeypatch.setenv(PROFILES_VARIABLE, str(tmp_path / "image.png"))

    with pytest.raises(SpecError, match=r"image\.png.*cannot be read"):
        catalogue()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[", "not JSON"),
        ('{"name": "a"}', "must be a list"),
        ("[3]", "Profile 1 of the catalogue: Profile must be an object, not 3"),
        ('[{"title": "x"}]', "Profile 1 of the catalogue: Profile lacks name"),
        ('[{"name": ""}]', "needs a name"),
        ('[{"name": "a"}, {"name": "b", "resources": {"cpu": "2"}}]', "Profile 'b'.*Profile.resources.cpu"),
        ('[{"name": "a", "resources": {"cpu": -1}}]', "Profile 'a'.*must be positive"),
        ('[{"name": "a"}, {"name": "a"}]', "more than one profile 'a'"),
    ],
)
def test_a_wrong_catalogue_is_told_by_profile_and_field(text, said):
    with pytest.raises(SpecError, match=said):
        parse(text)


def test_keys_of_a_newer_version_are_passed_over():
    assert parse('[{"name": "a", "colour": "red"}]') == (Profile("a"),)


def test_find_gives_the_profile_of_a_name(monkeypatch):
    monkeypatch.setenv(PROFILES_VARIABLE, json.dumps(ENTRIES))

    assert find("a100").image == "tf:gpu"
    assert find("x", [Profile("x")]) == Profile("x")


def test_find_names_what_there_is(monkeypatch):
    monkeypatch.setenv(PROFILES_VARIABLE, json.dumps(ENTRIES))
    with pytest.raises(SpecError, match="no profile 'h100'; profiles: small, a100"):
        find("h100")

    with pytest.raises(SpecError, match="none are set up here"):
        find("h100", ())


def test_a_profile_goes_through_json():
    for profile in parse(json.dumps(ENTRIES)):
        assert Profile.from_dict(json.loads(json.dumps(profile.to_dict()))) == profile


def test_a_slice_takes_as_many_workers_as_it_has_hosts(monkeypatch):
    monkeypatch.setenv(PROFILES_VARIABLE, json.dumps([{"name": "v6e", "hosts": 4}]))

    assert Options(workers=4, profile="v6e").spec("cell").replicas == 4
    with pytest.raises(SpecError, match="slice of 4 hosts: it takes 4 workers, not 2"):
        Options(workers=2, profile="v6e").spec("cell")

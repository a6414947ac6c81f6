"""Limits of a profile: when a server must stop, and how a hub is told to see to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from jupyterhub.scopes import scope_definitions
from traitlets.config import Config

from jupyter_kf.hub import culling
from jupyter_kf.hub.culling import ProfileCuller, is_over
from jupyter_kf.hub.offers import read_dict
from jupyter_kf.hub.setup import complete

LIMITS = read_dict({"profiles": [{"name": "both", "idle": "1h", "age": "7d"}, {"name": "free"}]})
NOW = datetime(2026, 1, 10, tzinfo=UTC)


def server(profile="both", age=timedelta(hours=2), **other):
    started = (NOW - age).isoformat().replace("+00:00", "Z")
    return {"full_name": "ana/", "started": started, "user_options": {"profile": profile}} | other


@pytest.mark.parametrize(
    ("found", "idle", "said"),
    [
        (server(), timedelta(minutes=59), ""),
        (server(), timedelta(minutes=61), "idle for 1:01:00, and 'both' allows 1:00:00"),
        (server(age=timedelta(days=8)), timedelta(), "there for 8 days, 0:00:00, and 'both' allows 7 days"),
        (server("free", timedelta(days=99)), timedelta(days=99), ""),
        (server("gone", timedelta(days=99)), timedelta(days=99), ""),
        (server(started=None), timedelta(), ""),
        (server(user_options=None), timedelta(days=99), ""),
        (server(user_options={}), timedelta(days=99), ""),
    ],
)
def test_the_limits_are_the_profiles(found, idle, said):
    why = is_over(LIMITS, found, idle, NOW)
    assert said in why if said else why == ""


def test_the_culler_goes_by_the_file_as_it_is_now(tmp_path):
    """And a change that is wrong leaves the limits that were right, so that no server is ended by it."""
    file = tmp_path / "profiles.yaml"
    file.write_text("profiles: [{name: both, idle: 1h}]")
    over = ProfileCuller(catalogue_file=str(file)).cull_arbiter_hook
    idle = {"inactive": timedelta(minutes=50), "inactive_limit": 1, "server": server()}
    assert not over(**idle)
    file.write_text("profiles: [{name: both, idle: 30m}]")
    assert over(**idle)
    file.write_text("profiles: 3")
    assert over(**idle)


def test_a_hub_is_completed_beside_what_it_has():
    c = Config()
    c.KFSpawner.catalogue_file = "/profiles.yaml"
    c.JupyterHub.services = [{"name": "mine"}]
    complete(c, cull_every=7)
    assert c.JupyterHub.spawner_class == "kf"
    assert [each["name"] for each in c.JupyterHub.services] == ["mine", culling.SERVICE]
    command = c.JupyterHub.services[1]["command"]
    assert command[-2:] == ["--ProfileCuller.catalogue_file=/profiles.yaml", "--cull-every=7"]
    [role] = c.JupyterHub.load_roles
    assert role["services"] == [culling.SERVICE]
    assert set(role["scopes"]) <= scope_definitions.keys()
    assert len(c.JupyterHub.extra_handlers) == 1


@pytest.mark.parametrize(
    ("bound", "base", "url"),
    [
        ("http://:8081", None, "--url=http://localhost:8081/hub/api"),
        ("http://:8081", "/team/", "--url=http://localhost:8081/team/hub/api"),
        ("http://10.0.0.1:8081", None, "--cull-every=60"),
        (None, None, "--cull-every=60"),
    ],
)
def test_the_culler_finds_a_hub_that_listens_everywhere_beside_it(bound, base, url):
    """As the hub in a pod of Zero to JupyterHub, whose policy does not let itself in by its Service."""
    c = Config()
    c.KFSpawner.catalogue_file = "/profiles.yaml"
    if bound:
        c.JupyterHub.hub_bind_url = bound
    if base:
        c.JupyterHub.base_url = base
    complete(c)
    assert c.JupyterHub.services[0]["command"][-1] == url


def test_a_hub_without_limits_has_no_culler():
    c = Config()
    complete(c)
    assert "services" not in c.JupyterHub

"""What the hub's metrics page says of spawning."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
from prometheus_client import REGISTRY

from jupyter_kf.hub import metrics, watching
from jupyter_kf.hub.availability import Held, Node
from jupyter_kf.hub.offers import read_dict
from jupyter_kf.hub.pending import KINDS, Why
from jupyter_kf.hub.refusals import refusal

OFFERS = read_dict(
    {"profiles": [{"name": "cpu"}, {"name": "gpu", "accelerator": {"vendor": "nvidia"}}]}
).offers


@pytest.fixture
async def look():
    """A look at a cluster of which nothing is known yet."""
    found = watching.Look.shared()
    found._task.cancel()
    found.offers = OFFERS
    yield found
    watching._looks.clear()


def value(name, **labels):
    return REGISTRY.get_sample_value(f"jupyter_kf_{name}", labels)


async def test_the_age_of_a_watch_grows_until_it_tells_something(look):
    assert value("watch_age_seconds", watch="free-nodes") is None
    look._seen["node"] = time.monotonic() - 50
    assert 50 <= value("watch_age_seconds", watch="free-nodes") < 60


async def test_the_oldest_of_the_watches_of_servers_counts(look):
    others = [SimpleNamespace(kind="pods", age=age, _stopping=age > 90) for age in (5, 70, 100)]
    metrics.reflectors.update(others := [_Thing(**vars(each)) for each in others])
    assert value("watch_age_seconds", watch="servers-pods") == 70
    assert len(others) == 3


async def test_what_is_free_is_told_if_it_is_known(look):
    look.nodes["a"] = Node({"nvidia.com/gpu": 4})
    look.pods["x/y"] = Held("a", {"nvidia.com/gpu": 1})
    assert value("accelerators_free", profile="gpu") is None
    look._seen.update(node=time.monotonic(), pod_for_all_namespaces=time.monotonic())
    assert value("accelerators_free", profile="gpu") == 3
    assert value("accelerators_free", profile="cpu") is None


async def test_servers_that_wait_are_counted_by_what_they_wait_for(look):
    waiting = [_Thing(why=lambda: Why("queue", "words")) for _ in range(2)]
    metrics.starting.update(waiting)
    assert {kind: value("pending_servers", reason=kind) for kind in KINDS} == {
        kind: 2.0 if kind == "queue" else 0.0 for kind in KINDS
    }
    metrics.starting.clear()


def test_refusals_are_counted_by_kind():
    before = value("refusals_total", kind="quota") or 0
    refusal("You may not.", "quota", 403)
    assert value("refusals_total", kind="quota") == before + 1


class _Thing:
    """Something with attributes that can be in a set of weak references."""

    def __init__(self, **attributes):
        self.__dict__.update(attributes)

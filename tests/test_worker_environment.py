from __future__ import annotations

import json
import os

import pytest

from jupyter_kf import JobEnvironment

ADDRESSES = ("127.0.0.1:20000", "127.0.0.1:20001")


@pytest.fixture(autouse=True)
def outside(monkeypatch):
    for name in ("JUPYTER_KF_ENVIRONMENT", "TF_CONFIG"):
        monkeypatch.setenv(name, "")  # undone at the end, whatever the test exports
        monkeypatch.delenv(name)


def test_outside_of_a_job_there_is_none():
    assert JobEnvironment.current() is None


def test_inside_it_says_where_we_are():
    place = JobEnvironment("night", 1, ADDRESSES, attempt=2, start_timeout=30.0)

    place.export()

    assert JobEnvironment.current() == place
    assert JobEnvironment.current().world_size == 2


def test_strategies_of_tensorflow_are_told_the_same():
    JobEnvironment("night", 1, ADDRESSES).export()

    assert json.loads(os.environ["TF_CONFIG"]) == {
        "cluster": {"worker": list(ADDRESSES)},
        "task": {"type": "worker", "index": 1},
    }


def test_a_job_of_one_has_no_cluster():
    JobEnvironment("night", 0, ADDRESSES[:1]).export()

    assert "TF_CONFIG" not in os.environ
    assert JobEnvironment.current().world_size == 1

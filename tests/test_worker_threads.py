"""Each rank takes its share of the cores, and no more than its control group gives."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from jupyter_kf.spec import JobSpec
from jupyter_kf.worker import threads
from jupyter_kf.worker.environment import JobEnvironment

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("addresses", "shards", "expected"),
    [
        (["127.0.0.1:1"], None, 8),
        (["127.0.0.1:1"], 4, 2),
        (["127.0.0.1:1"], 20, 1),
        (["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"], None, 2),
        (["10.0.0.1:1"], 4, 8),
        (["10.0.0.1:1", "10.0.0.2:1"], None, 8),
        (["10.0.0.1:1", "10.0.0.1:2", "10.0.0.2:1"], None, 4),
        (["[fd00::1]:1", "[fd00::2]:1"], None, 8),
    ],
)
def test_a_rank_takes_its_share_of_its_host(addresses: list[str], shards: int | None, expected: int) -> None:
    labels = {threads.SHARDS_LABEL: str(shards)} if shards else {}
    place = JobEnvironment("job", 0, tuple(addresses))
    assert threads.share(place, JobSpec("job", labels=labels), 8) == expected


@pytest.mark.parametrize(
    ("text", "most"),
    [("100000 100000\n", 1), ("10000 100000\n", 1), ("max 100000\n", 10**6), ("nonsense", 10**6)],
)
def test_the_quota_of_the_control_group_counts(text: str, most: int, tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert threads.cores(tmp_path / "cpu.max") == min(len(os.sched_getaffinity(0)), most)


def test_without_control_groups_it_is_the_cores_it_is_bound_to(tmp_path: Path) -> None:
    assert threads.cores(tmp_path / "absent") == len(os.sched_getaffinity(0))


def test_what_the_user_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(threads.VARIABLE, "3")
    threads.limit(JobEnvironment("job", 0, ("127.0.0.1:1",)), JobSpec("job"))
    assert os.environ[threads.VARIABLE] == "3"

"""Starting a group and losing a member: every wait is bounded and says who is missing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.gang.gang import ROOT, free_addresses

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.gang, pytest.mark.timeout(1500)]
START = """
import sys
from jupyter_kf.parallel import collective
try:
    collective.start(int(sys.argv[1]), sys.argv[2].split(","), timeout=float(sys.argv[3]))
except TimeoutError as error:
    print("TimeoutError", error, flush=True)
    import os
    os._exit(3)
print("started", int(collective.add(1)), flush=True)
for _ in range(100000):
    collective.add(1)
"""


def member(rank: int, addresses: list[str], timeout: float, folder: Path) -> subprocess.Popen[bytes]:
    with (folder / f"{rank}.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-c", START, str(rank), ",".join(addresses), str(timeout)],
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        )


def text(folder: Path, rank: int) -> str:
    return (folder / f"{rank}.log").read_text(errors="replace")


def until(condition: object, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


@pytest.mark.parametrize("rank", [0, 1])
def test_a_missing_peer_is_named_in_bounded_time(rank: int, tmp_path: Path) -> None:
    process = member(rank, free_addresses(2), 4.0, tmp_path)
    try:
        assert process.wait(100) == 3, text(tmp_path, rank)
    finally:
        process.kill()
        process.wait(10)
    assert f"Replica {rank} of 2 waited 4 s for the others: rank {1 - rank} did not come" in text(
        tmp_path, rank
    )


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hanging"])
def test_a_lost_member_ends_the_others(sent: signal.Signals, tmp_path: Path) -> None:
    addresses = free_addresses(2)
    members = [member(rank, addresses, 60.0, tmp_path) for rank in range(2)]
    try:
        until(lambda: all("started 2" in text(tmp_path, r) for r in range(2)), 100)
        members[1].send_signal(sent)
        assert members[0].wait(40) != 0
    finally:
        for process in members:
            process.kill()
            process.wait(10)

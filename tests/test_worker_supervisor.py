"""A supervisor and its ranks, with real forks; a plain function takes the place of the user's code."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from jupyter_kf.spec import JobSpec
from jupyter_kf.store import REQUESTS, job_path
from jupyter_kf.worker import run as run_module
from jupyter_kf.worker import supervisor as module
from jupyter_kf.worker.child import PEER_LOST
from jupyter_kf.worker.supervisor import Supervisor

from .conftest import exit_code


def _say(control, **message) -> None:
    control.sendall(json.dumps(message).encode() + b"\n")


def _started(control) -> None:
    _say(control, said="started")


def _pause() -> int:
    while True:
        signal.pause()


@pytest.fixture
def gang(store, forked, tmp_path, monkeypatch):
    """Starts a supervisor in a fork whose ranks run ``rank(place, control)``; gives its number.

    When it has ended, ``told()`` gives what it saw.
    """
    told = tmp_path / "told"

    class Gang:
        pid = 0

        def start(self, rank, replicas: int = 2, **more: object) -> Gang:
            spec = JobSpec("a", replicas=replicas, **more)
            monkeypatch.setattr(run_module, "run", lambda _store, _spec, place, control: rank(place, control))

            def supervise() -> None:
                supervisor = Supervisor(store, spec, [f"h:{i}" for i in range(replicas)], range(replicas))
                seen: list[object] = []
                try:
                    supervisor.start(
                        lambda rank: os.open(tmp_path / f"log-{rank}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
                    )
                    supervisor.watch(
                        lambda: seen.append(
                            [supervisor.running, *(r.state.value for r in supervisor.replicas())]
                        )
                    )
                finally:
                    supervisor.close()
                first = supervisor.first_failure
                report = {
                    "seen": seen,
                    "cancelled": supervisor.cancelled,
                    "codes": [c.exit_code for c in supervisor.children],
                    "reasons": [c.reason() for c in supervisor.children],
                    "first": first.rank if first else None,
                }
                told.write_text(json.dumps(report))

            self.pid = forked(supervise)
            return self

        def told(self) -> dict:
            assert exit_code(self.pid) == 0
            return json.loads(told.read_text())

    return Gang()


def test_a_gang_that_does_its_work(gang):
    def rank(place, control) -> int:
        _started(control)
        return 0

    told = gang.start(rank, replicas=3).told()

    assert told["codes"] == [0, 0, 0]
    assert told["first"] is None
    assert told["seen"][-1] == [True, "SUCCEEDED", "SUCCEEDED", "SUCCEEDED"]


def test_every_rank_knows_its_place_and_has_its_log(gang, tmp_path):
    def rank(place, control) -> int:
        os.write(1, f"{place.rank} of {place.world_size} at {place.addresses[place.rank]}".encode())
        return 0

    gang.start(rank).told()

    assert (tmp_path / "log-0").read_text() == "0 of 2 at h:0"
    assert (tmp_path / "log-1").read_text() == "1 of 2 at h:1"


def test_a_gang_runs_when_all_have_found_each_other(gang, tmp_path):
    def rank(place, control) -> int:
        if place.rank == 1:
            while not (tmp_path / "go").exists():
                time.sleep(0.005)
        _started(control)
        if place.rank == 0:
            (tmp_path / "go").touch()
            time.sleep(0.2)
        return 0

    told = gang.start(rank).told()

    assert told["seen"][0] in ([False, "PENDING", "PENDING"], [False, "RUNNING", "PENDING"])
    assert told["seen"][-1] == [True, "SUCCEEDED", "SUCCEEDED"]


def test_peers_of_a_rank_that_failed_are_ended(gang, monkeypatch):
    monkeypatch.setattr(module, "_PEERS_GRACE", 0.2)

    def rank(place, control) -> int:
        _started(control)
        if place.rank == 1:
            _say(control, said="failed", summary="raised ValueError: no", time=time.time())
            return 1
        return _pause()

    told = gang.start(rank).told()

    assert told["codes"] == [-signal.SIGTERM, 1]
    assert told["first"] == 1
    assert told["reasons"][1] == "raised ValueError: no"


def test_peers_may_bring_back_what_they_have(gang):
    def rank(place, control) -> int:
        _started(control)
        if place.rank == 1:
            return 1
        time.sleep(0.3)
        return 0

    told = gang.start(rank).told()

    assert told["codes"] == [0, 1]


def test_who_lost_its_peers_is_not_the_cause(gang):
    def rank(place, control) -> int:
        if place.rank == 0:
            return PEER_LOST
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    told = gang.start(rank).told()

    assert told["first"] == 1
    assert "killed (SIGKILL)" in told["reasons"][1]
    assert told["reasons"][0] == "lost its peers"


def test_the_first_of_several_failures_is_the_cause(gang):
    def rank(place, control) -> int:
        _say(control, said="failed", summary=f"raised E{place.rank}", time=10.0 - place.rank)
        return 1

    told = gang.start(rank, replicas=3).told()

    assert told["first"] == 2


def test_a_gang_that_does_not_come_up_is_ended(gang):
    def rank(place, control) -> int:
        if place.rank == 0:
            _started(control)
        return _pause()

    told = gang.start(rank, start_timeout=0.3).told()

    assert told["first"] == 1
    assert told["reasons"][1] == "did not come up within 0.3 s (waiting for rank 1)"
    assert told["codes"] == [-signal.SIGTERM] * 2


def test_a_cancelled_gang_ends_and_who_will_not_is_killed(gang, store, monkeypatch, eventually, tmp_path):
    monkeypatch.setattr(module, "_TERM_GRACE", 0.2)

    def rank(place, control) -> int:
        if place.rank == 1:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        (tmp_path / f"up-{place.rank}").touch()
        _started(control)
        return _pause()

    running = gang.start(rank)
    eventually(lambda: (tmp_path / "up-0").exists() and (tmp_path / "up-1").exists(), "it does not come up")
    store.put(job_path("a", REQUESTS, "cancel"), b"")

    told = running.told()
    assert told["cancelled"]
    assert told["codes"] == [-signal.SIGTERM, -signal.SIGKILL]


def test_a_signal_to_the_supervisor_cancels_too(gang, eventually, tmp_path):
    def rank(place, control) -> int:
        _started(control)
        (tmp_path / f"up-{place.rank}").touch()
        return _pause()

    running = gang.start(rank)
    eventually(lambda: (tmp_path / "up-0").exists() and (tmp_path / "up-1").exists(), "it does not come up")
    os.kill(running.pid, signal.SIGTERM)

    told = running.told()
    assert told["cancelled"]
    assert told["codes"] == [-signal.SIGTERM] * 2


def test_an_interrupt_is_passed_on_once_to_every_rank(gang, store, tmp_path):
    def rank(place, control) -> int:
        _started(control)
        words = control.recv(1000)
        control.settimeout(0.4)
        with contextlib.suppress(TimeoutError):
            words += control.recv(1000)
        os.write(1, words)
        return 0

    store.put(job_path("a", REQUESTS, "interrupt"), b"")
    told = gang.start(rank).told()

    assert told["codes"] == [0, 0]
    for rank_ in (0, 1):
        assert (tmp_path / f"log-{rank_}").read_bytes() == b'{"do": "interrupt"}\n'


def test_nothing_outlives_the_gang(gang, tmp_path):
    def rank(place, control) -> int:
        program = subprocess.Popen(["sleep", "600"], start_new_session=True)
        (tmp_path / f"pid-{place.rank}").write_text(str(program.pid))
        program.returncode = 0
        return 0

    gang.start(rank).told()

    for number in (0, 1):
        assert not Path(f"/proc/{(tmp_path / f'pid-{number}').read_text()}").exists()


def test_ranks_end_with_a_supervisor_that_is_killed(gang, tmp_path, eventually):
    def rank(place, control) -> int:
        (tmp_path / f"draft-{place.rank}").write_text(str(os.getpid()))
        (tmp_path / f"draft-{place.rank}").rename(tmp_path / f"pid-{place.rank}")
        return _pause()

    running = gang.start(rank)
    notes = [tmp_path / "pid-0", tmp_path / "pid-1"]
    eventually(lambda: all(note.exists() for note in notes), "it does not come up")
    pids = [note.read_text() for note in notes]

    os.kill(running.pid, signal.SIGKILL)

    assert exit_code(running.pid) == -signal.SIGKILL
    eventually(lambda: not any(_alive(pid) for pid in pids), "a rank lives on")


def _alive(pid: str) -> bool:
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False


def test_a_rank_holds_no_file_of_another(gang, tmp_path):
    def rank(place, control) -> int:
        sockets = [e for e in Path("/proc/self/fd").iterdir() if str(_link(e)).startswith("socket:")]
        mine = [e for e in sockets if int(e.name) == control.fileno()]
        pipes = [e for e in Path("/proc/self/fd").iterdir() if str(_link(e)).startswith("pipe:")]
        os.write(1, json.dumps([len(mine), len(pipes) - PIPES, len(sockets) - SOCKETS]).encode())
        return 0

    PIPES = _count("pipe:")
    SOCKETS = _count("socket:")
    gang.start(rank, replicas=3).told()

    for number in range(3):
        assert json.loads((tmp_path / f"log-{number}").read_text()) == [1, 0, 1]


def _link(entry: Path) -> str:
    try:
        return str(entry.readlink())
    except OSError:
        return ""


def _count(kind: str) -> int:
    return sum(_link(entry).startswith(kind) for entry in Path("/proc/self/fd").iterdir())

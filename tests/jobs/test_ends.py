"""However a part of a job is ended, its state and message are right in bounded time, and nothing is left."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import jupyter_kf as kf
from jupyter_kf.backends import connect, warm
from jupyter_kf.store import STATUS, job_path, log_path
from tests.conftest import processes_of, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.gang

# TensorFlow's heartbeat is 3 s; a gang whose peer went has 6 s to notice and 5 s to end.
_BOUND = 20.0


def train_until(go: str) -> int:
    """Train step after step until the file ``go`` is there; say when it has begun."""
    import keras
    import numpy as np

    class Watch(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            print("step", batch, flush=True)
            if Path(go).exists():
                self.model.stop_training = True

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.ones((16, 4), "float32")
    model.fit(x, x[:, :1], batch_size=8, epochs=100_000, verbose=0, callbacks=[Watch()])
    return int(model.optimizer.iterations.numpy())


class Running:
    """A job and the processes it consists of."""

    def __init__(self, job: kf.Job) -> None:
        self.job = job
        self.store = connect().store

    @property
    def supervisor(self) -> int:
        return int(self.store.get_json(job_path(self.job.name, STATUS))["pid"])

    def ranks(self) -> list[int]:
        """The pids of the ranks, in order."""
        path = Path(f"/proc/{self.supervisor}/task/{self.supervisor}/children")
        return [int(pid) for pid in path.read_text().split()]

    def trains(self) -> bool:
        path = self.store.local(log_path(self.job.name, 0))
        return path is not None and path.exists() and b"\nstep" in b"\n" + path.read_bytes()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Callable[[], Running]]:
    """Start a job that trains until it is told to end."""
    started: list[Running] = []

    def start(*, until_it_trains: bool = True) -> Running:
        executor = kf.Executor(workers=2)
        job = Running(executor.submit(train_until, str(tmp_path / "go")))
        started.append(job)
        if until_it_trains:
            wait_until(job.trains, "the job trains", 60)
        return job

    yield start
    for job in started:
        job.job.cancel()


def alone(runtime: Path, supervisor: int, ranks: list[int]) -> Callable[[], bool]:
    """Whether the processes of a job are gone."""
    return lambda: not ({supervisor, *ranks} & processes_of(runtime).keys())


@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_rank_fails_the_job(running: Any, warm_place: Path, rank: int) -> None:
    it = running()
    supervisor, ranks = it.supervisor, it.ranks()
    os.kill(ranks[rank], signal.SIGKILL)
    status = it.job.wait(_BOUND)
    assert status.state is kf.JobState.FAILED
    assert status.reason.startswith(f"Rank {rank} was killed (SIGKILL)"), status.reason
    with pytest.raises(kf.JobFailed, match=rf"Rank {rank} was killed") as caught:
        it.job.result(1)
    assert "Last lines of rank 0" in str(caught.value)
    wait_until(alone(warm_place, supervisor, ranks), "its processes are gone", _BOUND)


def test_a_killed_supervisor_takes_its_ranks_along(running: Any, warm_place: Path) -> None:
    it = running()
    supervisor, ranks = it.supervisor, it.ranks()
    os.kill(supervisor, signal.SIGKILL)
    status = it.job.wait(_BOUND)
    assert status.state is kf.JobState.FAILED
    assert "supervisor was killed" in status.reason
    wait_until(alone(warm_place, supervisor, ranks), "its processes are gone", _BOUND)


def test_a_stopped_rank_is_noticed(running: Any, warm_place: Path) -> None:
    it = running()
    supervisor, ranks = it.supervisor, it.ranks()
    os.kill(ranks[1], signal.SIGSTOP)
    status = it.job.wait(_BOUND + 10)
    assert status.state is kf.JobState.FAILED, status
    wait_until(alone(warm_place, supervisor, ranks), "its processes are gone", _BOUND)


def test_a_job_does_not_notice_that_the_warm_process_went(
    running: Any, warm_place: Path, tmp_path: Path
) -> None:
    it = running()
    (server,) = (
        pid
        for pid, line in processes_of(warm_place).items()
        if "forkserver" in line and pid not in {it.supervisor, *it.ranks()}
    )
    os.kill(server, signal.SIGKILL)
    (tmp_path / "go").touch()
    assert it.job.result(30) > 0
    assert kf.Executor(workers=2).submit(max, 1, 2).result(90) == 2  # another one is started


def test_the_warm_process_killed_while_it_starts_loses_the_job_in_words(warm_place: Path) -> None:
    warm.stop()
    job = kf.Executor(workers=2).submit(max, 1, 2)
    wait_until(
        lambda: any("forkserver" in line for line in processes_of(warm_place).values()), "it starts", 20
    )
    for pid in processes_of(warm_place):
        os.kill(pid, signal.SIGKILL)
    status = job.wait(_BOUND)
    assert status.state is kf.JobState.FAILED
    assert "supervisor was killed" in status.reason


def test_a_rank_killed_while_it_starts(running: Any, warm_place: Path) -> None:
    it = running(until_it_trains=False)
    wait_until(lambda: it.store.has(job_path(it.job.name, STATUS)), "the supervisor is there", 60)
    wait_until(lambda: len(it.ranks()) == 2, "the ranks are there", 60)
    supervisor, ranks = it.supervisor, it.ranks()
    os.kill(ranks[1], signal.SIGKILL)
    status = it.job.wait(_BOUND)
    assert status.state is kf.JobState.FAILED
    assert "Rank 1 was killed" in status.reason
    wait_until(alone(warm_place, supervisor, ranks), "its processes are gone", _BOUND)


def test_cancel_ends_a_training_job(running: Any, warm_place: Path) -> None:
    it = running()
    supervisor, ranks = it.supervisor, it.ranks()
    assert it.job.cancel() is True
    assert it.job.cancelled()
    assert it.job.cancel() is False
    with pytest.raises(kf.JobCancelled, match="was cancelled"):
        it.job.result(1)
    wait_until(alone(warm_place, supervisor, ranks), "its processes are gone", _BOUND)


def test_cancel_ends_what_does_not_listen(warm_place: Path) -> None:
    def deaf() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("step", flush=True)
        while True:
            time.sleep(0.1)

    it = Running(kf.Executor(workers=2).submit(deaf))
    wait_until(it.trains, "it runs", 60)
    supervisor, ranks = it.supervisor, it.ranks()
    it.job.cancel()
    assert it.job.cancelled()
    wait_until(alone(warm_place, supervisor, ranks), "its processes are gone", _BOUND)


def test_what_a_rank_has_started_ends_with_it(warm_place: Path) -> None:
    def parent() -> int:
        import subprocess

        return subprocess.Popen(["sleep", "600"], start_new_session=True).pid

    pid = kf.Executor(workers=1).submit(parent).result(60)
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the sleep is gone", _BOUND)


def test_one_rank_that_raises_names_itself(warm_place: Path) -> None:
    def uneven() -> None:
        here = kf.JobEnvironment.current()
        assert here is not None
        if here.rank == 1:
            raise ValueError("only rank 1 does this")
        time.sleep(600)

    job = kf.Executor(workers=2).submit(uneven)
    with pytest.raises(kf.JobFailed, match="only rank 1 does this") as caught:
        job.result(60)
    assert isinstance(caught.value.__cause__, ValueError)
    assert job.status.reason.startswith("Rank 1 raised ValueError")


def test_a_rank_that_leaves_by_itself(warm_place: Path) -> None:
    job = kf.Executor(workers=2).submit(os._exit, 3)
    status = job.wait(60)
    assert status.state is kf.JobState.FAILED
    assert "ended by itself with exit code 3" in status.reason


def test_more_jobs_than_the_machine_holds_wait_in_line(
    running: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_KF_SLOTS", "2")
    first = running()
    second = kf.Executor(workers=2).submit(max, 1, 2)
    third = kf.Executor(workers=2).submit(max, 3, 4)
    wait_until(lambda: "number 2 in line" in third.status.reason, "the third sees its place", 30)
    assert second.status.state is kf.JobState.PENDING
    assert "number 1 in line" in second.status.reason
    third.cancel()
    assert third.status.reason == "Cancelled while it waited."
    (tmp_path / "go").touch()
    assert second.result(60) == 2
    assert first.job.result(30) > 0


def test_copies_of_a_killed_rank_are_removed(warm_place: Path, tmp_path: Path) -> None:
    path = tmp_path / "held"

    def hold() -> None:
        with path.open("w"):
            print("step", flush=True)
            time.sleep(600)

    it = Running(kf.Executor(workers=2).submit(hold))
    wait_until(it.trains, "it runs", 60)
    ranks = it.ranks()

    def copies() -> list[Path]:
        place = Path(tempfile.gettempdir())
        return [path for rank in ranks for path in place.glob(f"jupyter_kf-copies-{rank}-*")]

    wait_until(copies, "a copy", 30)
    os.kill(ranks[1], signal.SIGKILL)
    it.job.wait(_BOUND)
    assert copies() == []


class Slow:
    """Takes its time to arrive."""

    def __reduce__(self) -> Any:
        return time.sleep, (600,)


def test_a_start_that_takes_too_long_is_told(warm_place: Path) -> None:
    job = kf.Executor(workers=2, start_timeout=5).submit(print, Slow())
    status = job.wait(60)
    assert status.state is kf.JobState.FAILED
    assert "did not come up within 5 s" in status.reason

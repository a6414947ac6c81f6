"""What the local backend promises beyond the contract: its line, its ends, and no process left behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jupyter_kf.backends import warm
from jupyter_kf.backends.base import Availability
from jupyter_kf.backends.local import LocalBackend
from jupyter_kf.errors import BackendError, NotFound, SpecError
from jupyter_kf.locks import is_held
from jupyter_kf.slots import free
from jupyter_kf.spec import JobState
from jupyter_kf.store import PAYLOAD, REQUESTS, SPEC, STATUS, job_path

from .backend_rigs import HELLO, LocalRig


@pytest.fixture
def runtime(shared_runtime):
    return shared_runtime


@pytest.fixture
def rig(store, monkeypatch):
    monkeypatch.setenv("JUPYTER_KF_PRELOAD", "jupyter_kf.worker.run")
    monkeypatch.setenv("JUPYTER_KF_SLOTS", "2")
    return LocalRig(store)


def _told(rig, name) -> dict:
    return rig.backend.store.get_json(job_path(name, STATUS))


def _alive(pid: int) -> bool:
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except FileNotFoundError:
        return False


async def _until_reason(rig, name: str, words: str) -> None:
    async with asyncio.timeout(30):
        async for event in rig.backend.watch():
            if event.status.name == name and words in event.status.reason:
                return


# The line


async def test_jobs_that_do_not_fit_wait_in_line_and_say_so(rig, runtime, eventually):
    await rig.submit("first", "go on", replicas=2)
    await rig.until("first", JobState.RUNNING)
    assert await rig.backend.availability() == Availability(0, 2)
    await rig.submit("second", "go on", replicas=2)
    await _until_reason(rig, "second", "Waiting for 2 of this machine's 2 slots, number 1 in line.")
    await rig.submit("third", replicas=1)
    await _until_reason(rig, "third", "Waiting for 1 of this machine's 2 slots, number 2 in line.")
    assert (await rig.backend.get("third")).state is JobState.PENDING

    await rig.backend.cancel("first")
    await rig.until("second", JobState.RUNNING)
    await rig.backend.cancel("second")

    assert (await rig.backend.wait("third", 30)).state is JobState.SUCCEEDED
    eventually(lambda: free(runtime) == 2, "its supervisor does not free the slot")
    assert await rig.backend.availability("any profile") == Availability(2, 2)


async def test_a_job_larger_than_the_machine_takes_all_of_it(rig):
    await rig.submit("large", replicas=3)

    assert (await rig.backend.wait("large", 30)).state is JobState.SUCCEEDED


async def test_far_more_replicas_than_the_machine_has_room_for_are_refused(rig, monkeypatch):
    monkeypatch.setenv("JUPYTER_KF_SLOTS", "2")
    with pytest.raises(SpecError, match=r"1000 workers are too many .* at most 32 at once"):
        await rig.submit("many", replicas=1000)


async def test_several_replicas_without_tensorflow_are_refused_with_the_way_out(rig, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    await rig.submit("alone")
    assert (await rig.backend.wait("alone", 30)).state is JobState.SUCCEEDED

    with pytest.raises(SpecError, match=r"pip install 'jupyter-kf\[tensorflow-cpu\]'"):
        await rig.submit("together", replicas=2)


async def test_a_job_that_waits_can_be_cancelled(rig):
    await rig.submit("first", "go on", replicas=2)
    await rig.until("first", JobState.RUNNING)
    await rig.submit("second")
    await _until_reason(rig, "second", "number 1 in line")

    await rig.backend.cancel("second")

    status = await rig.backend.get("second")
    assert (status.state, status.reason) == (JobState.CANCELLED, "Cancelled while it waited.")
    await rig.backend.cancel("first")


async def test_a_supervisor_that_is_killed_in_line_lets_the_next_go_on(rig):
    await rig.submit("first", "go on", replicas=2)
    await rig.until("first", JobState.RUNNING)
    await rig.submit("second", replicas=2)
    await _until_reason(rig, "second", "number 1 in line")
    await rig.submit("third")
    await _until_reason(rig, "third", "number 2 in line")

    os.kill(_told(rig, "second")["pid"], signal.SIGKILL)

    await _until_reason(rig, "third", "number 1 in line")
    status = await rig.backend.get("second")
    assert status.state is JobState.FAILED
    assert "supervisor was killed" in status.reason
    await rig.backend.cancel("first")
    assert (await rig.backend.wait("third", 30)).state is JobState.SUCCEEDED


# Ends that nobody asked for


async def test_a_killed_supervisor_takes_everything_with_it(rig, tmp_path, eventually):
    note = tmp_path / "pids"
    # A program in a session of its own is as far from the supervisor as a process can come.
    source = (
        "import os, subprocess, time\n"
        "far = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        "near = subprocess.Popen(['sleep', '600'])\n"
        f"open({str(note)!r} + '~', 'w').write(f'{{os.getpid()}} {{far.pid}} {{near.pid}}')\n"
        f"os.rename({str(note)!r} + '~', {str(note)!r})\n"
        "time.sleep(600)"
    )
    await rig.submit_source("a", source)
    eventually(note.exists, "the job does not start its programs")
    pids = [int(pid) for pid in note.read_text().split()]
    assert all(map(_alive, pids))

    os.kill(_told(rig, "a")["pid"], signal.SIGKILL)

    status = await rig.backend.wait("a", 30)
    assert status.state is JobState.FAILED
    assert status.replicas[0].reason == "its supervisor was killed"
    eventually(lambda: not any(map(_alive, pids)), "orphans live on", 10)


async def test_what_a_job_started_ends_with_it(rig, tmp_path, eventually):
    note = tmp_path / "pid"
    source = (
        "import subprocess\n"
        "far = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        f"open({str(note)!r}, 'w').write(str(far.pid))"
    )
    await rig.submit_source("a", source)

    assert (await rig.backend.wait("a", 30)).state is JobState.SUCCEEDED
    eventually(lambda: not _alive(int(note.read_text())), "an orphan lives on", 10)


async def test_a_killed_rank_is_told_with_its_signal(rig):
    await rig.submit_source("a", "import os; os.kill(os.getpid(), 9)", replicas=2)

    status = await rig.backend.wait("a", 30)

    assert status.state is JobState.FAILED
    assert "was killed (SIGKILL); the machine may have run out of memory" in status.reason
    assert {r.exit_code for r in status.replicas} == {-signal.SIGKILL}


async def test_a_rank_that_ends_by_itself_is_told_with_its_exit_code(rig):
    await rig.submit_source("a", "import os; os._exit(7)")

    status = await rig.backend.wait("a", 30)

    assert (status.state, status.reason) == (JobState.FAILED, "Rank 0 ended by itself with exit code 7.")


async def test_a_gang_that_does_not_come_up_is_ended_in_bounded_time(rig):
    await rig.submit("first", "go on", replicas=2)
    await rig.until("first", JobState.RUNNING)
    await rig.submit("a", start_timeout=0.2)
    for file in rig.backend.store.local(job_path("a", PAYLOAD)).iterdir():
        file.unlink()
        os.mkfifo(file)  # whoever reads it waits for ever

    await rig.backend.cancel("first")
    status = await rig.backend.wait("a", 30)

    assert (status.state, status.reason) == (
        JobState.FAILED,
        "Rank 0 did not come up within 0.2 s (waiting for rank 0).",
    )


async def test_a_warm_process_that_dies_loses_the_jobs_it_had_not_started(rig, runtime, eventually):
    await rig.submit("before")
    await rig.backend.wait("before", 30)
    # The supervisor, a fork of the warm process, has told the end before it ends.
    eventually(lambda: len(_warm_processes(runtime)) == 1, "the supervisor does not end")
    [warm_pid] = _warm_processes(runtime)
    os.kill(warm_pid, signal.SIGSTOP)
    await rig.submit("a")
    assert (await rig.backend.get("a")).reason == "Waiting for its supervisor to start."

    os.kill(warm_pid, signal.SIGKILL)

    assert (await rig.backend.wait("a", 30)).state is JobState.FAILED
    await rig.submit("after")
    assert (await rig.backend.wait("after", 30)).state is JobState.SUCCEEDED


def _warm_processes(runtime: Path) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"jupyter_kf.worker.forkserver" in line and any(str(runtime).encode() in word for word in line):
            found.append(int(folder.name))
    return found


async def test_a_job_outlives_whoever_submitted_it(rig, tmp_path):
    code = f"""
import asyncio, sys
sys.path[:] = {sys.path!r}
from jupyter_kf.store import ArtifactStore
from tests.backend_rigs import LocalRig
rig = LocalRig(ArtifactStore({rig.backend.store.url!r}))
asyncio.run(rig.submit_source("a", "while not open({str(tmp_path / "go")!r}).read(): pass"))
"""
    (tmp_path / "go").write_text("")
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", code], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    await rig.until("a", JobState.RUNNING)

    (tmp_path / "go").write_text("now")

    assert (await rig.backend.wait("a", 30)).state is JobState.SUCCEEDED


# Ends that somebody asked for


async def test_a_rank_that_will_not_end_is_killed(rig):
    source = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf'); time.sleep(600)"
    )
    await rig.submit_source("a", source)
    async with asyncio.timeout(30):
        async for data in rig.backend.logs("a", follow=True):
            if b"deaf" in data:
                break

    await rig.backend.cancel("a")

    status = await rig.backend.get("a")
    assert status.state is JobState.CANCELLED
    assert status.replicas[0].exit_code == -signal.SIGKILL


async def test_a_supervisor_that_does_not_answer_is_killed(rig, monkeypatch):
    monkeypatch.setattr("jupyter_kf.backends.local._CANCEL_PATIENCE", 0.5)
    await rig.submit("a", "go on")
    await rig.until("a", JobState.RUNNING)
    supervisor = _told(rig, "a")["pid"]
    os.kill(supervisor, signal.SIGSTOP)

    await rig.backend.cancel("a")

    assert (await rig.backend.get("a")).state is JobState.CANCELLED
    assert not _alive(supervisor)


async def test_a_job_that_no_warm_process_takes_can_not_be_cancelled_for_ever(rig, runtime, monkeypatch):
    monkeypatch.setattr("jupyter_kf.backends.local._FORK_PATIENCE", 0.2)
    await rig.submit("before")
    await rig.backend.wait("before", 30)
    [warm_pid] = _warm_processes(runtime)
    os.kill(warm_pid, signal.SIGSTOP)
    try:
        await rig.submit("a")
        with pytest.raises(BackendError, match="does not start the job 'a'"):
            await rig.backend.cancel("a")
    finally:
        os.kill(warm_pid, signal.SIGCONT)

    assert (await rig.backend.wait("a", 30)).state is JobState.CANCELLED


async def test_an_interrupted_job_keeps_what_it_had_done(rig):
    await rig.submit("a", "go on")
    await rig.until("a", JobState.RUNNING)
    async with asyncio.timeout(30):
        async for data in rig.backend.logs("a", follow=True):
            if HELLO.encode() in data:
                break

    await rig.backend.interrupt("a")

    status = await rig.backend.wait("a", 30)
    assert status.state is JobState.CANCELLED
    assert "what it had done so far came back" in status.reason


# What is left, and what is read


async def test_nothing_is_left_but_the_record(rig, runtime, eventually):
    before = set(runtime.glob("ports/*"))  # a supervisor that is killed leaves the files of its locks
    await rig.submit("a", replicas=2)
    await rig.backend.wait("a", 30)
    lock = rig.backend.store.local(job_path("a")) / "supervisor.lock"
    eventually(lambda: not is_held(lock), "the supervisor does not end")

    assert set(runtime.glob("ports/*")) <= before
    assert list((runtime / "line").iterdir()) == []
    assert not any(is_held(slot) for slot in (runtime / "slots").iterdir())
    record = sorted(path.name for path in rig.backend.store.local(job_path("a")).iterdir())
    assert record == ["logs", "outcome", "payload", "spec.json", "status.json", "supervisor.lock"]


async def test_another_backend_of_the_same_store_sees_the_same(rig, store):
    other = LocalBackend(store)
    await rig.submit("a")

    assert (await other.wait("a", 30)).state is JobState.SUCCEEDED
    await other.delete("a")
    with pytest.raises(NotFound):
        await rig.backend.get("a")


async def test_a_name_that_is_used_again_is_a_new_job_for_those_who_knew_the_old(rig, store):
    other = LocalBackend(store)
    await rig.submit("a")
    assert (await other.wait("a", 30)).state is JobState.SUCCEEDED
    await rig.backend.delete("a")
    await rig.submit("a", "fail")

    assert (await other.wait("a", 30)).state is JobState.FAILED


@pytest.mark.parametrize("file", [SPEC, STATUS])
async def test_a_damaged_record_hides_no_other_job_and_can_be_deleted(rig, file):
    for name in ("a", "b"):
        await rig.submit(name)
        await rig.backend.wait(name, 30)
    rig.backend.store.put(job_path("a", file), b'{"state": "RUN')

    backend = LocalBackend(rig.backend.store)
    found = {status.name: status for status in await backend.list()}

    assert found["b"].state is JobState.SUCCEEDED
    assert found["a"].state is JobState.FAILED
    assert "cannot be read" in found["a"].reason
    assert f"{file} in the store is damaged" in found["a"].reason
    await backend.delete("a")
    assert [status.name for status in await backend.list()] == ["b"]


async def test_a_folder_that_is_not_yet_a_job_is_none(rig, store):
    store.claim(job_path("claimed"))
    store.put_json(job_path("packed", SPEC), {"name": "packed"})
    store.put(job_path("Not A Name", SPEC), b"{}")

    assert await rig.backend.list() == []


async def test_a_reader_never_takes_a_job_that_starts_for_a_lost_one(rig, store):
    """The lock is there, held, before the job can be seen."""
    seen = set()

    async def look() -> None:
        while True:
            seen.update((s.name, s.state) for s in await LocalBackend(store).list())
            await asyncio.sleep(0)

    looking = asyncio.create_task(look())
    for name in ("a", "b", "c"):
        await rig.submit(name)
    for name in ("a", "b", "c"):
        await rig.backend.wait(name, 30)
    looking.cancel()

    assert {state for _, state in seen} <= {JobState.PENDING, JobState.RUNNING, JobState.SUCCEEDED}
    assert ("a", JobState.PENDING) in seen


async def test_a_result_that_was_left_counts_even_if_its_supervisor_was_killed(rig, store):
    await rig.submit("a")
    await rig.backend.wait("a", 30)
    told = _told(rig, "a")
    told["state"], told["replicas"][0]["state"] = "RUNNING", "RUNNING"
    store.put_json(job_path("a", STATUS), told)

    status = await LocalBackend(store).get("a")

    assert (status.state, status.reason) == (JobState.SUCCEEDED, "")
    assert status.replicas[0].state is JobState.SUCCEEDED


async def test_a_lost_job_that_was_asked_to_end_was_cancelled(rig, store):
    await rig.submit("a", "fail")
    await rig.backend.wait("a", 30)
    store.delete(job_path("a", "outcome"))
    store.put_json(job_path("a", STATUS), {"state": "RUNNING"})
    store.put(job_path("a", REQUESTS, "cancel"), b"")

    status = await LocalBackend(store).get("a")

    assert (status.state, status.reason) == (JobState.CANCELLED, "Cancelled.")


async def test_a_status_that_was_applied_says_when(rig, store):
    await rig.submit("a")
    await rig.backend.wait("a", 30)
    when = time.time()
    store.put_json(job_path("a", "applied.json"), {"applied": when})

    assert (await rig.backend.get("a")).applied == when


async def test_jobs_may_start_at_once(rig, monkeypatch):
    names = [f"job-{number}" for number in range(6)]

    await asyncio.gather(*(rig.submit(name) for name in names))
    ends = await asyncio.gather(*(rig.backend.wait(name, 60) for name in names))

    assert {status.state for status in ends} == {JobState.SUCCEEDED}


async def test_a_submission_that_fails_leaves_no_lock(rig, monkeypatch):
    def refuse(*_: object) -> None:
        raise BackendError("no")

    monkeypatch.setattr(warm, "start_supervisor", refuse)
    with pytest.raises(BackendError, match="no"):
        await rig.submit("a")

    assert not is_held(rig.backend.store.local(job_path("a")) / "supervisor.lock")
    assert json.loads(rig.backend.store.get(job_path("a", SPEC)))["name"] == "a"

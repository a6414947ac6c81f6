"""The contract of `Backend`, the same for every place that runs jobs."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from jupyter_kf import logs
from jupyter_kf.backends import BACKEND_VARIABLE, connect
from jupyter_kf.errors import NotFound, SpecError
from jupyter_kf.spec import JobSpec, JobState, JobStatus
from jupyter_kf.store import ArtifactStore, job_path

from .backend_rigs import HELLO, RIGS


@pytest.fixture
def runtime(shared_runtime):
    return shared_runtime


@pytest.fixture(params=RIGS)
def rig(request, store, monkeypatch):
    monkeypatch.setenv("JUPYTER_KF_PRELOAD", "jupyter_kf.worker.run")
    monkeypatch.setenv("JUPYTER_KF_SLOTS", "4")
    return RIGS[request.param](store)


@pytest.fixture
async def going(rig):
    """A job of two replicas that runs until somebody ends it."""
    await rig.submit("going", "go on", replicas=2)
    status = await rig.until("going", JobState.RUNNING)
    async with asyncio.timeout(60):
        while HELLO not in await _log(rig, "going"):
            pass
    yield status
    with contextlib.suppress(NotFound):
        await rig.backend.cancel("going")


async def _log(rig, name, rank=0, **how) -> str:
    data = b"".join([piece async for piece in rig.backend.logs(name, rank, **how)])
    return logs.as_text(logs.read(data))


async def test_a_job_is_there_as_soon_as_it_is_submitted(rig):
    spec = await rig.submit("a")

    assert (await rig.backend.get("a")).spec == spec
    assert [status.name for status in await rig.backend.list()] == ["a"]
    await rig.backend.wait("a", 30)


async def test_a_job_succeeds(rig):
    await rig.submit("a", replicas=2)

    status = await rig.backend.wait("a", 30)

    assert (status.state, status.reason) == (JobState.SUCCEEDED, "")
    assert [(r.index, r.state) for r in status.replicas] == [(0, JobState.SUCCEEDED), (1, JobState.SUCCEEDED)]
    assert status.started <= status.finished
    assert status.applied is None


async def test_a_job_fails_and_says_why(rig):
    await rig.submit("a", "fail")

    status = await rig.backend.wait("a", 30)

    assert status.state is JobState.FAILED
    assert "ValueError: wrong" in status.reason
    assert status.replicas[0].state is JobState.FAILED


async def test_a_running_job_says_so(going):
    assert going.ready == 2
    assert [r.state for r in going.replicas] == [JobState.RUNNING] * 2
    assert going.started is not None
    assert going.finished is None


async def test_a_job_needs_its_payload_in_the_store(rig):
    with pytest.raises(SpecError, match="no payload for the job 'a'"):
        await rig.backend.submit(JobSpec("a"))

    assert await rig.backend.list() == []


async def test_a_name_is_taken_once(rig, going):
    with pytest.raises(SpecError, match="a job 'going' already"):
        await rig.backend.submit(going.spec)

    assert (await rig.backend.get("going")).state is JobState.RUNNING


@pytest.mark.parametrize("name", ["absent", "../store", "UPPER", ""])
async def test_a_job_that_is_not_there(rig, name):
    backend = rig.backend
    for call in (backend.get, backend.wait, backend.cancel, backend.delete, backend.interrupt):
        with pytest.raises(NotFound):
            await call(name)
    with pytest.raises(NotFound):
        await anext(backend.logs(name))


async def test_the_newest_job_is_listed_first(rig):
    for name in ("b", "a", "c"):
        await rig.submit(name)
        await rig.backend.wait(name, 30)

    assert [status.name for status in await rig.backend.list()] == ["c", "a", "b"]


async def test_a_status_goes_through_json(rig, going):
    status = await rig.backend.get("going")

    assert JobStatus.from_dict(status.to_dict()) == status


async def test_a_cancelled_job_keeps_its_record(rig, going):
    await rig.backend.cancel("going")

    status = await rig.backend.get("going")
    assert status.state is JobState.CANCELLED
    assert status.reason
    assert HELLO in await _log(rig, "going")


async def test_a_job_that_has_ended_stays_as_it_is_when_it_is_cancelled(rig):
    await rig.submit("a")
    before = await rig.backend.wait("a", 30)

    await rig.backend.cancel("a")

    assert await rig.backend.get("a") == before


async def test_a_deleted_job_leaves_nothing(rig):
    await rig.submit("a")
    await rig.backend.wait("a", 30)

    await rig.backend.delete("a")

    assert await rig.backend.list() == []
    assert not rig.backend.store.has(job_path("a"))
    with pytest.raises(NotFound):
        await rig.backend.delete("a")


async def test_deleting_ends_a_job_that_runs(rig, going):
    await rig.backend.delete("going")

    assert await rig.backend.list() == []
    assert not rig.backend.store.has(job_path("going"))


async def test_a_name_is_free_again_after_its_job_is_deleted(rig):
    for _ in range(2):
        await rig.submit("a")
        assert (await rig.backend.wait("a", 30)).state is JobState.SUCCEEDED
        await rig.backend.delete("a")


async def test_waiting_has_an_end(rig, going):
    with pytest.raises(TimeoutError, match="'going' has not ended within"):
        await rig.backend.wait("going", 0.05)

    assert (await rig.backend.get("going")).state is JobState.RUNNING


async def test_whoever_waits_hears_of_the_end(rig, going):
    waiting = asyncio.create_task(rig.backend.wait("going", 30))
    await asyncio.sleep(0)
    await rig.backend.cancel("going")

    assert (await waiting).state is JobState.CANCELLED


async def test_whoever_waits_hears_that_the_job_was_deleted(rig, going):
    waiting = asyncio.create_task(rig.backend.wait("going", 30))
    await asyncio.sleep(0)
    await rig.backend.delete("going")

    try:
        assert (await waiting).state is JobState.CANCELLED  # it was cancelled first, and seen so
    except NotFound as err:
        assert "'going'" in str(err)


async def test_a_watch_tells_what_is_there_and_every_change(rig, going):
    async with asyncio.timeout(30):
        watch = rig.backend.watch()
        first = await anext(watch)
        assert (first.kind, first.status.name) == ("added", "going")

        await rig.submit("b")
        while (event := await anext(watch)).status.name != "b":
            pass
        assert event.kind == "added"
        while event.status.state is not JobState.SUCCEEDED:
            event = await anext(watch)
            assert (event.kind, event.status.name) == ("modified", "b")

        await rig.backend.delete("b")
        event = await anext(watch)
        assert (event.kind, event.status.name) == ("removed", "b")
        await watch.aclose()


async def test_a_watch_tells_no_change_twice(rig, going):
    watch = rig.backend.watch()
    known = await anext(watch)

    await rig.backend.cancel("going")

    async with asyncio.timeout(30):
        while not known.status.state.finished:
            event = await anext(watch)
            assert event.status != known.status
            known = event
    await watch.aclose()


async def test_every_watcher_sees_everything(rig):
    async def see() -> str:
        async for event in rig.backend.watch():
            if event.status.state.finished:
                return event.status.name
        raise AssertionError("the watch ended")

    watchers = [asyncio.create_task(see()) for _ in range(3)]
    await asyncio.sleep(0)
    await rig.submit("a")

    async with asyncio.timeout(30):
        assert await asyncio.gather(*watchers) == ["a"] * 3


async def test_each_rank_has_a_log(rig):
    await rig.submit("a", replicas=2)
    await rig.backend.wait("a", 30)

    assert await _log(rig, "a", 0) == HELLO
    assert await _log(rig, "a", 1) == HELLO


async def test_a_log_can_be_read_on_from_any_byte(rig):
    await rig.submit("a")
    await rig.backend.wait("a", 30)
    whole = b"".join([piece async for piece in rig.backend.logs("a")])

    for start in (0, 1, len(whole) - 1, len(whole)):
        assert b"".join([piece async for piece in rig.backend.logs("a", start=start)]) == whole[start:]


@pytest.mark.parametrize("rank", [-1, 1])
async def test_a_rank_that_is_not_there_has_no_log(rig, rank):
    await rig.submit("a")
    await rig.backend.wait("a", 30)

    with pytest.raises(NotFound, match=f"no rank {rank}"):
        await anext(rig.backend.logs("a", rank))


async def test_a_log_so_far_does_not_wait_for_the_end(rig, going):
    async with asyncio.timeout(30):
        while HELLO not in await _log(rig, "going"):
            pass

    assert (await rig.backend.get("going")).state is JobState.RUNNING


async def test_a_log_can_be_followed_to_the_end(rig, going):
    following = asyncio.create_task(_log(rig, "going", follow=True))
    await asyncio.sleep(0)
    assert not following.done()

    await rig.backend.cancel("going")

    async with asyncio.timeout(30):
        assert HELLO in await following


async def test_following_the_log_of_a_job_that_has_ended_ends(rig):
    await rig.submit("a")
    await rig.backend.wait("a", 30)

    async with asyncio.timeout(30):
        assert await _log(rig, "a", follow=True) == HELLO


async def test_close_gives_back_and_jobs_go_on(rig, going):
    await rig.backend.close()

    assert (await rig.backend.get("going")).state is JobState.RUNNING


async def test_a_backend_without_manifests_says_so(store):
    with pytest.raises(SpecError, match="'memory' have no manifests"):
        await connect("memory", store).manifests(JobSpec("a"))


def test_backends_are_chosen_by_name(store, monkeypatch):
    assert connect("memory", store).name == "memory"
    assert connect("local", store).name == "local"
    assert connect(store=store).name == "local"

    monkeypatch.setenv(BACKEND_VARIABLE, "memory")
    assert connect(store=store).name == "memory"


def test_an_unknown_backend_is_told_with_those_there_are(store):
    with pytest.raises(SpecError, match="no backend 'slurm'; backends: local"):
        connect("slurm", store)


def test_jobs_of_this_machine_need_a_folder():
    with pytest.raises(SpecError, match="need a store in a folder, not memory://x"):
        connect("local", ArtifactStore("memory://x"))

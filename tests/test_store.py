from __future__ import annotations

import multiprocessing
import os
import stat
import uuid
from pathlib import Path

import pytest

from jupyter_kf import store as layout
from jupyter_kf.errors import BackendError, NotFound, SpecError
from jupyter_kf.store import ArtifactStore, job_path, log_path

fork = multiprocessing.get_context("fork")


@pytest.fixture(params=["folder", "memory"])
def any_store(request, tmp_path):
    """A store of each kind: a folder of this machine, and one that is reached through fsspec only."""
    url = str(tmp_path / "store") if request.param == "folder" else f"memory://{uuid.uuid4().hex}"
    store = ArtifactStore(url)
    yield store
    if request.param == "memory":
        for part in ("jobs", "graphs", "a"):
            store.delete(part)


def test_the_layout_of_a_job():
    assert job_path("night") == "jobs/night"
    assert job_path("night", layout.OUTCOME, layout.SUMMARY) == "jobs/night/outcome/summary.json"
    assert log_path("night", 3) == "jobs/night/logs/rank-3.log"


def test_the_environment_names_the_store(monkeypatch):
    monkeypatch.setenv(layout.STORE_VARIABLE, "s3://bucket/me")
    assert ArtifactStore().url == "s3://bucket/me"


def test_the_default_store_is_beside_the_data_of_jupyter(monkeypatch, tmp_path):
    monkeypatch.delenv(layout.STORE_VARIABLE)
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))
    assert ArtifactStore().url == str(tmp_path / "jupyter_kf")


def test_what_was_put_is_got(any_store):
    any_store.put("jobs/a/payload/x", b"\x00\xff")
    any_store.put("jobs/a/payload/x", b"new")

    assert any_store.get("jobs/a/payload/x") == b"new"
    assert any_store.get("jobs/a/payload/x", start=1) == b"ew"
    assert any_store.has("jobs/a/payload/x")
    assert any_store.has("jobs/a/payload")


def test_what_is_not_there(any_store):
    assert not any_store.has("jobs/a")
    assert any_store.list("jobs") == []
    any_store.delete("jobs/a")
    with pytest.raises(NotFound, match=r"jobs/a/spec\.json"):
        any_store.get("jobs/a/spec.json")
    with pytest.raises(NotFound, match="jobs/a"):
        any_store.download("jobs/a", Path("/nowhere"))


def test_names_are_listed_sorted_and_without_hidden_ones(any_store):
    for name in ("b", "a", ".draft"):
        any_store.put(f"jobs/{name}/spec.json", b"{}")

    assert any_store.list("jobs") == ["a", "b"]
    assert any_store.list("jobs/a") == ["spec.json"]


def test_a_folder_is_deleted_with_all_that_is_in_it(any_store):
    any_store.put("jobs/a/logs/rank-0.log", b"x")
    any_store.put("jobs/b/spec.json", b"{}")

    any_store.delete("jobs/a")

    assert not any_store.has("jobs/a/logs/rank-0.log")
    assert any_store.list("jobs") == ["b"]


def test_the_store_itself_is_never_deleted(any_store):
    with pytest.raises(SpecError, match="itself"):
        any_store.delete("")


def test_a_folder_travels_both_ways(any_store, tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "deep").mkdir(parents=True)
    (source / "pickle").write_bytes(b"p")
    (source / "deep" / "tensors").write_bytes(b"t" * 1000)
    target.mkdir()

    any_store.upload(source, "jobs/a/payload")
    any_store.download("jobs/a/payload", target)

    assert any_store.list("jobs/a/payload") == ["deep", "pickle"]
    assert (target / "pickle").read_bytes() == b"p"
    assert (target / "deep" / "tensors").read_bytes() == b"t" * 1000


def test_json_goes_both_ways(any_store):
    any_store.put_json("jobs/a/status.json", {"reason": "läuft", "started": None, "n": [1, 2.5]})

    assert any_store.get_json("jobs/a/status.json") == {"reason": "läuft", "started": None, "n": [1, 2.5]}


def test_damaged_json_is_told_with_its_file(any_store):
    any_store.put("jobs/a/status.json", b'{"state": ')

    with pytest.raises(BackendError, match=r"jobs/a/status\.json in the store is damaged"):
        any_store.get_json("jobs/a/status.json")


@pytest.mark.parametrize("path", ["../x", "jobs/../../x", "/etc/passwd", "jobs/..", ".."])
def test_no_path_leaves_the_store(any_store, path):
    for use in (any_store.get, any_store.has, any_store.list, any_store.delete, any_store.claim):
        with pytest.raises(SpecError, match="leaves the store"):
            use(path)
    with pytest.raises(SpecError, match="leaves the store"):
        any_store.put(path, b"")


def test_dots_within_a_name_are_no_trick(any_store):
    any_store.put("a/..b/c..", b"x")

    assert any_store.get("a/..b/c..") == b"x"


@pytest.mark.parametrize("url", ["nosuchthing://x", "https+odd://y"])
def test_a_url_that_nothing_understands(url):
    with pytest.raises(SpecError, match="cannot be used"):
        ArtifactStore(url).has("jobs")


def test_only_a_folder_of_this_machine_has_a_real_place(tmp_path):
    assert ArtifactStore(str(tmp_path)).local("jobs") == tmp_path / "jobs"
    assert ArtifactStore(f"file://{tmp_path}/").local() == tmp_path
    assert ArtifactStore("memory://x").local("jobs") is None


def test_nobody_else_may_look_into_a_store(store):
    store.put("jobs/a/spec.json", b"{}")
    store.claim("jobs/b")

    assert stat.S_IMODE(store.local().stat().st_mode) == 0o700


@pytest.fixture
def read_only(tmp_path):
    """A store on a folder where nothing can be written, even by root: a file stands in the way."""
    (tmp_path / "file").write_bytes(b"")
    return ArtifactStore(str(tmp_path / "file"))


def test_a_place_that_cannot_be_written_is_told(read_only):
    with pytest.raises(BackendError, match="store could not write"):
        read_only.put("jobs/a/spec.json", b"{}")
    with pytest.raises(BackendError, match="store could not write"):
        read_only.claim("jobs/a")
    with pytest.raises(BackendError, match="store could not write"):
        read_only.upload(Path(__file__).parent, "jobs/a")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_told(store):
    store.put("jobs/a/spec.json", b"{}")
    folder = store.local("jobs/a")
    folder.chmod(0o500)
    try:
        with pytest.raises(BackendError, match=r"could not write .*jobs/a/status\.json: Permission denied"):
            store.put("jobs/a/status.json", b"{}")
        with pytest.raises(BackendError, match=r"could not write .*jobs/a/b: Permission denied"):
            store.claim("jobs/a/b")
        with pytest.raises(BackendError, match=r"could not delete .*jobs/a"):
            store.delete("jobs/a")
    finally:
        folder.chmod(0o700)


def test_a_failed_write_leaves_no_draft(store):
    (store.local("jobs") / "a" / "status.json").mkdir(parents=True)

    with pytest.raises(BackendError, match="could not write"):
        store.put("jobs/a/status.json", b"{}")

    assert [path.name for path in store.local("jobs/a").iterdir()] == ["status.json"]


def _write_often(store: ArtifactStore, size: int, count: int) -> None:
    for number in range(count):
        store.put("jobs/a/status.json", bytes([number % 256]) * size)


def test_a_reader_sees_the_old_or_the_new_content_whole(store):
    size = 1 << 16
    store.put("jobs/a/status.json", b"\0" * size)
    writer = fork.Process(target=_write_often, args=(store, size, 500))
    writer.start()
    seen = set()
    while writer.is_alive():
        data = store.get("jobs/a/status.json")
        assert len(data) == size
        assert data == data[:1] * size
        seen.add(data[0])
    writer.join(30)

    assert writer.exitcode == 0
    assert len(seen) > 1, "the writer never wrote while it was read"


def _claim(store: ArtifactStore, start, wins) -> None:
    start.wait(30)
    for number in range(50):
        if store.claim(f"jobs/race-{number}"):
            wins.put(number)


def test_of_many_processes_that_claim_a_name_one_has_it(store):
    start, wins = fork.Barrier(4), fork.Queue()
    racers = [fork.Process(target=_claim, args=(store, start, wins)) for _ in range(4)]
    for racer in racers:
        racer.start()
    won = sorted(wins.get(timeout=30) for _ in range(50))
    for racer in racers:
        racer.join(30)

    assert won == list(range(50))
    assert wins.empty()
    assert [racer.exitcode for racer in racers] == [0] * 4


def test_a_claim_of_a_remote_store_sees_what_is_there():
    store = ArtifactStore(f"memory://{uuid.uuid4().hex}")

    assert store.claim("jobs/a")
    store.put("jobs/a/spec.json", b"{}")
    assert not store.claim("jobs/a")
    store.delete("jobs")

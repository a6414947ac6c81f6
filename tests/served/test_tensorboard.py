"""Which event files are a job's, and what is said where TensorBoard cannot show them."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
from tensorboard.compat.proto import event_pb2
from tensorboard.summary.writer import record_writer

from jupyter_kf.errors import NotFound
from jupyter_kf.server import tensorboard
from jupyter_kf.spec import JobSpec, JobState, JobStatus

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Served


@pytest.fixture(autouse=True)
def place_of_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    return tensorboard.links()


def written(root: Path, where: str, at: int) -> Path:
    file = root / where / f"events.out.tfevents.{at}.host.123.0.v2"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"")
    return file


def status(root: Path, started: float | None = 1000.0, finished: float | None = 2000.0) -> JobStatus:
    spec = JobSpec("night", notebook=str(root / "a.ipynb"))
    return JobStatus(spec, JobState.SUCCEEDED, started=started, finished=finished)


def test_files_begun_while_the_job_ran_are_linked(tmp_path: Path, place_of_links: Path) -> None:
    root = tmp_path / "work"
    first = written(root, "logs/train", 1100)
    second = written(root, "logs/validation", 1999)
    written(root, "logs/train", 900)
    written(root, "logs/train", 2100)
    written(root, ".trash", 1100)
    (root / "logs" / "events.txt").write_text("no")
    for _ in range(2):  # the second time the links are there
        assert tensorboard.show(status(root)) == "jupyter-kf-tensorboard/?runFilter=%5Enight%2F"
    linked = [path for path in place_of_links.rglob("*") if path.is_symlink()]
    assert {path.resolve() for path in linked} == {first, second}
    assert {str(path.parent.relative_to(place_of_links)) for path in linked} == {
        "night/logs/train",
        "night/logs/validation",
    }
    tensorboard.forget()
    assert not place_of_links.exists()
    assert first.exists()


def test_the_first_event_tells_the_jobs_of_one_second_apart(tmp_path: Path) -> None:
    for name, at in (("earlier", 1000.2), ("own", 1000.7)):
        file = written(tmp_path, name, int(at))
        with file.open("wb") as out:
            records = record_writer.RecordWriter(out)
            for event in (
                event_pb2.Event(wall_time=int(at), file_version="brain.Event:2"),
                event_pb2.Event(wall_time=at, step=1),
            ):
                records.write(event.SerializeToString())
    found = tensorboard.event_files(tmp_path, status(tmp_path, started=1000.5))
    assert [file.parent.name for file in found] == ["own"]


def test_a_job_that_runs_has_files_until_now(tmp_path: Path) -> None:
    now = int(time.time())
    file = written(tmp_path, "logs", now)
    running = status(tmp_path, started=now - 5.0, finished=None)
    assert list(tensorboard.event_files(tmp_path, running)) == [file]
    assert list(tensorboard.event_files(tmp_path, status(tmp_path, None, None))) == []


def test_reasons_where_there_is_nothing_to_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotFound, match=f"No event files were begun below {tmp_path}"):
        tensorboard.show(status(tmp_path))
    for elsewhere in (status(tmp_path / "gone"), JobStatus(JobSpec("night"))):
        with pytest.raises(NotFound, match="folder of the job's notebook is not known"):
            tensorboard.show(elsewhere)
    monkeypatch.setitem(tensorboard.NEEDED, "no_such_module", "no-such-package")
    with pytest.raises(NotFound, match="TensorBoard needs no-such-package beside the notebook server"):
        tensorboard.show(status(tmp_path))


async def test_the_route_says_where_to_look(served: Served, tmp_path: Path) -> None:
    written(tmp_path, "logs", int(time.time()))
    await served.submit("night", notebook=str(tmp_path / "a.ipynb"))
    response = await served.fetch("jobs/night/tensorboard")
    assert "No event files" in json.loads(response.body)["message"]  # it has not started
    served.backend.tell("night", JobState.RUNNING, at=time.time() - 1)
    assert "runFilter" in (await served.json("jobs/night/tensorboard"))["url"]

"""The extension's settings, its events, and its start by itself in kernels."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml

from jupyter_kf.backends.base import PlaceEvent
from jupyter_kf.backends.memory import MemoryBackend
from jupyter_kf.errors import BackendError
from jupyter_kf.server.extension import SCHEMA, SCHEMA_ID, JobsExtension
from jupyter_kf.spec import JobSpec, JobState, JobStatus, Replica, Resources

from .conftest import read, read_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Served


def test_status_keeps_the_contract() -> None:
    schema = yaml.safe_load(SCHEMA.read_text())
    full = JobStatus(
        JobSpec("a", 2, resources=Resources(1.5, 10**9, "nvidia.com/gpu", 2), cell=3, checkpoint=60.0),
        JobState.FAILED,
        "rank 1 ran out of memory",
        (Replica(0, JobState.SUCCEEDED, node="n", exit_code=0), Replica(1, JobState.FAILED, "oom", 2)),
        1.0,
        2.0,
        3.0,
    )
    for status in (full, JobStatus(JobSpec("b"))):
        value = status.to_dict()
        jsonschema.validate({"transition": "failed", "job": value}, schema)
        for key, names in (
            ("JobStatus", value),
            ("JobSpec", value["spec"]),
            ("Replica", full.to_dict()["replicas"][0]),
        ):
            assert set(names) == set(schema["$defs"][key]["properties"]), "job.v1.yaml lags behind spec.py"


async def test_changes_of_state_are_jupyter_events(served: Served) -> None:
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def listen(logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        heard.put_nowait(data)

    served.app.event_logger.add_listener(schema_id=SCHEMA_ID, listener=listen)
    await served.submit("night")
    words = [(await heard.get())["transition"]]
    for state in (JobState.RUNNING, JobState.RUNNING, JobState.PENDING, JobState.SUCCEEDED):
        served.backend.tell("night", state, f"{state}{len(words)}")
    await served.backend.delete("night")
    while words[-1] != "deleted":
        words.append((await heard.get())["transition"])
    assert words == ["submitted", "running", "waiting", "succeeded", "deleted"]


class Flaky(MemoryBackend):
    """Fails its first watch after one event."""

    failures = 1

    async def watch(self) -> Any:
        async for event in super().watch():
            yield event
            if self.failures:
                self.failures -= 1
                raise BackendError("The cluster went away.")


async def test_the_watch_comes_back_and_pages_hear_why(make_server: Callable[..., Any]) -> None:
    served, stop = await make_server(JobsExtension={"backend": f"{__name__}.Flaky"})
    socket = await served.socket()
    await read_until(socket, "snapshot")
    await served.submit("one")
    while (frame := await read(socket)).get("trouble") != "The cluster went away.":
        pass
    assert [j["spec"]["name"] for j in frame["jobs"]] == ["one"]
    while (await read_until(socket, "snapshot"))["trouble"]:
        pass
    await served.submit("two")
    assert (await read_until(socket, "delta"))["changed"][0]["spec"]["name"] == "two"
    await stop()


class Telling(MemoryBackend):
    """Has manifests and events."""

    async def events(self, name: str) -> tuple[PlaceEvent, ...]:
        return (PlaceEvent(2.0, f"Job {name}", "Created", "Created its pods"),)

    async def manifests(self, spec: JobSpec) -> str:
        return f"name: {spec.name}"


async def test_manifests_and_events_where_the_backend_has_them(make_server: Callable[..., Any]) -> None:
    served, stop = await make_server(JobsExtension={"backend": f"{__name__}.Telling"})
    await served.submit("night")
    assert await served.json("jobs/night/manifests") == {"manifests": "name: night"}
    [event] = (await served.json("jobs/night/events"))["events"]
    assert event == {"time": 2.0, "about": "Job night", "reason": "Created", "message": "Created its pods"}
    assert (await read(await served.socket()))["features"] == ["manifests", "events", "schedules"]
    await stop()


async def test_store_is_handed_to_kernels(make_server: Callable[..., Any], tmp_path: Any) -> None:
    url = str(tmp_path / "elsewhere")
    served, stop = await make_server(JobsExtension={"store": url, "autoload": False})
    assert served.backend.store.url == os.environ["JUPYTER_KF_STORE"] == url
    assert os.environ["JUPYTER_KF_AUTOLOAD"] == "0"
    await stop()


def test_every_setting_has_its_manual() -> None:
    own = JobsExtension.class_own_traits(config=True)
    assert {"backend", "store", "autoload", "page_limit", "log_window"} == set(own)
    for trait in own.values():
        assert len(trait.help.split()) > 8


@pytest.mark.parametrize("key", ["page_limit", "log_window"])
def test_limits_have_a_floor(key: str) -> None:
    with pytest.raises(Exception, match=key):
        JobsExtension(**{key: 0})

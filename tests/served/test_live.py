"""The WebSocket: what a page is told, and what it may ask."""

from __future__ import annotations

import asyncio
import gc
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml
from tornado.httpclient import HTTPClientError

import jupyter_kf.server
from jupyter_kf.logs import encode
from jupyter_kf.server.socket import LiveSocket
from jupyter_kf.spec import JobState, JobStatus

from .conftest import read, read_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from .conftest import Served

SCHEMA = yaml.safe_load(Path(jupyter_kf.server.__file__).with_name("job.v1.yaml").read_text())


def check(frame: dict[str, Any]) -> dict[str, Any]:
    """Hold a frame against the contract."""
    name = f"{frame['kind'].capitalize()}Frame"
    jsonschema.validate(frame, {"$defs": SCHEMA["$defs"], "$ref": f"#/$defs/{name}"})
    return frame


async def test_a_page_gets_a_snapshot_and_then_changes(served: Served) -> None:
    await served.submit("night", created=5.0)
    socket = await served.socket()
    first = check(await read(socket))
    while not first["jobs"]:  # the feed may see the job only now
        first = check(await read(socket))
        first["jobs"] = first.get("jobs") or first.get("changed")
    assert [job["spec"]["name"] for job in first["jobs"]] == ["night"]
    served.backend.tell("night", JobState.RUNNING, at=7.0)
    frame = check(await read_until(socket, "delta"))
    status = JobStatus.from_dict(frame["changed"][-1])
    assert (status.state, status.started, status.ready) == (JobState.RUNNING, 7.0, 2)
    await served.backend.delete("night")
    while not frame["removed"]:
        frame = check(await read(socket))
    assert frame["removed"] == ["night"]
    assert frame["v"] > first["v"]


async def test_changes_of_one_job_gather_into_one_frame(served: Served) -> None:
    socket = await served.socket()
    await read_until(socket, "snapshot")
    await served.submit("busy")
    for i in range(500):
        served.backend.tell("busy", JobState.RUNNING, f"step {i}", at=1.0)
    frames = 0
    while True:
        frame = await read_until(socket, "delta")
        frames += 1
        if frame["changed"][0]["reason"] == "step 499":
            break
    assert frames < 10


async def test_a_page_far_behind_gets_a_new_snapshot(make_server: Callable[..., Any]) -> None:
    served, stop = await make_server(JobsExtension={"page_limit": 3})
    page = served.feed.join()
    assert page.take()["kind"] == "snapshot"
    socket = await served.socket()
    await read_until(socket, "snapshot")
    for i in range(5):
        await served.submit(f"job-{i}")
    while not any(j["spec"]["name"] == "job-4" for j in (await read(socket)).get("jobs", [])):
        pass
    frame = page.take()
    assert frame["kind"] == "snapshot"
    assert len(frame["jobs"]) == 5
    assert page.take() is None
    await stop()


async def test_log_is_followed_from_an_offset_to_its_end(served: Served) -> None:
    await served.submit("talk")
    served.backend.tell("talk", JobState.RUNNING)
    text = "naïve ☃ text\n"
    served.backend.write("talk", b"old " + text.encode())
    socket = await served.socket()
    await socket.write_message(
        json.dumps({"op": "subscribe", "id": 3, "topic": "logs", "job": "talk", "from": 4})
    )
    frame = check(await read_until(socket, "log"))
    assert (frame["id"], frame["from"], frame["to"]) == (3, 4, 4 + len(text.encode()))
    assert frame["text"] == text
    snow = "☃".encode()
    served.backend.write("talk", b"a" + snow[:1])
    frame = check(await read_until(socket, "log"))
    assert frame["text"] == "a"
    before = frame["to"]
    served.backend.write("talk", snow[1:])
    frame = check(await read_until(socket, "log"))
    assert (frame["text"], frame["from"], frame["to"]) == ("☃", before, before + 3)
    served.backend.tell("talk", JobState.SUCCEEDED)
    assert check(await read_until(socket, "end"))["id"] == 3


async def test_too_much_log_leaves_a_gap_that_rest_fills(make_server: Callable[..., Any]) -> None:
    served, stop = await make_server(JobsExtension={"log_window": 64 * 1024})
    await served.submit("loud")
    lines = "".join(f"line {i:06}\n" for i in range(40_000))
    for i in range(0, len(lines), 10_000):
        served.backend.write("loud", lines[i : i + 10_000].encode())
    served.backend.tell("loud", JobState.SUCCEEDED)
    socket = await served.socket()
    await socket.write_message(json.dumps({"op": "subscribe", "id": 1, "topic": "logs", "job": "loud"}))
    parts: dict[int, str] = {}
    while (frame := check(await read(socket)))["kind"] != "end":
        if frame["kind"] == "log":
            parts[frame["from"]] = frame["text"]
        elif frame["kind"] == "gap":
            start = frame["from"]
            while start < frame["to"]:
                size = frame["to"] - start
                piece = await served.json(f"jobs/loud/logs?start={start}&size={size}")
                parts[piece["from"]] = piece["text"]
                start = piece["to"]
    assert "".join(parts[k] for k in sorted(parts)) == lines
    assert served.feed.trouble == ""
    await stop()


async def test_metrics_come_without_the_text_around_them(served: Served) -> None:
    await served.submit("train")
    socket = await served.socket()
    await socket.write_message(json.dumps({"op": "subscribe", "id": 9, "topic": "metrics", "job": "train"}))
    records = [
        {
            "kind": "metrics",
            "event": "step",
            "epoch": 0,
            "step": i,
            "values": {"loss": 1 / (i + 1)},
            "time": 1.0,
        }
        for i in range(3000)
    ]
    served.backend.write("train", b"".join(b"text\n" + encode(r) for r in records))
    served.backend.tell("train", JobState.SUCCEEDED)
    got: list[Any] = []
    while (frame := check(await read(socket)))["kind"] != "end":
        got.extend(frame.get("records", []))
    assert got == records


async def test_unsubscribe_stops_the_tail(served: Served) -> None:
    await served.submit("chat")
    socket = await served.socket()
    await read_until(socket, "snapshot")
    for op in ("subscribe", "unsubscribe"):
        await socket.write_message(json.dumps({"op": op, "id": 1, "topic": "logs", "job": "chat"}))
    await socket.write_message(json.dumps({"op": "subscribe", "id": 2, "topic": "logs", "job": "chat"}))
    served.backend.write("chat", b"hello\n")
    assert (await read_until(socket, "log"))["id"] == 2


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("{", "not JSON"),
        ("[1]", "JSON object"),
        (b"\xff\xfe", "not JSON"),
        ("[" * 30_000, "not JSON"),
        ('{"op": "format"}', "subscribe"),
        ('{"op": "subscribe", "id": -1, "topic": "logs", "job": "a"}', "id"),
        ('{"op": "subscribe", "id": 1, "topic": "secrets", "job": "a"}', "topic"),
        ('{"op": "subscribe", "id": 1, "topic": "logs", "job": "../../etc/passwd"}', "job's name"),
        ('{"op": "subscribe", "id": 1, "topic": "logs", "job": 7}', "job's name"),
        ('{"op": "subscribe", "id": true, "topic": "logs", "job": "a"}', "id"),
    ],
)
async def test_a_bad_frame_is_answered_and_harms_nothing(
    served: Served, message: str | bytes, words: str
) -> None:
    socket = await served.socket()
    await read_until(socket, "snapshot")
    await socket.write_message(message, binary=isinstance(message, bytes))
    assert words in check(await read_until(socket, "error"))["message"]
    await served.submit("after")
    assert (await read_until(socket, "delta"))["changed"][0]["spec"]["name"] == "after"


async def test_a_job_that_is_not_there_is_an_error_of_its_subscription(served: Served) -> None:
    socket = await served.socket()
    await socket.write_message('{"op": "subscribe", "id": 4, "topic": "logs", "job": "nobody"}')
    frame = check(await read_until(socket, "error"))
    assert (frame["id"], frame["error"]) == (4, "NotFound")


async def test_a_log_that_can_no_longer_be_read_ends_its_subscription(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any, **__: Any) -> AsyncIterator[bytes]:
        yield b"the last line\n"
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(served.backend, "logs", broken)
    socket = await served.socket()
    await socket.write_message(json.dumps({"op": "subscribe", "id": 3, "topic": "logs", "job": "night"}))
    assert check(await read_until(socket, "log"))["text"] == "the last line\n"
    frame = check(await read_until(socket, "error"))
    assert (frame["id"], frame["error"]) == (3, "OSError")
    assert "Input/output error" in frame["message"]


async def test_no_more_tails_than_a_page_can_use(served: Served) -> None:
    await served.submit("many")
    socket = await served.socket()
    for i in range(70):
        await socket.write_message(json.dumps({"op": "subscribe", "id": i, "topic": "logs", "job": "many"}))
    assert "at most 64" in (await read_until(socket, "error"))["message"]


async def test_a_giant_frame_closes_only_its_own_socket(served: Served) -> None:
    bad, good = await served.socket(), await served.socket()
    await bad.write_message("x" * 200_000)
    while await read(bad) is not None:
        pass
    assert bad.close_code == 1009
    await served.submit("after")
    assert await read_until(good, "snapshot")
    assert (await read_until(good, "delta"))["changed"]


@pytest.mark.parametrize(
    "case",
    [
        {"token": "wrong"},
        {"token": ""},
        {"token": "", "headers": {"Origin": "http://evil.example"}},
    ],
)
async def test_a_stranger_gets_no_socket(served: Served, case: dict[str, Any]) -> None:
    with pytest.raises(HTTPClientError) as refused:
        await served.socket(**case)
    assert refused.value.code == 403


async def test_a_page_that_left_is_forgotten(served: Served) -> None:
    await served.submit("loud")
    socket = await served.socket()
    await socket.write_message('{"op": "subscribe", "id": 1, "topic": "logs", "job": "loud"}')
    served.backend.write("loud", b"x")
    await read_until(socket, "log")
    await served.hang_up()
    # the next page's frames come after the server has seen the first one leave
    other = await served.socket()
    await read_until(other, "snapshot")
    assert len(served.feed._pages) == 1


async def test_a_slow_reader_costs_a_window_and_hears_of_the_gap(served: Served) -> None:
    await served.submit("loud")
    slow = await served.socket()
    await slow.write_message('{"op": "subscribe", "id": 1, "topic": "logs", "job": "loud"}')
    served.backend.write("loud", b"begin\n")
    await read_until(slow, "log")
    [page] = [o for o in gc.get_objects() if type(o) is LiveSocket and o.page in served.feed._pages]
    chunk, total = b"x" * (1024 * 1024 - 1) + b"\n", 64
    for _ in range(total):  # and nobody reads
        served.backend.write("loud", chunk)
        await asyncio.sleep(0)
    tail = page.tails[1]
    # nothing tells when the tail has read all; the test's time-out bounds it
    while tail._offset + tail._held < total * len(chunk):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    assert tail._held + len(page.ws_connection.stream._write_buffer) < 4 * len(chunk)
    other = await served.socket()
    await read_until(other, "snapshot")
    await served.submit("after")
    assert (await read_until(other, "delta"))["changed"]
    served.backend.tell("loud", JobState.SUCCEEDED)
    kinds: dict[str, int] = {"log": 6, "gap": 0}
    while (frame := check(await read(slow)))["kind"] != "end":
        if frame["kind"] in kinds:
            kinds[frame["kind"]] += frame["to"] - frame["from"]
    assert kinds["gap"] > 16 * len(chunk)
    assert kinds["log"] + kinds["gap"] == total * len(chunk) + 6

"""The REST routes of stored graphs and schedules."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml

from jupyter_kf.__main__ import parser
from jupyter_kf.backends.local import LocalBackend
from jupyter_kf.server import graphs
from jupyter_kf.server.graphs import CONTRACT
from jupyter_kf.stored import shelf
from jupyter_kf.timetable import SCHEDULE_LABEL, ScheduleSpec, ScheduleStatus
from tests.shelved import NODES, TRAINED, picture, shelve

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Served

SCHEMA = yaml.safe_load(CONTRACT.read_text())


def keeps(value: Any, kind: str = "") -> None:
    """Check an answer against the contract, and that the contract has no more fields than it."""
    schema = {"$ref": f"#/$defs/{kind}", "$defs": SCHEMA["$defs"]} if kind else SCHEMA
    jsonschema.validate(value, schema)
    known = SCHEMA["$defs"][kind] if kind else SCHEMA
    assert set(value) == set(known["properties"]), f"graph.v1.yaml lags behind: {kind}"


async def test_graphs_with_their_versions(served: Served) -> None:
    assert await served.json("graphs") == {"graphs": []}
    store = served.backend.store
    shelve(store)
    shelve(store, trained=TRAINED, asks=("ReadFile",))
    shelve(store, "other")
    found = (await served.json("graphs"))["graphs"]
    assert [(g["name"], [v["version"] for v in g["versions"]]) for g in found] == [
        ("other", [1]),
        ("ranker", [2, 1]),
    ]
    for graph in found:
        keeps(graph)
        for version in graph["versions"]:
            keeps(version, "GraphVersion")
            keeps(version["inputs"][0], "Tensor")
    newest = found[1]["versions"][0]
    keeps(newest["trained"], "Trained")
    record = shelf.read_record(store, "ranker")
    assert (newest["bytes"], newest["hash"]) == (record.bytes, record.hash)


async def test_one_graph_with_its_runs(served: Served) -> None:
    shelve(served.backend.store)
    await served.submit("ranker-1", labels={"graph": "ranker"})
    await served.submit("something-else")
    found = await served.json("graphs/ranker")
    assert [run["spec"]["name"] for run in found["runs"]] == ["ranker-1"]
    assert found["versions"][0]["version"] == 1


async def test_the_picture_of_a_version(served: Served) -> None:
    store = served.backend.store
    shelve(store)
    shelve(store, picture=picture([["a", "Const", []]]))
    assert await served.json("graphs/ranker/picture?version=1") == {"nodes": NODES}
    assert await served.json("graphs/ranker/picture") == {"nodes": [["a", "Const", []]]}


@pytest.mark.parametrize("drawn", ["?", picture({}), picture([["a", "b", [7]]]), picture("x" * 20_000_000)])
async def test_a_picture_that_is_none(served: Served, drawn: str) -> None:
    shelve(served.backend.store, picture=drawn)
    response = await served.fetch("graphs/ranker/picture")
    assert response.code == 400
    assert "picture" in json.loads(response.body)["message"]


async def test_what_was_changed_on_the_disk_is_told(served: Served) -> None:
    record = shelve(served.backend.store)
    place = served.backend.store.local(shelf.graph_path("ranker", record.version, shelf.PICTURE))
    assert place is not None
    place.write_text(picture([]))
    response = await served.fetch("graphs/ranker/picture")
    assert response.code == 400
    assert "is not the one that was stored" in json.loads(response.body)["message"]


async def test_two_versions_are_compared(served: Served) -> None:
    store = served.backend.store
    first = shelve(store)
    shelve(store, trained=TRAINED, weights_file=b"1")
    shelve(store, ops={"MatMul": 2, "BiasAdd": 1}, inputs=first.inputs[:1], versions={"keras": "3.13.0"})
    found = await served.json("graphs/ranker/compare?older=1&newer=2")
    keeps(found, "Comparison")
    assert (found["signature"], found["ops"], found["weights_changed"]) == ([], {}, True)
    found = await served.json("graphs/ranker/compare?older=1&newer=3")
    assert found["signature"] == ["- input y: float32[?, 1]"]
    assert found["ops"] == {"CollectiveReduceV3": -1, "MatMul": 1}
    assert found["versions"]["keras"] == ["3.12.0", "3.13.0"]
    assert not found["weights_changed"]
    for query in ("", "?older=1", "?older=x&newer=2"):
        assert (await served.fetch(f"graphs/ranker/compare{query}")).code == 400
    assert (await served.fetch("graphs/ranker/compare?older=1&newer=9")).code == 404


async def test_rename_and_delete(served: Served) -> None:
    store = served.backend.store
    shelve(store)
    shelve(store)
    shelve(store, "other")
    await served.json("graphs/ranker/delete", method="POST", body={"version": 1})
    assert [r.version for r in shelf.list_versions(store, "ranker")] == [2]
    response = await served.fetch("graphs/ranker/rename", method="POST", body={"to": "other"})
    assert (response.code, "already" in response.body.decode()) == (400, True)
    await served.json("graphs/ranker/rename", method="POST", body={"to": "sorter"})
    await served.json("graphs/sorter/delete", method="POST")
    assert [g["name"] for g in (await served.json("graphs"))["graphs"]] == ["other"]


async def test_a_schedule_from_the_page(served: Served) -> None:
    shelve(served.backend.store)
    run = {"workers": 4, "steps": 9, "data": "x.npz", "batch_size": 8, "allow": ["ReadFile"]}
    (served.root / "x.npz").write_bytes(b"")
    asked = {"graph": "ranker", "cron": "0 3 * * *", "time_zone": "Europe/Berlin", "run": run}
    made = await served.json("schedules", method="POST", body=asked)
    keeps(made, "ScheduleStatus")
    keeps(made["spec"], "ScheduleSpec")
    assert made["spec"]["name"] == "ranker"
    words = ["--steps", "9", "--data", str(served.root / "x.npz"), "--batch-size", "8"]
    words += ["--allow", "ReadFile"]
    assert made["spec"]["arguments"] == words
    assert made["next"] is not None
    assert (await served.json("schedules"))["schedules"] == [made]
    await served.json("schedules/ranker/pause", method="POST")
    [paused] = (await served.json("schedules"))["schedules"]
    assert (paused["paused"], paused["next"]) == (True, None)
    await served.json("schedules/ranker/resume", method="POST")
    await served.json("schedules/ranker/delete", method="POST")
    assert (await served.json("schedules"))["schedules"] == []
    assert (await served.fetch("schedules/ranker/pause", method="POST")).code == 404


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"cron": "0 25 * * *"}, "'25' is no hour"),
        ({"cron": "0 0 30 2 *"}, "never comes round"),
        ({"time_zone": "Mars"}, "no time zone 'Mars'"),
        ({"graph": "nobody"}, "no graph 'nobody'"),
        ({"name": "Night!"}, "cannot be a schedule's name"),
        ({"run": {"workers": 0}}, "run.workers: 0 is less than the minimum"),
        ({"run": {"workers": "2"}}, "run.workers: '2' is not of type 'integer'"),
        ({"run": {"workers": 2, "profile": "a100"}}, "no profile 'a100'"),
        ({"run": {"workers": 2, "version": 7}}, "has no version 7"),
        ({"run": {"workers": 2, "data": "../x"}}, "not below the folder"),
        ({"run": {"workers": 2, "data": "/etc/passwd"}}, "not below the folder"),
        ({"run": {"workers": 2, "data": "absent.npz"}}, "no file 'absent.npz'"),
        ({"run": {"data": ""}}, "'ranker' has no dataset"),
        ({"run": {"workers": 2, "command": "x"}}, "'command' was unexpected"),
        ({"cron": None}, "cron: None is not of type 'string'"),
    ],
)
async def test_a_wrong_schedule_makes_nothing(served: Served, change: dict[str, Any], says: str) -> None:
    shelve(served.backend.store)
    run = {"workers": 2, "data": "x.npz"} | change.pop("run", {})
    (served.root / "x.npz").write_bytes(b"")
    asked = {"graph": "ranker", "cron": "0 3 * * *", "run": run} | change
    response = await served.fetch("schedules", method="POST", body=asked)
    assert response.code in (400, 404), response.body
    assert says in json.loads(response.body)["message"]
    assert (await served.json("schedules"))["schedules"] == []


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        ({"workers": 0}, 400, "workers: 0 is less than the minimum"),
        ({"steps": 0}, 400, "steps: 0 is less than the minimum"),
        ({"data": "../x"}, 400, "not below the folder"),
        ({"data": "x.npz"}, 400, "is no .npz"),
        ({"data": ""}, 400, "The graph 'ranker' has no dataset"),
        ({"profile": "a100"}, 400, "There is no profile 'a100'"),
        ({"name": "Not a name"}, 400, "cannot be a job's name"),
        ({"version": 7}, 404, "has no version 7"),
    ],
)
async def test_a_wrong_run_is_told_and_makes_no_job(
    make_server: Callable[..., Any], change: dict[str, Any], code: int, says: str
) -> None:
    """By the very command that anybody can type, in a process of its own."""
    served, stop = await make_server(JobsExtension={"backend": "local"})
    shelve(served.backend.store, has_data=change.get("data") != "")
    (served.root / "x.npz").write_bytes(b"no archive")
    response = await served.fetch("graphs/ranker/run", method="POST", body={"workers": 2} | change)
    assert (response.code, says in json.loads(response.body)["message"]) == (code, True), response.body
    assert (await served.json("jobs"))["jobs"] == []
    await stop()


async def test_a_run_is_sent_out_by_the_words_of_the_command(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelve(served.backend.store)
    (served.root / "x.npz").write_bytes(b"")
    lines = []

    async def send(backend: Any, line: tuple[str, ...]) -> str:
        lines.append(line)
        return "a-job"

    monkeypatch.setattr(graphs.sending, "send", send)
    whole = {"version": 1, "workers": 3, "profile": "a100", "name": "by-hand", "data": "x.npz", "steps": 7}
    whole |= {"batch_size": 16, "allow": ["ReadFile"]}
    keeps(whole, "RunRequest")
    for asked in (whole, {"workers": 1}):
        found = await served.json("graphs/ranker/run", method="POST", body=asked)
        assert found == {"job": "a-job"}
    words = "run-graph ranker --version 1 --workers 3 --profile a100 --steps 7 --data DATA --batch-size 16 "
    words += "--allow ReadFile --job-name by-hand --detach"
    assert lines[0] == tuple(words.replace("DATA", str(served.root / "x.npz")).split())
    assert lines[1] == ("run-graph", "ranker", "--workers", "1", "--detach")
    for line in lines:
        parser().parse_args(line)  # the command knows them all


async def test_where_nothing_can_be_scheduled_the_way_out_is_told(make_server: Callable[..., Any]) -> None:
    served, stop = await make_server(JobsExtension={"backend": "local"})
    assert isinstance(served.backend, LocalBackend)
    shelve(served.backend.store)
    assert "schedules" not in served.feed.features
    assert (await served.json("schedules"))["schedules"] == []
    (served.root / "x.npz").write_bytes(b"")
    asked = {"graph": "ranker", "cron": "0 3 * * *", "run": {"workers": 2, "data": "x.npz"}}
    response = await served.fetch("schedules", method="POST", body=asked)
    assert response.code == 400
    assert "0 3 * * * JUPYTER_KF_STORE=" in json.loads(response.body)["message"]
    await stop()


async def test_bodies_that_make_no_sense(served: Served) -> None:
    shelve(served.backend.store)
    for body in (
        b"{",
        b"[]",
        b"[" * 100_000,
        b'{"to": 3}',
        b"{}",
        b'{"to": "a", "more": 1}',
        b'{"to": "../x"}',
    ):
        response = await served.fetch("graphs/ranker/rename", method="POST", raw=body)
        assert response.code == 400, body
    assert (await served.fetch("graphs/..%2fjobs")).code == 400
    assert (await served.fetch("graphs/nobody")).code == 404
    assert (await served.fetch("graphs/nobody/picture")).code == 404
    assert (await served.fetch("graphs/nobody/delete", method="POST")).code == 404
    assert [g["name"] for g in (await served.json("graphs"))["graphs"]] == ["ranker"]


def test_schedules_keep_the_contract() -> None:
    spec = ScheduleSpec("a", "g", "@daily", version=2, arguments=("--steps", "3"))
    for status in (ScheduleStatus(spec), ScheduleStatus(spec, True, 1, 1.0, 2.0, 3.0, "why")):
        keeps(status.to_dict(), "ScheduleStatus")
        keeps(status.to_dict()["spec"], "ScheduleSpec")
    assert SCHEDULE_LABEL == "jupyter-kf/schedule"  # the page finds a schedule's jobs by it

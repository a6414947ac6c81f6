"""The REST routes: answers, errors by the table, and that every one of them asks who it is."""

from __future__ import annotations

import base64
import inspect
import json
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from jupyter_server.auth import Authorizer
from tornado.httpclient import HTTPClientError

from jupyter_kf.backends.base import Availability
from jupyter_kf.errors import BackendError, Forbidden, JobFailed, SpecError
from jupyter_kf.logs import encode
from jupyter_kf.server.routes import routes
from jupyter_kf.spec import JobState

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Served

VERBS = ("get", "head", "post", "put", "patch", "delete", "options")


def example(pattern: str) -> str:
    """Make a path that the pattern of a route matches."""
    path = pattern.removeprefix("/jupyter-kf/").replace("\\.", ".")
    for part in ("name", "graph", "schedule"):
        path = path.replace(f"(?P<{part}>[^/]+)", "night")
    groups = ("action>cancel|delete|interrupt", "action>pause|resume|delete", "what>manifests|events")
    for group in (f"(?P<{group})" for group in groups):
        path = path.replace(group, group.partition(">")[2].partition("|")[0])
    assert "(" not in path, f"teach this test the route {pattern}"
    return path


class Denying(Authorizer):
    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        return resource != "jupyter_kf"


def endpoints(served: Served) -> list[tuple[str, str]]:
    found = []
    for pattern, kind, _ in routes(served.feed, 1):
        own = [
            v
            for v in VERBS
            if any(v in vars(c) for c in inspect.getmro(kind) if "jupyter_kf" in c.__module__)
        ]
        assert own, f"{kind.__name__} answers no verb"
        found.extend((verb.upper(), example(pattern)) for verb in own)
    return found


async def test_every_endpoint_refuses_strangers(served: Served) -> None:
    await served.submit("night")
    for method, path in endpoints(served):
        for token in ("", "wrong"):
            if path == "ws":
                with pytest.raises(HTTPClientError) as refused:
                    await served.socket(token=token)
                code = refused.value.code
            else:
                code = (await served.fetch(path, method=method, token=token)).code
            # a POST without any token is stopped by the XSRF check, with the same 403
            assert code == 403, (method, path, token)
    assert (await served.backend.get("night")).state is JobState.PENDING


async def test_every_endpoint_asks_the_authorizer(make_server: Callable[..., Any]) -> None:
    served, stop = await make_server(ServerApp={"authorizer_class": Denying})
    await served.submit("night")
    for method, path in endpoints(served):
        if path == "ws":
            with pytest.raises(HTTPClientError) as refused:
                await served.socket()
            assert refused.value.code == 403
        else:
            assert (await served.fetch(path, method=method)).code == 403, (method, path)
    await stop()


async def test_only_get_and_post(served: Served) -> None:
    assert {method for method, _ in endpoints(served)} == {"GET", "POST"}


async def test_a_foreign_origin_is_refused(served: Served) -> None:
    await served.submit("night")
    cookies = await served.fetch("jobs?token=a-token-for-tests", token="")
    cookie = "; ".join(c.partition(";")[0] for c in cookies.headers.get_list("Set-Cookie"))
    assert cookie
    stranger = {"Cookie": cookie, "Origin": "http://evil.example"}
    assert (await served.fetch("jobs", token="", headers=stranger)).code == 404
    response = await served.fetch("jobs/night/cancel", method="POST", token="", headers=stranger)
    assert response.code in (403, 404)
    with pytest.raises(HTTPClientError) as refused:
        await served.socket(token="", headers=stranger)
    assert refused.value.code == 403
    # a form of our own origin without the XSRF cookie's value is refused as well
    response = await served.fetch("jobs/night/cancel", method="POST", token="", headers={"Cookie": cookie})
    assert response.code == 403
    assert (await served.backend.get("night")).state is JobState.PENDING


async def test_jobs_and_one_job(served: Served) -> None:
    await served.submit("night", created=2.0)
    await served.submit("day", created=3.0)
    assert [j["spec"]["name"] for j in (await served.json("jobs"))["jobs"]] == ["day", "night"]
    assert (await served.json("jobs/night"))["spec"]["created"] == 2.0


async def test_cancel_keeps_and_delete_removes(served: Served) -> None:
    await served.submit("night")
    await served.json("jobs/night/interrupt", method="POST")
    assert served.backend.store.has("jobs/night/requests/interrupt")
    await served.json("jobs/night/cancel", method="POST")
    assert (await served.json("jobs/night"))["state"] == "CANCELLED"
    await served.json("jobs/night/delete", method="POST")
    assert (await served.fetch("jobs/night")).code == 404
    assert (await served.fetch("jobs/night/delete", method="POST")).code == 404


async def test_log_in_pieces_never_cuts_a_character(served: Served) -> None:
    await served.submit("talk")
    text = "a☃é😀b" * 20
    served.backend.write("talk", text.encode())
    for size in (4, 5, 7, 11):
        got, start = "", 0
        while True:
            piece = await served.json(f"jobs/talk/logs?start={start}&size={size}")
            assert piece["from"] == start
            if piece["to"] == start:
                break
            got, start = got + piece["text"], piece["to"]
        assert got == text


async def test_download_is_readable_text(served: Served) -> None:
    await served.submit("talk")
    metrics = {"kind": "metrics", "event": "epoch", "epoch": 0, "step": 1, "values": {}, "time": 1.0}
    data = b"epoch 1\n" + encode({"kind": "stderr", "text": "careful\n"}) + encode(metrics)
    served.backend.write("talk", data, rank=1)
    response = await served.fetch("jobs/talk/log.txt?rank=1")
    assert response.body == b"epoch 1\ncareful\n"
    assert response.headers["Content-Disposition"] == 'attachment; filename="talk-1.txt"'
    served.backend.write("talk", b"first\n", rank=0)
    response = await served.fetch("jobs/talk/log.txt?rank=all")
    assert response.body == b"==== worker 0 ====\nfirst\n==== worker 1 ====\nepoch 1\ncareful\n"
    assert (await served.fetch("jobs/nobody/log.txt?rank=all")).code == 404
    assert (await served.fetch("jobs/talk/log.txt?rank=some")).code == 400


async def test_metrics_of_a_rank(served: Served) -> None:
    await served.submit("train")
    record = {"kind": "metrics", "event": "epoch", "epoch": 0, "values": {"loss": 0.5}, "time": 1.0}
    served.backend.write("train", b"text\n" + encode(record))
    assert (await served.json("jobs/train/metrics"))["records"] == [record]


async def test_graphs_and_none_that_is_forged(served: Served) -> None:
    await served.submit("train")
    nodes = [["x", "Placeholder", []], ["y", "Identity", [0]]]

    def packed(data: bytes) -> str:
        return base64.b64encode(zlib.compress(data)).decode()

    forged = ["?", packed(b"["), packed(b"1" * 10 + b" " * 40_000_000), base64.b64encode(b"x").decode()]
    for text in (*forged, packed(json.dumps(nodes).encode())):
        served.backend.write("train", encode({"kind": "graph", "title": "train_step", "packed": text}))
    found = (await served.json("jobs/train/graphs"))["graphs"]
    assert found[-1] == {"title": "train_step", "nodes": nodes}
    assert all(isinstance(graph["nodes"], list) for graph in found)


async def test_profiles_are_the_catalogue(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await served.json("profiles") == {"profiles": []}
    monkeypatch.setenv("JUPYTER_KF_PROFILES", '[{"name": "a100", "title": "One A100"}]')
    [profile] = (await served.json("profiles"))["profiles"]
    assert (profile["name"], profile["title"]) == ("a100", "One A100")
    monkeypatch.setenv("JUPYTER_KF_PROFILES", "[")
    assert (await served.fetch("profiles")).code == 400


async def test_what_is_not_known_is_not_nothing(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = {"free": None, "total": None}
    assert await served.json("availability") == {"availability": {"": unknown}}
    monkeypatch.setenv("JUPYTER_KF_PROFILES", '[{"name": "a100"}, {"name": "cpu"}]')

    async def some(profile: str) -> Availability:
        return Availability(free=3, total=8) if profile == "cpu" else Availability()

    monkeypatch.setattr(served.backend, "availability", some)
    known = {"": unknown, "a100": unknown, "cpu": {"free": 3, "total": 8}}
    assert await served.json("availability") == {"availability": known}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SpecError("bad"), 400),
        (Forbidden("no"), 403),
        (JobFailed("broke"), 409),
        (BackendError("100% away"), 502),
        (TimeoutError(), 504),
    ],
)
async def test_errors_become_codes_by_the_table(
    served: Served, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int
) -> None:
    async def fail() -> None:
        raise error

    monkeypatch.setattr(served.backend, "list", fail)
    response = await served.fetch("jobs")
    assert response.code == code
    assert json.loads(response.body)["message"] == (str(error) or "TimeoutError")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("jobs/nobody", 404),
        ("jobs/nobody/logs", 404),
        ("jobs/nobody/log.txt", 404),
        ("jobs/night/logs?rank=7", 404),
        ("jobs/night/logs?rank=-1", 400),
        ("jobs/night/logs?start=1e3", 400),
        ("jobs/night/logs?start=%00", 400),
        ("jobs/..", 400),
        ("jobs/%2e%2e", 400),
        ("jobs/..%2f..%2fetc%2fpasswd/logs", 400),
        ("jobs/%00", 400),
        ("jobs/night%0d%0aX-Evil:1/log.txt", 400),
        ("jobs/" + "a" * 5000, 400),
        ("jobs/night/manifests", 404),
        ("jobs/night/events", 404),
        ("jobs/night/tensorboard", 404),
        ("jobs/nobody/tensorboard", 404),
        ("jobs/night/secrets", 404),
    ],
)
async def test_bad_paths_have_clear_codes(served: Served, path: str, code: int) -> None:
    await served.submit("night")
    response = await served.fetch(path)
    assert response.code == code, response.body

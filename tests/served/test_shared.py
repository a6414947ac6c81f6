"""A server that its owner shares through a real JupyterHub: what the others may do then, and what not."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

import jupyter_kf as kf

from .shared_hub import ROOT, Person, log_in, shared_hub

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JOBS = "jupyter-kf/jobs"


@pytest.fixture
def front(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("JUPYTER_KF_PRELOAD", "jupyter_kf.worker.run")  # no training here
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with shared_hub(tmp_path / "hub", dict(os.environ)) as address:
        yield address


def share(owner: Person, guest: Person) -> str:
    """Have the owner make a code and the guest take it up; gives the code."""
    made = owner.hub("POST", f"share-codes/{owner.name}/")
    assert made.status_code == 200, made.text
    code = str(made.json()["code"])
    place = f"{guest.front}/hub/accept-share"
    page = guest.session.get(place, params={"code": code}, timeout=30)
    assert page.status_code == 200, page.text[-300:]
    form = {"code": code, "_xsrf": guest.session.cookies.get("_xsrf", path="/hub/")}
    done = guest.session.post(place, data=form, timeout=30, allow_redirects=False)
    assert done.status_code == 302, done.text[-300:]
    return code


@pytest.mark.timeout(180)
def test_a_guest_may_use_the_server_and_nothing_else(front: str) -> None:
    ada, bob, eve = (log_in(front, name) for name in ("ada", "bob", "eve"))
    ada.start_server()
    job = kf.Executor(workers=1).submit(time.sleep, 600)
    assert ada.server("ada", "GET", JOBS).status_code == 200
    assert bob.server("ada", "GET", JOBS).status_code == 403

    share(ada, bob)

    granted = ada.hub("GET", "shares/ada/").json()["items"]
    assert [(s["user"]["name"], s["scopes"]) for s in granted] == [("bob", ["access:servers!server=ada/"])]
    seen = bob.server("ada", "GET", JOBS)
    assert [found["spec"]["name"] for found in seen.json()["jobs"]] == [job.name]
    assert bob.server("ada", "POST", f"{JOBS}/{job.name}/cancel").status_code == 200
    assert job.cancelled()
    # Using the server is running programs as its owner.
    assert bob.server("ada", "POST", "api/kernels", name="python3").status_code == 201
    # That is all: the hub lets a guest neither start, stop nor look up the owner, nor share on.
    assert bob.hub("GET", "users/ada").status_code == 404
    assert bob.hub("DELETE", "users/ada/server").status_code in (403, 404)
    assert bob.hub("POST", "users/ada/tokens", note="no").status_code in (403, 404)
    assert bob.hub("POST", "share-codes/ada/").status_code in (403, 404)
    assert bob.hub("GET", "shares/ada/").status_code in (403, 404)
    assert bob.hub("GET", "users").status_code == 403
    # And others gain nothing.
    assert eve.server("ada", "GET", JOBS).status_code == 403
    assert eve.server("ada", "POST", f"{JOBS}/{job.name}/delete").status_code == 403

    assert ada.hub("DELETE", "shares/ada/").status_code == 204
    assert bob.server("ada", "GET", JOBS).status_code == 403
    assert ada.server("ada", "GET", JOBS).status_code == 200

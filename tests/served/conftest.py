"""A real Jupyter Server in the test's own loop, with the memory backend behind the extension."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jupyter_server.serverapp import ServerApp
from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.websocket import WebSocketClientConnection, websocket_connect
from traitlets.config import Config

from jupyter_kf.spec import JobSpec
from jupyter_kf.store import PAYLOAD, job_path

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from jupyter_kf.backends.memory import MemoryBackend
    from jupyter_kf.server.live import Feed

TOKEN = "a-token-for-tests"


@dataclass
class Served:
    """The server as a client sees it, and the backend behind it."""

    app: ServerApp
    base: str  # host:port/base_url/
    sockets: list[WebSocketClientConnection] = field(default_factory=list)

    @property
    def feed(self) -> Feed:
        return self.app.web_app.settings["jupyter_kf_feed"]

    @property
    def root(self) -> Path:
        """The folder of the notebooks."""
        return Path(self.app.root_dir)

    @property
    def backend(self) -> MemoryBackend:
        return self.feed.backend  # type: ignore[return-value]

    async def fetch(
        self,
        path: str,
        *,
        method: str = "GET",
        token: str = TOKEN,
        headers: dict[str, str] | None = None,
        body: Any = None,
        raw: bytes | None = None,
    ) -> HTTPResponse:
        sent = {**({"Authorization": f"token {token}"} if token else {}), **(headers or {})}
        written = (raw or json.dumps(body or {})) if method == "POST" else None
        url = f"http://{self.base}jupyter-kf/{path}"
        request = HTTPRequest(url, method=method, headers=sent, body=written, follow_redirects=False)
        return await AsyncHTTPClient().fetch(request, raise_error=False)

    async def json(self, path: str, **kwargs: Any) -> Any:
        response = await self.fetch(path, **kwargs)
        assert response.code == 200, response.body
        return json.loads(response.body)

    async def socket(
        self, *, token: str = TOKEN, headers: dict[str, str] | None = None
    ) -> WebSocketClientConnection:
        sent = {**({"Authorization": f"token {token}"} if token else {}), **(headers or {})}
        socket = await websocket_connect(HTTPRequest(f"ws://{self.base}jupyter-kf/ws", headers=sent))
        self.sockets.append(socket)
        return socket

    async def hang_up(self) -> None:
        """Close the sockets that a test opened."""
        while self.sockets:
            socket = self.sockets.pop()
            open_still = socket.close_code is None
            socket.close()
            while open_still and await socket.read_message() is not None:
                pass

    async def submit(self, name: str, replicas: int = 2, **spec: Any) -> None:
        self.backend.store.put(job_path(name, PAYLOAD, "cell"), b"")
        await self.backend.submit(JobSpec(name, replicas=replicas, **spec))


async def read(socket: WebSocketClientConnection) -> Any:
    """Read one frame; None when the server closed the socket."""
    message = await socket.read_message()
    return None if message is None else json.loads(message)


async def read_until(socket: WebSocketClientConnection, kind: str) -> Any:
    """Read frames up to the first of ``kind``; the test's time-out bounds it."""
    while (frame := await read(socket)) is not None:
        if frame["kind"] == kind:
            return frame
    raise AssertionError(f"The socket was closed before a {kind} frame came.")


@pytest.fixture
def make_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Give a function that starts a server with more configuration."""
    for kind in ("CONFIG", "DATA", "RUNTIME"):
        monkeypatch.setenv(f"JUPYTER_{kind}_DIR", str(tmp_path / kind.lower()))
    # the extension hands settings to kernels by environment: undone at the test's end
    monkeypatch.setenv("JUPYTER_KF_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("JUPYTER_KF_AUTOLOAD", "1")
    monkeypatch.setenv("JUPYTER_KF_BACKEND", "memory")

    async def start(**sections: dict[str, Any]) -> tuple[Served, Callable[[], Any]]:
        config = Config(
            ServerApp={
                "jpserver_extensions": {"jupyter_kf": True},
                "allow_unauthenticated_access": False,
                "allow_root": True,
                "open_browser": False,
                "base_url": "/user/ada/",
                "root_dir": str(tmp_path),
            },
            IdentityProvider={"token": TOKEN},
            JobsExtension={"backend": "memory"},
        )
        config.merge(Config(**sections))
        app = ServerApp(config=config, log_level="ERROR")
        app.init_signal = lambda: None
        app.find_server_extensions = lambda: None  # only ours, whatever is installed beside it
        app.initialize(argv=[], new_httpserver=False)
        await app.extension_manager.start_all_extensions()
        [sock] = bind_sockets(0, "127.0.0.1")
        http = HTTPServer(app.web_app)
        http.add_sockets([sock])

        served = Served(app, f"127.0.0.1:{sock.getsockname()[1]}/user/ada/")

        async def stop() -> None:
            await served.hang_up()
            http.stop()
            await http.close_all_connections()
            await app.cleanup_extensions()
            await app.cleanup_kernels()

        return served, stop

    return start


@pytest.fixture
async def served(make_server: Callable[..., Any]) -> AsyncIterator[Served]:
    server, stop = await make_server()
    yield server
    await stop()

"""The WebSocket of a page: job changes, logs and metrics out, subscriptions in.

One socket carries everything a page shows, so a page costs the server one connection and,
while nothing happens, one ping in 25 seconds. A frame that makes no sense is answered with an
error frame and harms nothing else.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from jupyter_server.auth.decorator import ws_authenticated
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import ensure_async
from tornado import web, websocket

from ..errors import SpecError
from .tails import Subscription, Tail, open_tail

if TYPE_CHECKING:
    from .live import Feed, Page

AUTH_RESOURCE = "jupyter_kf"
FRAME_PAUSE = 0.05  # seconds in which changes gather into one frame
MOST_BYTES = 64 * 1024  # a page has nothing longer to say
MOST_TAILS = 64


class LiveSocket(JupyterHandler, websocket.WebSocketHandler):
    """``jupyter-kf/ws``: a snapshot, then changes; see job.v1.yaml for the frames."""

    auth_resource = AUTH_RESOURCE
    ping_interval = 25.0  # seconds
    ping_timeout = 20.0
    max_message_size = MOST_BYTES

    def initialize(self, feed: Feed, window: int) -> None:
        self.feed = feed
        self.window = window
        self.tails: dict[int, Tail] = {}
        self.refusals: list[dict[str, Any]] = []

    async def prepare(self) -> None:  # type: ignore[override]
        # a socket cannot follow a redirection to the login page
        await super().prepare(_redirect_to_login=False)

    @ws_authenticated
    async def get(self, *args: Any, **kwargs: Any) -> None:
        allowed = self.authorizer.is_authorized(self, self.current_user, "read", AUTH_RESOURCE)
        if not await ensure_async(allowed):
            raise web.HTTPError(403)
        await super().get(*args, **kwargs)

    def get_compression_options(self) -> dict[str, Any]:
        return {}

    def open(self, *args: str, **kwargs: str) -> None:
        self.page = self.feed.join()
        self.sender = asyncio.create_task(self._send_all(self.page))

    def on_message(self, message: str | bytes) -> None:
        try:
            self._obey(_parse(message))
        except SpecError as err:
            if len(self.refusals) < MOST_TAILS:
                self.refusals.append({"kind": "error", "error": "SpecError", "message": str(err)})
            self.page.ready.set()

    def on_close(self) -> None:
        if not hasattr(self, "page"):
            return
        self.feed.leave(self.page)
        self.sender.cancel()
        for tail in self.tails.values():
            tail.stop()
        self.tails.clear()

    def _obey(self, frame: dict[str, Any]) -> None:
        match frame.get("op"):
            case "subscribe":
                what = Subscription.read(frame)
                self._drop(what.id)
                if len(self.tails) >= MOST_TAILS:
                    raise SpecError(f"A page may follow at most {MOST_TAILS} logs at once; close some.")
                self.tails[what.id] = open_tail(self.feed.backend, what, self.page.ready.set, self.window)
            case "unsubscribe":
                self._drop(frame.get("id"))
            case op:
                raise SpecError(f"op must be 'subscribe' or 'unsubscribe', not {op!r:.40}.")

    def _drop(self, number: Any) -> None:
        if isinstance(number, int) and number in self.tails:
            self.tails.pop(number).stop()

    async def _send_all(self, page: Page) -> None:
        try:
            while True:
                await page.ready.wait()
                page.ready.clear()
                while frames := self._gather(page):
                    for frame in frames:
                        # waits until the page took it: a slow reader holds up nobody but itself
                        await self.write_message(json.dumps(frame))
                await asyncio.sleep(FRAME_PAUSE)
        except websocket.WebSocketClosedError:
            return

    def _gather(self, page: Page) -> list[dict[str, Any]]:
        frames, self.refusals = self.refusals, []
        sources = [page.take(), *(tail.take() for tail in self.tails.values())]
        return frames + [frame for frame in sources if frame]


def _parse(message: str | bytes) -> dict[str, Any]:
    try:
        frame = json.loads(message)
    except (ValueError, RecursionError) as err:
        raise SpecError(f"The frame is not JSON: {err}") from err
    if not isinstance(frame, dict):
        raise SpecError("A frame must be a JSON object.")
    return frame

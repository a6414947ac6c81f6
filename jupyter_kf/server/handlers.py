"""The REST side: what is asked for once. GET and POST only, JSON both ways.

Each answer comes straight from the backend. Errors become status codes in one place, by the
table below; a handler never makes one up.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import json
import zlib
from typing import TYPE_CHECKING, Any, cast

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from tornado import web
from tornado.iostream import StreamClosedError

from ..errors import BackendError, Forbidden, JobError, JupyterKFError, NotFound, SpecError
from ..logs import LogReader, as_text
from ..names import check_job_name, check_schedule_name
from ..profiles import catalogue
from ..stored.record import check_graph_name
from . import hub, tensorboard
from .socket import AUTH_RESOURCE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .live import Feed

    Verb = Callable[..., Awaitable[None]]

STATUS_OF: dict[type[BaseException], int] = {
    SpecError: 400,
    Forbidden: 403,
    NotFound: 404,
    JobError: 409,
    BackendError: 502,
    TimeoutError: 504,
    JupyterKFError: 500,
}
MOST_GRAPH = 16 * 1024 * 1024  # bytes of one graph, unpacked
MOST_LOG = 4 * 1024 * 1024  # bytes of log in one answer
# What the parts of a path must be before any handler sees them.
CHECKS: dict[str, Callable[[str], str]] = {
    "name": check_job_name,
    "graph": check_graph_name,
    "schedule": check_schedule_name,
}


def endpoint(verb: Verb) -> Verb:
    """Make a verb of a handler ask who it is, whether they may, and tell errors by the table."""

    @web.authenticated
    @authorized
    @functools.wraps(verb)
    async def guarded(self: KFHandler, **parts: str) -> None:
        try:
            for part, check in CHECKS.items():
                if part in parts:
                    check(parts[part])
            await verb(self, **parts)
        except tuple(STATUS_OF) as err:
            code = next(STATUS_OF[kind] for kind in type(err).__mro__ if kind in STATUS_OF)
            self.set_status(code)
            self.finish({"error": type(err).__name__, "message": str(err) or type(err).__name__})

    return cast("Verb", guarded)


class KFHandler(APIHandler):
    """Base of the handlers below; the one resource they are authorized for is ``jupyter_kf``."""

    auth_resource = AUTH_RESOURCE

    def initialize(self, feed: Feed) -> None:
        self.feed = feed
        self.backend = feed.backend

    def number(self, key: str, default: int) -> int:
        """Read a whole number of at least 0 from the query."""
        text = self.get_query_argument(key, str(default))
        if not text.isdecimal():
            raise SpecError(f"{key} must be a whole number of at least 0, not {text!r}.")
        return int(text[:18])


class JobsHandler(KFHandler):
    """``GET jobs``: all jobs."""

    @endpoint
    async def get(self) -> None:
        self.finish({"jobs": [status.to_dict() for status in await self.backend.list()]})


class JobHandler(KFHandler):
    """``GET jobs/NAME``: one job."""

    @endpoint
    async def get(self, name: str) -> None:
        self.finish((await self.backend.get(name)).to_dict())


class ActionHandler(KFHandler):
    """``POST jobs/NAME/{cancel,delete,interrupt}``: steer one job."""

    @endpoint
    async def post(self, name: str, action: str) -> None:
        await getattr(self.backend, action)(name)
        self.finish({"name": name, "action": action})


class LogHandler(KFHandler):
    """``GET jobs/NAME/logs?rank=&start=&size=``: a piece of one rank's log, as it stands.

    ``from`` and ``to`` are bytes; ``to == from`` says that there is no more for now.
    """

    @endpoint
    async def get(self, name: str) -> None:
        start = self.number("start", 0)
        size = min(self.number("size", MOST_LOG), MOST_LOG)
        data = b""
        async for piece in self.backend.logs(name, self.number("rank", 0), start=start):
            data += piece
            if len(data) >= size:
                break
        data = _whole_characters(data[:size])
        text = data.decode(errors="replace")
        self.finish({"from": start, "to": start + len(data), "text": text})


class DownloadHandler(KFHandler):
    """``GET jobs/NAME/log.txt?rank=``: one rank's whole log as a text file, or with ``all`` every rank's."""

    @endpoint
    async def get(self, name: str) -> None:
        wanted = self.get_query_argument("rank", "0")
        count = (await self.backend.get(name)).ranks if wanted == "all" else 0
        ranks = range(count) if count else [self.number("rank", 0)]
        opened = [aiter(self.backend.logs(name, rank)) for rank in ranks]
        first = await anext(opened[0], b"")  # a job that is not there must still be a 404
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.set_header("Content-Disposition", f'attachment; filename="{name}-{wanted}.txt"')
        try:
            for rank, pieces in zip(ranks, opened, strict=True):
                if count:
                    self.write(f"==== worker {rank} ====\n")
                reader = LogReader()
                self.write(as_text(reader.feed(first)))
                first = b""
                async for piece in pieces:
                    self.write(as_text(reader.feed(piece)))
                    await self.flush()
                self.write(as_text(reader.feed(b"", final=True)))
            self.finish()
        except StreamClosedError:
            self.log.debug("jupyter_kf: the download of %s ended early", name)


class MetricsHandler(KFHandler):
    """``GET jobs/NAME/metrics?rank=``: the metrics records of one rank."""

    @endpoint
    async def get(self, name: str) -> None:
        reader = LogReader()
        records: list[Any] = []
        async for piece in self.backend.logs(name, self.number("rank", 0)):
            records.extend(_metrics(reader.feed(piece)))
        records.extend(_metrics(reader.feed(b"", final=True)))
        self.finish({"records": records})


class GraphsHandler(KFHandler):
    """``GET jobs/NAME/graphs``: what the compiled steps of rank 0 are made of."""

    @endpoint
    async def get(self, name: str) -> None:
        reader = LogReader()
        graphs: list[Any] = []
        async for piece in self.backend.logs(name, 0):
            graphs.extend(_graphs(reader.feed(piece)))
        self.finish({"graphs": graphs})


class ExtraHandler(KFHandler):
    """``GET jobs/NAME/{manifests,events}``: what only some backends can tell."""

    @endpoint
    async def get(self, name: str, what: str) -> None:
        status = await self.backend.get(name)
        if what not in self.feed.features:
            raise NotFound(f"The {self.backend.name} backend has no {what}.")
        if what == "manifests":
            self.finish({what: await self.backend.manifests(status.spec)})
        else:
            self.finish({what: [event.to_dict() for event in await self.backend.events(name)]})


class ProfilesHandler(KFHandler):
    """``GET profiles``: what the administrator offers to this user."""

    @endpoint
    async def get(self) -> None:
        self.finish({"profiles": [profile.to_dict() for profile in catalogue()]})


class AvailabilityHandler(KFHandler):
    """``GET availability``: the free places by profile, under the empty name those without one."""

    @endpoint
    async def get(self) -> None:
        names = ["", *(profile.name for profile in catalogue())]
        told = await hub.availability(self.log)
        known = {name: told.get(name) or await self.backend.availability(name) for name in names}
        self.finish({"availability": {name: places.to_dict() for name, places in known.items()}})


class TensorBoardHandler(KFHandler):
    """``GET jobs/NAME/tensorboard``: where TensorBoard shows the job's event files."""

    @endpoint
    async def get(self, name: str) -> None:
        status = await self.backend.get(name)
        self.finish({"url": await asyncio.to_thread(tensorboard.show, status)})


def _metrics(items: Any) -> list[Any]:
    return [item for item in items if not isinstance(item, str) and item["kind"] == "metrics"]


def _graphs(items: Any) -> list[Any]:
    """Unpack graphs, up to a size; what a program forged is left out."""
    found = []
    for item in items:
        if not isinstance(item, str) and item["kind"] == "graph":
            with contextlib.suppress(ValueError, zlib.error):
                text = zlib.decompressobj().decompress(base64.b64decode(item["packed"]), MOST_GRAPH)
                nodes = json.loads(text)
                if is_graph(nodes):
                    found.append({"title": item["title"], "nodes": nodes})
    return found


def is_graph(nodes: Any) -> bool:
    """Tell whether this is a list of operations, each with its name, kind and inputs."""
    return isinstance(nodes, list) and all(_is_node(node, len(nodes)) for node in nodes)


def _is_node(node: Any, count: int) -> bool:
    match node:
        case [str(), str(), list(inputs)]:
            return all(type(i) is int and 0 <= i < count for i in inputs)
    return False


def _whole_characters(data: bytes) -> bytes:
    """Leave out a character at the end whose rest is in the next piece."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte < 0x80:
            break
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return data[:-back] if length > back else data
    return data

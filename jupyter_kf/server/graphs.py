"""Stored graphs and schedules by REST: what a page lists, looks at, runs, renames and deletes.

No kernel takes part, and no TensorFlow is loaded here. What a page may ask for stands in graph.v1.yaml.
"""

from __future__ import annotations

import asyncio
import base64
import json
import zlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import yaml

from .. import recurring
from ..errors import SpecError
from ..stored import shelf
from ..stored.compare import compare
from . import sending
from .handlers import MOST_GRAPH, KFHandler, endpoint, is_graph

if TYPE_CHECKING:
    from ..stored.record import GraphRecord

CONTRACT = Path(__file__).with_name("graph.v1.yaml")
GRAPH_LABEL = "graph"


class GraphHandler(KFHandler):
    """Base of the handlers below, which work on the backend's own store."""

    async def asked(self, kind: str) -> dict[str, Any]:
        """Read the body of a request as the contract has it; `SpecError` names the field that is wrong."""
        try:
            body = json.loads(self.request.body or b"{}")
        except (ValueError, RecursionError) as err:
            raise SpecError(f"The request is not JSON: {err}.") from err
        wrong = next(_rules(kind).iter_errors(body), None)
        if wrong is not None:
            field = ".".join(map(str, wrong.absolute_path)) or "The request"
            raise SpecError(f"{field}: {wrong.message}.")
        return dict(body)

    def version(self, key: str) -> int | None:
        """Read the number of a version from the query; None where it is not there."""
        return self.number(key, 0) or None

    def data_file(self, text: str) -> str:
        """Give the whole path of a file below the notebooks; `SpecError` for any other."""
        if not text:
            return ""
        root = Path(self.settings["server_root_dir"]).expanduser().resolve()
        found = (root / text).resolve()
        if not found.is_relative_to(root):
            raise SpecError(f"{text!r} is not below the folder of the notebooks.")
        if not found.exists():
            raise SpecError(f"There is no file {text!r} in the folder of the notebooks.")
        return str(found)


class StoredHandler(GraphHandler):
    """``GET graphs``: all stored graphs with their versions."""

    @endpoint
    async def get(self) -> None:
        self.finish({"graphs": await asyncio.to_thread(self._all)})

    def _all(self) -> list[dict[str, Any]]:
        store = self.backend.store
        names = [record.name for record in shelf.list_graphs(store)]
        return [_shown(name, shelf.list_versions(store, name)) for name in names]


class OneGraphHandler(GraphHandler):
    """``GET graphs/NAME``: one graph with its versions and its runs."""

    @endpoint
    async def get(self, graph: str) -> None:
        versions = await asyncio.to_thread(shelf.list_versions, self.backend.store, graph)
        jobs = await self.backend.list()
        runs = [status.to_dict() for status in jobs if status.spec.labels.get(GRAPH_LABEL) == graph]
        self.finish({**_shown(graph, versions), "runs": runs})


class PictureHandler(GraphHandler):
    """``GET graphs/NAME/picture?version=``: the operations of a version, as of the graphs of a job."""

    @endpoint
    async def get(self, graph: str) -> None:
        self.finish({"nodes": await asyncio.to_thread(self._nodes, graph, self.version("version"))})

    def _nodes(self, graph: str, version: int | None) -> list[Any]:
        store = self.backend.store
        packed = shelf.read_picture(store, shelf.read_record(store, graph, version))
        try:
            nodes = json.loads(zlib.decompressobj().decompress(base64.b64decode(packed), MOST_GRAPH))
        except (ValueError, zlib.error) as err:
            raise SpecError(
                f"The picture of {graph!r} cannot be shown: it is too large or no picture."
            ) from err
        if not is_graph(nodes):
            raise SpecError(f"The picture of {graph!r} is no picture.")
        return list(nodes)


class CompareHandler(GraphHandler):
    """``GET graphs/NAME/compare?older=&newer=``: what differs between two versions."""

    @endpoint
    async def get(self, graph: str) -> None:
        older, newer = self.version("older"), self.version("newer")
        if older is None or newer is None:
            raise SpecError("older and newer are the numbers of two versions.")
        old, new = await asyncio.to_thread(
            lambda: [shelf.read_record(self.backend.store, graph, number) for number in (older, newer)]
        )
        said = compare(old, new).to_dict()
        del said["values"]  # needs the weights themselves
        changed = old.files.get(shelf.WEIGHTS) != new.files.get(shelf.WEIGHTS)
        self.finish({"older": older, "newer": newer, "weights_changed": changed, **said})


class RenameHandler(GraphHandler):
    """``POST graphs/NAME/rename``: another name for all versions."""

    @endpoint
    async def post(self, graph: str) -> None:
        to = (await self.asked("RenameRequest"))["to"]
        await asyncio.to_thread(shelf.rename_graph, self.backend.store, graph, to)
        self.finish({"name": to})


class DeleteHandler(GraphHandler):
    """``POST graphs/NAME/delete``: one version gone, or all of them."""

    @endpoint
    async def post(self, graph: str) -> None:
        version = (await self.asked("DeleteRequest")).get("version")
        await asyncio.to_thread(shelf.delete_graph, self.backend.store, graph, version)
        self.finish({"name": graph, "version": version})


class RunHandler(GraphHandler):
    """``POST graphs/NAME/run``: send a run out; gives the name of its job."""

    @endpoint
    async def post(self, graph: str) -> None:
        asked = await self.asked("RunRequest")
        await asyncio.to_thread(shelf.read_record, self.backend.store, graph, asked.get("version"))
        version = ("--version", str(asked["version"])) if asked.get("version") else ()
        profile = ("--profile", asked["profile"]) if asked.get("profile") else ()
        name = ("--job-name", asked["name"]) if asked.get("name") else ()
        given = _arguments(asked, self.data_file(asked.get("data", "")))
        workers = ("--workers", str(asked["workers"]))
        line = ("run-graph", graph, *version, *workers, *profile, *given, *name, "--detach")
        self.finish({"job": await sending.send(self.backend, line)})


class SchedulesHandler(GraphHandler):
    """``GET schedules``: all of them. ``POST schedules``: make one; a wrong expression makes nothing."""

    @endpoint
    async def get(self) -> None:
        found = await self.backend.schedules().list()
        self.finish({"schedules": [status.to_dict() for status in found]})

    @endpoint
    async def post(self) -> None:
        asked = await self.asked("ScheduleRequest")
        run, version = asked["run"], asked["run"].get("version")
        record = await asyncio.to_thread(shelf.read_record, self.backend.store, asked["graph"], version)
        run |= {"data": self.data_file(run.get("data", ""))}
        given = {key: asked.get(key) for key in ("name", "time_zone")}
        spec = recurring.signed(recurring.plan(record, asked["cron"], run | given))
        await self.backend.schedules().create(spec)
        self.finish((await self.backend.schedules().get(spec.name)).to_dict())


class ScheduleActionHandler(GraphHandler):
    """``POST schedules/NAME/{pause,resume,delete}``: steer one schedule."""

    @endpoint
    async def post(self, schedule: str, action: str) -> None:
        if action == "delete":
            await self.backend.schedules().delete(schedule)
        else:
            await self.backend.schedules().pause(schedule, action == "pause")
        self.finish({"name": schedule, "action": action})


def _shown(name: str, versions: list[GraphRecord]) -> dict[str, Any]:
    """A graph as the contract has it: the list of files is nobody's concern but the store's."""
    shown = [{**record.to_dict(), "bytes": record.bytes} for record in versions]
    for each in shown:
        del each["files"]
    return {"name": name, "versions": shown}


def _arguments(run: dict[str, Any], data: str) -> tuple[str, ...]:
    """What stands behind run-graph for a page's request, but for version, workers and profile."""
    steps = ("--steps", str(run["steps"])) if run.get("steps") else ()
    rows = ("--batch-size", str(run["batch_size"])) if data and run.get("batch_size") else ()
    allowed = [word for op in run.get("allow", ()) for word in ("--allow", op)]
    return (*steps, *(("--data", data) if data else ()), *rows, *allowed)


def routes() -> list[tuple[str, type[Any]]]:
    """Give the routes of stored graphs and schedules."""
    graph, schedule = r"graphs/(?P<graph>[^/]+)", r"schedules/(?P<schedule>[^/]+)"
    return [
        ("graphs", StoredHandler),
        (graph, OneGraphHandler),
        (f"{graph}/picture", PictureHandler),
        (f"{graph}/compare", CompareHandler),
        (f"{graph}/run", RunHandler),
        (f"{graph}/rename", RenameHandler),
        (f"{graph}/delete", DeleteHandler),
        ("schedules", SchedulesHandler),
        (f"{schedule}/(?P<action>pause|resume|delete)", ScheduleActionHandler),
    ]


@cache
def _rules(kind: str) -> Any:
    contract = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))
    return jsonschema.Draft7Validator({"$ref": f"#/$defs/{kind}", "$defs": contract["$defs"]})

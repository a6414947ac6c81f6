"""The Jupyter Server extension: its settings, its start and its end."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_server.extension.application import ExtensionApp
from traitlets import Bool, Int, Unicode
from traitlets.utils.importstring import import_item

from ..backends import BACKEND_VARIABLE, connect
from ..backends.base import Backend
from ..errors import SpecError
from ..store import STORE_VARIABLE, ArtifactStore
from . import activity, tensorboard
from .live import Feed
from .routes import routes

if TYPE_CHECKING:
    from ..spec import JobStatus

SCHEMA = Path(__file__).with_name("job.v1.yaml")
SCHEMA_ID = "urn:jupyter-kf:job:v1"
FEATURES = ("manifests", "events", "schedules")
AUTOLOAD_VARIABLE = "JUPYTER_KF_AUTOLOAD"


class JobsExtension(ExtensionApp):
    """Shows jobs to JupyterLab and Notebook 7 and lets them be steered.

    Set with ``c.JobsExtension.NAME = ...`` in ``jupyter_server_config.py`` or
    ``--JobsExtension.NAME=...`` on the command line.
    """

    name = "jupyter_kf"
    load_other_extensions = True

    backend = Unicode(
        help=f"""Where jobs run: local, kubernetes, or the full name of a backend's class. Handed to
        the kernels that this server starts as {BACKEND_VARIABLE}, so that the panel shows the jobs
        that notebooks start. Left empty: that variable if it is set, else local.""",
    ).tag(config=True)

    store = Unicode(
        help=f"""The URL of the store, a folder or any fsspec URL, handed to the kernels that this
        server starts as {STORE_VARIABLE}. Left empty: that variable if it is set, else a folder
        beside Jupyter's own data. A store belongs to one user.""",
    ).tag(config=True)

    autoload = Bool(
        True,
        help="""Whether kernels of this server that have the package load it by themselves, so
        that %%kf works without %load_ext jupyter_kf.""",
    ).tag(config=True)

    page_limit = Int(
        1000,
        min=1,
        help="""How many changed jobs may wait for a page that reads slowly, before it is given
        the whole list anew.""",
    ).tag(config=True)

    log_window = Int(
        1024 * 1024,
        min=64 * 1024,
        help="""How many bytes of one log may wait for a page, before older ones are passed over;
        the page shows a gap and can still fetch them.""",
    ).tag(config=True)

    _activity: asyncio.Task[None] | None = None

    @property
    def events(self) -> Any:
        """The server's event bus."""
        assert self.serverapp is not None
        return self.serverapp.event_logger

    def initialize_settings(self) -> None:
        # kernels inherit what is set here
        if self.store:
            os.environ[STORE_VARIABLE] = self.store
        if self.backend:
            os.environ[BACKEND_VARIABLE] = self.backend
        os.environ[AUTOLOAD_VARIABLE] = "1" if self.autoload else "0"
        self.events.register_event_schema(SCHEMA)
        backend = self._make_backend()
        self.feed = Feed(backend, self.log, self._tell, self.page_limit)
        self.feed.features = [name for name in FEATURES if _has(backend, name)]
        self.settings["jupyter_kf_feed"] = self.feed

    def initialize_handlers(self) -> None:
        self.handlers.extend(routes(self.feed, self.log_window))

    async def _start_jupyter_server_extension(self, serverapp: Any) -> None:
        self.feed.start()
        self._activity = asyncio.create_task(activity.keep(serverapp, self.feed))

    async def stop_extension(self) -> None:
        if self._activity:
            self._activity.cancel()
            await asyncio.gather(self._activity, return_exceptions=True)
        await self.feed.stop()
        tensorboard.forget()

    def _make_backend(self) -> Backend:
        name, store = self.backend or None, ArtifactStore(self.store or None)
        if name is None or "." not in name:
            return connect(name, store)
        try:
            kind = import_item(name)
        except ImportError as err:
            raise SpecError(f"The backend {name!r} cannot be used: {err}.") from err
        if not (isinstance(kind, type) and issubclass(kind, Backend)):
            raise SpecError(f"The backend {name!r} is not a class made from jupyter_kf's Backend.")
        return kind(store)

    def _tell(self, transition: str, status: JobStatus) -> None:
        data = {"transition": transition, "job": status.to_dict()}
        self.events.emit(schema_id=SCHEMA_ID, data=data)


def _has(backend: Backend, name: str) -> bool:
    """Tell whether a backend has more to say there than the refusal that all have."""
    return getattr(type(backend), name, None) is not getattr(Backend, name, None)

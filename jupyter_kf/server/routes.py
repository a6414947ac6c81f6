"""Every route of the extension, below the server's base URL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import graphs
from .handlers import (
    ActionHandler,
    AvailabilityHandler,
    DownloadHandler,
    ExtraHandler,
    GraphsHandler,
    JobHandler,
    JobsHandler,
    LogHandler,
    MetricsHandler,
    ProfilesHandler,
    TensorBoardHandler,
)
from .socket import LiveSocket

if TYPE_CHECKING:
    from .live import Feed

NAME = r"(?P<name>[^/]+)"


def routes(feed: Feed, window: int) -> list[tuple[str, type[Any], dict[str, Any]]]:
    """Give every route of the extension, below the server's base URL."""
    given = {"feed": feed}
    rest: list[tuple[str, type[Any]]] = [
        ("jobs", JobsHandler),
        ("profiles", ProfilesHandler),
        ("availability", AvailabilityHandler),
        (f"jobs/{NAME}", JobHandler),
        (f"jobs/{NAME}/(?P<action>cancel|delete|interrupt)", ActionHandler),
        (f"jobs/{NAME}/logs", LogHandler),
        (rf"jobs/{NAME}/log\.txt", DownloadHandler),
        (f"jobs/{NAME}/metrics", MetricsHandler),
        (f"jobs/{NAME}/graphs", GraphsHandler),
        (f"jobs/{NAME}/tensorboard", TensorBoardHandler),
        (f"jobs/{NAME}/(?P<what>manifests|events)", ExtraHandler),
    ]
    more = graphs.routes()
    live = (r"/jupyter-kf/ws", LiveSocket, {**given, "window": window})
    return [live, *((f"/jupyter-kf/{path}", kind, given) for path, kind in [*rest, *more])]

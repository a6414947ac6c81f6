"""The same server side in jupyverse: its inner Jupyter Server does the work, this opens the way to it.

Loaded by jupyverse alone, through the entry points of the package.
"""

from __future__ import annotations

from fps import Module
from fps_jupyter_server import JupyterServer


class JobsModule(Module):  # type: ignore[misc]
    """Passes everything below ``/jupyter-kf`` on to the inner Jupyter Server."""

    async def prepare(self) -> None:
        (await self.get(JupyterServer)).proxy("/jupyter-kf")
        self.done()

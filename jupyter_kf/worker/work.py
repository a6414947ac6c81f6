"""Runs what arrived, a cell or a call, and gathers what it leaves."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..capture import ambient
from ..capture.call import Call
from ..capture.cell import Cell
from ..errors import CaptureError
from ..frames import to_plain

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from ..spec import JobSpec
    from ..store import ArtifactStore
    from .link import Link
    from .output import Output

    Around = Callable[[Any], AbstractContextManager[None]]


def _nothing(shell: Any) -> AbstractContextManager[None]:
    return nullcontext()


@dataclass
class Finished:
    """What the work left: its value, names newly bound or deleted, its error and where it arose."""

    value: Any = None
    bound: dict[str, Any] = field(default_factory=dict)
    deleted: tuple[str, ...] = ()
    error: BaseException | None = None
    frames: list[list[Any]] = field(default_factory=list)

    def reply(self) -> dict[str, Any]:
        """Give what travels back."""
        return {
            "value": self.value,
            "bound": self.bound,
            "deleted": self.deleted,
            "error": self.error,
            "frames": self.frames,
            "ambient": ambient.snapshot(),
        }


def perform(payload: dict[str, Any], output: Output, link: Link, around: Around = _nothing) -> Finished:
    """Run the payload's cell or call between the log's marks; its errors are part of what it leaves.

    ``around`` gives the context in which the user's code runs; it gets the cell's shell, or None.
    """
    work = payload["work"]
    ambient.restore(payload["ambient"], work=work)
    output.begin()
    try:
        if isinstance(work, Cell):
            return _cell(work, output, around)
        if isinstance(work, Call):
            return _call(work, around)
        raise CaptureError(f"The payload holds {type(work).__name__}, which is neither a cell nor a call.")
    finally:
        link.over()
        output.end()


def perform_graph(
    store: ArtifactStore, spec: JobSpec, payload: dict[str, Any], output: Output, link: Link
) -> Finished:
    """Run a stored graph; whatever it raises is part of what it leaves."""
    from ..stored import running

    ambient.restore(payload["ambient"])
    output.begin()
    try:
        data = payload.get("data")
        return Finished(value=running.perform(store, payload["work"], data, spec.name, link.by_steps))
    except BaseException as err:  # noqa: BLE001 - an interrupt too travels back
        return Finished(error=err, frames=to_plain(err.__traceback__, __file__, skip=1))
    finally:
        link.over()
        output.end()


def _cell(cell: Cell, output: Output, around: Around) -> Finished:
    from . import shell

    before = dict(cell.names)
    value, error = shell.run_cell(cell, output, around)
    after = shell.namespace()
    return Finished(
        value=value,
        bound={k: v for k, v in after.items() if k not in before or before[k] is not v},
        deleted=tuple(k for k in before if k not in after),
        error=error,
        frames=to_plain(error.__traceback__, cell.filename) if error else [],
    )


def _call(call: Call, around: Around) -> Finished:
    try:
        with around(None):
            return Finished(value=call.function(*call.args, **call.kwargs))
    except BaseException as err:  # noqa: BLE001 - whatever the user's code raises travels back
        return Finished(error=err, frames=to_plain(err.__traceback__, __file__, skip=1))
    finally:
        sys.stdout.flush()

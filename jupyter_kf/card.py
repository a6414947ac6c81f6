"""How a job looks in a cell's output where no extension draws it: one line of HTML, one of text.

Pure functions of a status.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from .spec import JobState

if TYPE_CHECKING:
    from .spec import JobStatus

CARD_TYPE = "application/vnd.jupyter-kf.job+json"

_SIGNS = {
    JobState.PENDING: "…",
    JobState.RUNNING: "▶",
    JobState.SUCCEEDED: "✓",
    JobState.FAILED: "✗",
    JobState.CANCELLED: "■",
}


def summary_text(status: JobStatus) -> str:
    """Say in one line how a job is."""
    count = status.spec.replicas
    parts = [f"job {status.name}: {status.state.lower()}", f"{count} worker{'s' if count != 1 else ''}"]
    if status.state is JobState.RUNNING or status.state is JobState.PENDING:
        parts[1] = f"{status.ready}/{parts[1]}"
    if (seconds := duration(status)) is not None:
        parts.append(f"{seconds:.1f} s")
    if status.applied is not None:
        parts.append("results applied")
    return ", ".join(parts) + (f". {status.reason}" if status.reason else "")


def summary_html(status: JobStatus) -> str:
    """Say the same for a page; everything that came from outside is escaped."""
    sign = _SIGNS[status.state]
    return f"<div><b>{sign}</b> {html.escape(summary_text(status))}</div>"


def duration(status: JobStatus) -> float | None:
    """Give the seconds between start and end, None for a job that has not ended or never started."""
    if status.started is None or status.finished is None:
        return None
    return status.finished - status.started

"""Run a notebook cell as a distributed TensorFlow job.

The package is imported by four hosts: the hub, the notebook server, the kernel and the
job's replicas. So that each of them pays only for what it uses, public names are loaded on
first use (PEP 562); importing the package must load neither TensorFlow nor a cluster client.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import (
        BackendError,
        CaptureError,
        Forbidden,
        JobCancelled,
        JobError,
        JobFailed,
        JupyterKFError,
        NotFound,
        SpecError,
    )
    from .executor import Executor, job, jobs
    from .handle import Job
    from .parallel import distribute, mean, whole
    from .profiles import Profile
    from .recurring import Schedule, schedule, schedules
    from .spec import JobSpec, JobState, JobStatus, Replica, Resources
    from .stored.handle import Graph, graphs, load_graph, save_graph
    from .worker.environment import JobEnvironment

__version__ = "0.1.0"

_HOME = {
    "errors": (
        "BackendError",
        "CaptureError",
        "Forbidden",
        "JobCancelled",
        "JobError",
        "JobFailed",
        "JupyterKFError",
        "NotFound",
        "SpecError",
    ),
    "executor": ("Executor", "job", "jobs"),
    "handle": ("Job",),
    "parallel": ("distribute", "mean", "whole"),
    "profiles": ("Profile",),
    "recurring": ("Schedule", "schedule", "schedules"),
    "spec": ("JobSpec", "JobState", "JobStatus", "Replica", "Resources"),
    "stored.handle": ("Graph", "graphs", "load_graph", "save_graph"),
    "worker.environment": ("JobEnvironment",),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "BackendError",
    "CaptureError",
    "Executor",
    "Forbidden",
    "Graph",
    "Job",
    "JobCancelled",
    "JobEnvironment",
    "JobError",
    "JobFailed",
    "JobSpec",
    "JobState",
    "JobStatus",
    "JupyterKFError",
    "NotFound",
    "Profile",
    "Replica",
    "Resources",
    "Schedule",
    "SpecError",
    "distribute",
    "graphs",
    "job",
    "jobs",
    "load_graph",
    "mean",
    "save_graph",
    "schedule",
    "schedules",
    "whole",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_MODULE_OF[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])


def load_ipython_extension(shell: Any) -> None:
    """Register ``%%kf`` and ``%kf``; what ``%load_ext jupyter_kf`` calls."""
    importlib.import_module(".magics", __name__).register(shell)


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """What Jupyter Server asks to load the extension."""
    extension = importlib.import_module(".server.extension", __name__)
    return [{"module": extension.__name__, "app": extension.JobsExtension}]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """What JupyterLab asks to find the prebuilt extension."""
    return [{"src": "labextension", "dest": "jupyter-kf"}]

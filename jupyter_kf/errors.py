"""The errors a user of jupyter_kf may see.

::

    JupyterKFError
    ├── SpecError (ValueError)      the request is wrong: mend it and send it again
    │   └── CaptureError            this object or graph cannot travel, and what to do about it
    ├── NotFound (LookupError)      no such job, profile or graph
    ├── Forbidden                   the cluster refused this user
    ├── BackendError                where jobs run is out of reach or broken: try again later
    └── JobError                    the job itself ended badly
        ├── JobFailed               with the first failing rank's traceback and every rank's last lines
        └── JobCancelled            somebody ended it

Time-outs are the builtin ``TimeoutError``. This module imports nothing of the package.
"""

from __future__ import annotations


class JupyterKFError(Exception):
    """Base of all errors that jupyter_kf raises on purpose."""


class SpecError(JupyterKFError, ValueError):
    """The request is wrong; the message says what and how to mend it."""


class CaptureError(SpecError):
    """An object of the notebook cannot travel to the replicas.

    The message names the object by the name the user gave it, the reason and the way out.
    """


class NotFound(JupyterKFError, LookupError):
    """There is no job, profile or graph of this name."""


class Forbidden(JupyterKFError):
    """The cluster refused this user the request."""


class BackendError(JupyterKFError):
    """Where jobs run is out of reach or answered in a way that makes no sense."""


class JobError(JupyterKFError):
    """A job ended without a result."""


class JobFailed(JobError):
    """A replica failed.

    The message has the first failing rank's reason and traceback and the last lines of every
    rank's log; ``__cause__`` is the replica's own exception where it could travel.
    """


class JobCancelled(JobError):
    """The job was cancelled before it had a result."""

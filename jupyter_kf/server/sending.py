"""Sends a run of a stored graph out, by the command that anybody can type, in a process of its own.

Data may be large, and reading it may take TensorFlow: neither belongs into the notebook server.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from typing import TYPE_CHECKING

from ..backends import BACKEND_VARIABLE
from ..errors import BackendError, SpecError
from ..store import STORE_VARIABLE

if TYPE_CHECKING:
    from ..backends.base import Backend

PATIENCE = 180.0  # seconds, of which a busy machine takes many to import TensorFlow
WRONG = 2  # the exit code for a request that is wrong
_JOB = re.compile(r": job (\S+)$", re.MULTILINE)


async def send(backend: Backend, line: tuple[str, ...]) -> str:
    """Run ``python -m jupyter_kf`` with these words and give the name of the job that it has made.

    Raises `SpecError` with what it says where the request is wrong, else `BackendError`.
    """
    env = os.environ | {BACKEND_VARIABLE: backend.name, STORE_VARIABLE: backend.store.url}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "jupyter_kf",
        *line,
        env=env,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=pipe,
        stderr=pipe,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            out, err = (text.decode(errors="replace") for text in await process.communicate())
    except BaseException as broken:
        if process.returncode is None:
            process.kill()
            await process.wait()
        if isinstance(broken, TimeoutError):
            raise TimeoutError(f"The run was not sent out within {PATIENCE:g} s, and given up.") from broken
        raise
    made = _JOB.search(out)
    if process.returncode == 0 and made:
        return made[1]
    said = err.strip().splitlines()[-1:] or [f"it ended with code {process.returncode}"]
    kind = SpecError if process.returncode == WRONG else BackendError
    raise kind(said[0].removeprefix("jupyter_kf: "))

"""A real S3 server (versitygw) at the machine's own address in a cluster's network, where pods reach it."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from typing import TYPE_CHECKING

from throwaway import programs

if TYPE_CHECKING:
    from pathlib import Path

KEY, SECRET = "throwaway-key", "throwaway-secret"
REGION = "us-east-1"
_START_SECONDS = 30


class S3Server:
    """Serves the folders in `folder` as buckets at `endpoint` until `end`."""

    def __init__(self, folder: Path, host: str) -> None:
        with socket.create_server((host, 0)) as free:
            port = free.getsockname()[1]
        self.endpoint = f"http://{host}:{port}"
        account = {"ROOT_ACCESS_KEY": KEY, "ROOT_SECRET_KEY": SECRET}
        argv = [str(programs.build_s3()), "--port", f"{host}:{port}", "--region", REGION, "posix"]
        # What it knows of an object stands beside the object: not every file system has attributes.
        beside = folder / "beside"
        buckets = folder / "buckets"
        beside.mkdir(parents=True)
        buckets.mkdir()
        self.buckets = buckets
        with (folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*argv, "--sidecar", str(beside), str(buckets)],
                env=os.environ | account,
                stdout=log,
                stderr=log,
            )
        self._wait(host, port, folder / "log")

    def _wait(self, host: str, port: int, log: Path) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            with socket.socket() as attempt:
                if attempt.connect_ex((host, port)) == 0:
                    return
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.end()
                raise RuntimeError(f"the S3 server did not start: {log.read_text()[-1000:]}")
            time.sleep(0.05)

    def end(self) -> None:
        """End the server."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)

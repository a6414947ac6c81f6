"""A real kernel to put cells into, and what it sent back."""

from __future__ import annotations

import queue
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from jupyter_client.manager import KernelManager

from tests.warmth import place, warm_place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["place", "warm_place"]

SETUP = """
import os; os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
%load_ext jupyter_kf
import jupyter_kf as kf
"""


@dataclass
class Reply:
    """What one cell showed."""

    status: str = ""
    stdout: str = ""
    stderr: str = ""
    displays: list[dict[str, Any]] = field(default_factory=list)
    updates: list[dict[str, Any]] = field(default_factory=list)
    result: dict[str, Any] | None = None
    ename: str = ""
    evalue: str = ""
    traceback: str = ""
    order: list[str] = field(default_factory=list)


class Kernel:
    """A kernel that runs cells, with bounded waits."""

    def __init__(self, cwd: str) -> None:
        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel(cwd=cwd)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def run(self, code: str, timeout: float = 90.0) -> Reply:
        """Run a cell to its end."""
        return self.finish(self.start(code), timeout)

    def start(self, code: str) -> str:
        """Start a cell; give the id of its request."""
        return str(self.client.execute(code))

    def finish(
        self, request: str, timeout: float = 90.0, until: Callable[[Reply], bool] | None = None
    ) -> Reply:
        """Gather what a cell shows until it has ended, or until ``until`` says so."""
        reply = Reply()
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            try:
                message = self.client.get_iopub_msg(timeout=1)
            except queue.Empty:
                continue
            if message["parent_header"].get("msg_id") != request:
                continue
            if _take(reply, message):
                return self._close(reply, request, deadline)
            if until is not None and until(reply):
                return reply
        raise AssertionError(f"the cell did not end within {timeout} s; so far: {reply}")

    def _close(self, reply: Reply, request: str, deadline: float) -> Reply:
        while True:
            answer = self.client.get_shell_msg(timeout=max(1.0, deadline - time.monotonic()))
            if answer["parent_header"].get("msg_id") == request:
                reply.status = answer["content"]["status"]
                return reply

    def interrupt(self) -> None:
        """What the stop button does."""
        self.manager.interrupt_kernel()

    def close(self) -> None:
        """End the kernel."""
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()


def _take(reply: Reply, message: dict[str, Any]) -> bool:
    """Add one message; True for the one that says the cell has ended."""
    kind, content = message["msg_type"], message["content"]
    if kind != "status":
        reply.order.append(kind)
    if kind == "stream":
        text = getattr(reply, content["name"]) + content["text"]
        setattr(reply, content["name"], text)
    elif kind == "display_data":
        reply.displays.append(content["data"])
    elif kind == "update_display_data":
        reply.updates.append(content["data"])
    elif kind == "execute_result":
        reply.result = content["data"]
    elif kind == "error":
        reply.ename, reply.evalue = content["ename"], content["evalue"]
        reply.traceback = "\n".join(content["traceback"])
    return bool(kind == "status" and content["execution_state"] == "idle")


@pytest.fixture
def kernels(tmp_path: Path) -> Iterator[Callable[[], Kernel]]:
    """Make kernels that are ended with the test."""
    made: list[Kernel] = []

    def make() -> Kernel:
        kernel = Kernel(str(tmp_path))
        made.append(kernel)
        assert kernel.run(SETUP).status == "ok"
        return kernel

    yield make
    for kernel in made:
        kernel.close()


@pytest.fixture
def kernel(kernels: Callable[[], Kernel]) -> Kernel:
    """One kernel with the magics loaded."""
    return kernels()

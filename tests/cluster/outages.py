"""Parts of the cluster that are killed for a while."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from throwaway.client import Cluster

READY = "jsonpath={.status.conditions[?(@.type=='Ready')].status}"

# Seconds: an API server begins anew, and the nodes with it; controllers that it did not answer wait up to a
# minute between two tries.
AGAIN = 150


@contextmanager
def without(cluster: Cluster, *programs: str, node: str = "n1") -> Iterator[None]:
    """The cluster with some programs of a node killed; afterwards they run again."""
    for program in programs:
        cluster.stop_program(node, program, signal.SIGKILL)
    try:
        yield
    finally:
        for program in programs:
            cluster.start_program(node, program)
        cluster.wait_for("the API server", "get", "--raw", "/readyz", answer="ok", patience=AGAIN)
        for each in ("n1", "n2"):
            cluster.wait_for(f"node {each}", "get", "node", each, "-o", READY, answer="True", patience=AGAIN)

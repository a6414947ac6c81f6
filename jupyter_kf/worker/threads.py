"""How many threads TensorFlow computes with in a rank: its share of the cores that its host, or pod, has.

Ranks of one host, and shards of a map that run beside each other, would else wait for each other's threads.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..spec import JobSpec
    from .environment import JobEnvironment

VARIABLE = "TF_NUM_INTRAOP_THREADS"
SHARDS_LABEL = "graph-shards"
_HERE = "127.0.0.1"
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def limit(place: JobEnvironment, spec: JobSpec) -> None:
    """Let TensorFlow take this rank's share, unless the user has said how many threads there are to be."""
    os.environ.setdefault(VARIABLE, str(share(place, spec, cores())))


def share(place: JobEnvironment, spec: JobSpec, cores: int) -> int:
    """Give the threads of a rank on a host with so many cores, at least one."""
    hosts = [address.rpartition(":")[0] for address in place.addresses]
    host = hosts[place.rank]
    shards = int(spec.labels.get(SHARDS_LABEL, 1)) if host == _HERE else 1  # on a cluster they are elsewhere
    return max(1, cores // (hosts.count(host) * shards))


def cores(quota: Path = _QUOTA) -> int:
    """Give the cores that this process may use at once, by what it is bound to and by its control group."""
    bound = len(os.sched_getaffinity(0))
    try:
        given, period = map(int, quota.read_text().split())
    except (OSError, ValueError):  # none is set ("max"), or the system has no such file
        return bound
    return max(1, min(bound, math.ceil(given / period)))

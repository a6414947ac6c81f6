"""What code inside a job may ask about where it is."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_VARIABLE = "JUPYTER_KF_ENVIRONMENT"
_when_asked: Callable[[], None] | None = None


def when_asked(act: Callable[[], None] | None) -> None:
    """Call ``act`` whenever the program asks which rank it is."""
    global _when_asked
    _when_asked = act


@dataclass(frozen=True)
class JobEnvironment:
    """The place of this process in its job.

    ``addresses`` are host:port of all ranks in order; ``attempt`` counts restarts from 0;
    ``device`` is the one GPU of the host that is this rank's, None where all are.
    """

    job: str
    rank: int
    addresses: tuple[str, ...]
    attempt: int = 0
    start_timeout: float = 120.0
    device: int | None = None

    @property
    def world_size(self) -> int:
        """How many ranks the job has."""
        return len(self.addresses)

    @classmethod
    def current(cls) -> JobEnvironment | None:
        """Give the environment of this process, or None outside of a job."""
        text = os.environ.get(_VARIABLE)
        if not text:
            return None
        if _when_asked is not None:
            _when_asked()
        data = json.loads(text)
        return cls(**{**data, "addresses": tuple(data["addresses"])})

    def export(self) -> None:
        """Make `current` find this, and ``TF_CONFIG`` say the same to TensorFlow's own strategies."""
        os.environ[_VARIABLE] = json.dumps(asdict(self))
        if self.device is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = str(self.device)
        if self.world_size > 1:
            task = {"type": "worker", "index": self.rank}
            os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": self.addresses}, "task": task})

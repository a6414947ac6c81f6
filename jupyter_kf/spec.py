"""What a job is asked to be and what is seen of it: frozen values, JSON both ways.

The specification is written once, at submission, and never changes; the status is observed by
a backend and may be recomputed at any time. Nothing here knows where a job runs.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from .errors import SpecError
from .names import check_job_name


class JobState(StrEnum):
    """The five states of a job; queued, unschedulable or pulling are the ``reason`` of PENDING."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def finished(self) -> bool:
        """Whether the job has come to its end, good or bad."""
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


class Record:
    """JSON both ways for frozen dataclasses; unknown keys of a newer version are passed over."""

    def to_dict(self) -> dict[str, Any]:
        """Give plain JSON values."""
        return _plain(self)  # type: ignore[no-any-return]

    @classmethod
    def from_dict(cls, data: Any) -> Self:
        """Build from JSON values; `SpecError` names the field that does not fit."""
        return _build(cls, data, cls.__name__)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Resources(Record):
    """What one replica gets.

    ``cpu`` in cores, ``memory`` in bytes; ``accelerator`` is the cluster's name of the device,
    such as ``nvidia.com/gpu``, and ``accelerators`` how many of them.
    """

    cpu: float | None = None
    memory: int | None = None
    accelerator: str = ""
    accelerators: int = 0

    def __post_init__(self) -> None:
        if not _positive(self.cpu) or not _positive(self.memory):
            raise SpecError("Resources must be positive; leave one out for no limit.")
        if self.accelerators < 0 or (self.accelerators and not self.accelerator):
            raise SpecError("accelerators needs a count of at least 0 and the accelerator's name.")

    @property
    def processes(self) -> int:
        """How many ranks a replica has: one a GPU; all TPU chips of a host belong to one process."""
        device = self.accelerator.rpartition("/")[2]
        return max(1, self.accelerators) if device.startswith(("gpu", "mig")) else 1


@dataclass(frozen=True)
class JobSpec(Record):
    """What was asked: one job of ``replicas`` replicas.

    ``notebook`` and ``cell`` say where it came from, ``source`` is the submitted code for people
    to read, ``created`` seconds since the epoch. ``start_timeout`` bounds the start of the gang,
    in seconds. ``checkpoint`` is the number of seconds between checkpoints, or None for none.
    ``own_strategy`` says that the code makes a tf.distribute strategy of its own: it gets its
    ``TF_CONFIG`` and is otherwise left alone.
    """

    name: str
    replicas: int = 1
    profile: str = ""
    resources: Resources = field(default_factory=Resources)
    image: str = ""
    user: str = ""
    notebook: str = ""
    cell: int | None = None
    source: str = ""
    created: float = 0.0
    start_timeout: float = 120.0
    checkpoint: float | None = None
    own_strategy: bool = False
    labels: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_job_name(self.name)
        if not isinstance(self.replicas, int) or not 1 <= self.replicas <= 99_999:
            raise SpecError(f"A job needs between 1 and 99999 workers, not {self.replicas!r}.")
        if not _positive(self.start_timeout) or not _positive(self.checkpoint):
            raise SpecError("start_timeout and checkpoint are seconds and must be positive.")

    @property
    def ranks(self) -> int:
        """How many ranks the replicas have together, on a cluster."""
        return self.replicas * self.resources.processes


@dataclass(frozen=True)
class Replica(Record):
    """What is seen of one replica; ``index`` is its rank, ``node`` where it runs."""

    index: int
    state: JobState = JobState.PENDING
    reason: str = ""
    restarts: int = 0
    node: str = ""
    exit_code: int | None = None


@dataclass(frozen=True)
class JobStatus(Record):
    """What is seen of a job. Times are seconds since the epoch.

    ``reason`` is one sentence for people: why it waits, or why it failed. ``applied`` is when its
    results were written into the notebook's live objects, None as long as they were not. ``ranks``
    is how many logs there are: one a replica, or more where each has several accelerators.
    """

    spec: JobSpec
    state: JobState = JobState.PENDING
    reason: str = ""
    replicas: tuple[Replica, ...] = ()
    started: float | None = None
    finished: float | None = None
    applied: float | None = None
    ranks: int = 0

    def __post_init__(self) -> None:
        if not self.ranks:
            object.__setattr__(self, "ranks", self.spec.replicas)

    @property
    def name(self) -> str:
        """The job's name."""
        return self.spec.name

    @property
    def ready(self) -> int:
        """How many replicas are running or done."""
        return sum(r.state in (JobState.RUNNING, JobState.SUCCEEDED) for r in self.replicas)


_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


def _positive(value: float | None) -> bool:
    return value is None or (value > 0 and math.isfinite(value))


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return str(value) if isinstance(value, StrEnum) else value


def _build(kind: Any, data: Any, where: str) -> Any:
    if kind is Any:
        return data
    if dataclasses.is_dataclass(kind):
        return _build_record(kind, data, where)
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:
        inner = next(a for a in args if a is not types.NoneType)
        return None if data is None else _build(inner, data, where)
    if origin is tuple:
        _expect(isinstance(data, list | tuple), "a list", data, where)
        return tuple(_build(args[0], v, f"{where}[{i}]") for i, v in enumerate(data))
    if origin is dict:
        _expect(isinstance(data, dict), "an object", data, where)
        return {_build(args[0], k, where): _build(args[1], v, f"{where}.{k}") for k, v in data.items()}
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        _expect(data in list(kind), "one of " + ", ".join(kind), data, where)
        return kind(data)
    if kind is float and type(data) is int:
        return float(data)
    _expect(type(data) is kind, _WORDS[kind], data, where)
    return data


def _build_record(kind: Any, data: Any, where: str) -> Any:
    _expect(isinstance(data, dict), "an object", data, where)
    hints = typing.get_type_hints(kind)
    known = {f.name: f for f in dataclasses.fields(kind)}
    missing = [
        name
        for name, f in known.items()
        if name not in data and f.default is f.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise SpecError(f"{where} lacks {', '.join(missing)}.")
    return kind(**{k: _build(hints[k], v, f"{where}.{k}") for k, v in data.items() if k in known})


def _expect(fits: bool, what: str, data: Any, where: str) -> None:
    if not fits:
        raise SpecError(f"{where} must be {what}, not {data!r}.")

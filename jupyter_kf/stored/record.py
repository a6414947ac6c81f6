"""What is known of one version of a stored graph without reading the graph itself.

Frozen values, JSON both ways. Name and version are where it lies, so they are no part of what is hashed.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from ..errors import CaptureError, SpecError
from ..names import JOB_LIMIT, is_job_name, slug
from ..spec import Record

FORMAT = 1


class GraphKind(StrEnum):
    """FORWARD graphs change nothing; TRAINING graphs change their weights, alike on all replicas."""

    FORWARD = "FORWARD"
    TRAINING = "TRAINING"


@dataclass(frozen=True)
class TensorInfo(Record):
    """A tensor's name, TensorFlow's name of its type, and shape; None where a size, or all, are open."""

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None = None

    def __str__(self) -> str:
        sizes = "?" if self.shape is None else ", ".join("?" if n is None else str(n) for n in self.shape)
        return f"{self.name}: {self.dtype}[{sizes}]"


@dataclass(frozen=True)
class FileInfo(Record):
    """A file of a version: its size in bytes and its SHA-256."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Trained(Record):
    """How a version's weights came about: the version they began from, the job, its steps and last loss."""

    parent: int
    job: str = ""
    steps: int = 0
    loss: float | None = None

    def __str__(self) -> str:
        loss = "" if self.loss is None else f" to a loss of {self.loss:g}"
        return f"{self.steps} steps from version {self.parent}{loss} by the job {self.job}"


@dataclass(frozen=True, repr=False)
class GraphRecord(Record):
    """One version of a stored graph.

    ``inputs``, ``outputs`` and ``weights`` are its signature in the order of the call; ``ops`` counts its
    operations by kind, and ``collectives`` those that put gradients together. ``asks`` names the operations
    that read or write files: who loads the graph is to agree to them. ``steps`` is how many steps a run takes
    unless told otherwise, ``has_data`` says that a dataset lies with it. ``source`` is the cell that made it,
    ``created`` seconds since the epoch, ``bytes`` the size of its files.
    """

    name: str
    version: int
    kind: GraphKind
    description: str = ""
    inputs: tuple[TensorInfo, ...] = ()
    outputs: tuple[TensorInfo, ...] = ()
    weights: tuple[TensorInfo, ...] = ()
    ops: dict[str, int] = field(default_factory=dict)
    collectives: int = 0
    asks: tuple[str, ...] = ()
    steps: int | None = None
    has_data: bool = False
    trained: Trained | None = None
    source: str = ""
    notebook: str = ""
    user: str = ""
    created: float = 0.0
    versions: dict[str, str] = field(default_factory=dict)
    files: dict[str, FileInfo] = field(default_factory=dict)
    hash: str = ""
    format: int = FORMAT

    @property
    def bytes(self) -> int:
        """The size of all its files."""
        return sum(file.size for file in self.files.values())

    @property
    def signature(self) -> str:
        """The call in a line."""
        return f"({', '.join(map(str, self.inputs))}) -> ({', '.join(map(str, self.outputs))})"

    def __repr__(self) -> str:
        trained = f", trained {self.trained}" if self.trained else ""
        return f"{self.name} {self.version} ({self.kind.value.lower()}): {self.signature}{trained}"

    def digest(self) -> str:
        """The SHA-256 of everything that is said of it but where it lies."""
        said = self.to_dict()
        for place in ("name", "version", "hash"):
            del said[place]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    def sealed(self) -> GraphRecord:
        """The same with its hash."""
        return replace(self, hash=self.digest())

    def placed(self, name: str, version: int) -> GraphRecord:
        """The same at another place."""
        return replace(self, name=name, version=version)


@dataclass(frozen=True)
class GraphRun(Record):
    """What is asked of a graph in a job.

    ``steps`` None: until its data ends; more steps than the data has batches begin again at its start.
    ``keep`` stores trained weights as the next version. ``allow`` are the operations agreed to, see
    `safety`. A forward graph computes the batches ``shard``, ``shard + shards`` and so on.
    """

    name: str
    version: int
    steps: int | None = None
    keep: bool = True
    allow: tuple[str, ...] = ()
    shard: int = 0
    shards: int = 1

    def __post_init__(self) -> None:
        if self.steps is not None and self.steps < 1:
            raise SpecError(f"A run has at least one step, not {self.steps}.")


def check_graph_name(text: Any) -> str:
    """Give ``text`` back if a graph can be called so, else raise `SpecError` with a name that would do."""
    if isinstance(text, str) and is_job_name(text):
        return text
    raise SpecError(
        f"{text!r} cannot be a graph's name: use at most {JOB_LIMIT} of a-z, 0-9 and '-', a letter first and "
        f"a letter or digit last, for example {slug(str(text))!r}."
    )


def read_back(data: bytes, name: str, version: int) -> GraphRecord:
    """Give the record that was written as JSON; `CaptureError` if it is not the one that was written."""
    where = f"Version {version} of the graph {name!r}"
    try:
        said: Any = json.loads(data)
        form = said.get("format") if isinstance(said, dict) else None
        if form is not None and form != FORMAT:
            raise CaptureError(
                f"{where} has format {form!r}, this jupyter_kf reads {FORMAT}. "
                "Use the jupyter_kf that stored it, or store the graph again."
            )
        record = GraphRecord.from_dict(said)
    except CaptureError:
        raise
    except (ValueError, RecursionError) as error:  # SpecError is one
        raise CaptureError(
            f"{where} is damaged: its record cannot be read ({error}). Store it again."
        ) from error
    if record.hash != record.digest():
        raise CaptureError(
            f"{where} is damaged: its record was changed after it was written. Store it again."
        )
    return record.placed(name, version)

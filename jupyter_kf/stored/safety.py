"""Which operations of a graph do more than compute: pure, over parsed or merely listed graphs.

A graph is data, but TensorFlow has operations that call Python, read and write files or open connections. The
first are never run from the store; the others are named, and run only if whoever loads the graph agrees.
Kinds are known by their names; a test holds the patterns against TensorFlow's own list of operations.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from ..errors import CaptureError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

# They call Python by a token of the process that made them, or code of a library.
_PYTHON = re.compile(r"(Eager)?PyFunc(Stateless)?|.*CustomCall.*|_?XlaHostCompute.*|_Xla(Send|Recv).*")
# They read or write files, print, or speak to other machines.
_OUTSIDE = re.compile(
    "|".join(
        (
            r"(Read|Write)File|MatchingFiles.*|.*Filename.*|FileSystem.*|.*Reader(V2)?|Reader(Read|Restore).*",
            r"DumpTensor|CalibrationStatisticsSaver|Skipgram|FixedUnigramCandidateSampler",
            r"(Sharded|Distributed|DTensor)?(Save|Restore).*|.*Checkpoint.*|LoadAndRemapMatrix|GenerateVocabRemapping|ImmutableConst",
            r".*(TFRecord|TextLine|FixedLengthRecord|LMDB|Sql|CSV|Csv|Avro|Parquet)Dataset.*|DatasetToTFRecord",
            r".*(Load|Save|Cache|Snapshot|SSTable|RecordIO|DataService|MatchingFiles).*Dataset.*|Snapshot.*",
            r".*DatasetToTFRecord|.*DataService.*|.*Snapshot.*|ListSnapshot.*|RegisterDataset.*|.*FromTextFile.*",
            r".*SummaryWriter.*|.*SummaryDb.*|Write.*Summary|ImportEvent|.*SummaryFile.*|.*SummaryInterface",
            r"Print(V2)?|Debug.*|_?(Host)?(Send|Recv)(TPU.*)?|Remote.*|(Try)?Rpc.*|.*Rpc(Client|Server|Call).*",
            r".*TPU.*|.*TRT.*|.*DistributedTPU.*|Gcs.*|.*BlockCache.*|.*FromFile.*|RecordInput|XlaCallModule",
        )
    )
)


def ops_of(graph: Any) -> Iterator[tuple[str, str]]:
    """Give kind and place (node, and function if in one) of each operation of a parsed GraphDef."""
    for node in graph.node:
        yield node.op, node.name
    for function in graph.library.function:
        for node in function.node_def:
            yield node.op, f"{node.name} of {function.signature.name}"


def count(graph: Any) -> dict[str, int]:
    """Count the operations of a parsed GraphDef by kind."""
    return dict(sorted(Counter(op for op, _ in ops_of(graph)).items()))


def calls_python(op: str) -> bool:
    """Tell whether this kind of operation calls code that is not in the graph."""
    return _PYTHON.fullmatch(op) is not None


def goes_outside(op: str) -> bool:
    """Tell whether this kind of operation reads or writes files, prints or speaks to other machines."""
    return _OUTSIDE.fullmatch(op) is not None


def asks(ops: Collection[str]) -> tuple[str, ...]:
    """Name the kinds of operations that somebody must agree to."""
    return tuple(sorted(op for op in ops if goes_outside(op)))


def check(what: str, ops: Collection[str], allow: Collection[str] = ()) -> None:
    """Refuse a graph that does more than compute and ``allow``; `CaptureError` names its operations."""
    if python := sorted(op for op in ops if calls_python(op)):
        raise CaptureError(
            f"{what} calls code that is not in it ({', '.join(python)}), so it is not loaded. "
            "Write that part with TensorFlow's own operations and store it again."
        )
    if outside := [op for op in asks(ops) if op not in allow]:
        names = ", ".join(map(repr, outside))
        raise CaptureError(
            f"{what} reads or writes files, prints or opens connections ({', '.join(outside)}), so it is not "
            f"loaded unasked. If you trust it: kf.load_graph(..., allow=[{names}]), or --allow on the "
            "command line."
        )

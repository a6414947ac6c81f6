"""Which operations of a pipeline of tf.data may give each process something else.

Known by name, as they stand in graphs; nothing of TensorFlow is loaded for it. Said too often costs a
comparison for each element, said too seldom lets replicas train on different data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

PYTHON = frozenset({"PyFunc", "PyFuncStateless", "EagerPyFunc"})
"""Operations that call back into Python."""

SEEDED = {
    "ShuffleDataset": (2, 3),
    "ShuffleDatasetV3": (2, 3),
    "ShuffleAndRepeatDataset": (2, 3),
    "ShuffleAndRepeatDatasetV2": (2, 3),
    "RandomDataset": (0, 1),
    "RandomDatasetV2": (0, 1),
    "SamplingDataset": (2, 3),
    "AnonymousRandomSeedGenerator": (0, 1),
    "AnonymousSeedGenerator": (0, 1),
}
"""Operations with a seed, and the places of the two halves of the seed among their inputs."""

RANDOM = frozenset({
    "LearnedUnigramCandidateSampler", "LogUniformCandidateSampler", "Multinomial",
    "ParameterizedTruncatedNormal", "RandomGamma", "RandomPoisson", "RandomPoissonV2", "RandomShuffle",
    "RandomStandardNormal", "RandomUniform", "RandomUniformInt", "SampleDistortedBoundingBox",
    "SampleDistortedBoundingBoxV2", "TruncatedNormal", "UniformCandidateSampler",
})  # fmt: skip
"""Operations that draw from a state of their own, which the system seeds where their two seeds are 0."""

NOTE = "_jupyter_kf_chance"
"""Where a pipeline made from a graph keeps whether chance has a part in it."""

_WRITING = ("Assign", "ResourceScatter", "Rng", "Stateful")
_PARALLEL = ("Parallel", "MapAndBatch", "LegacyParallel")


def has_part(called: Iterable[Any], *, parallel: bool = False, disordered: bool = False) -> bool:
    """Whether chance has a part in what a pipeline gives, by the nodes of the functions that it calls.

    They may draw without a seed, call Python, write a variable ahead of time, or draw in an order that
    depends on how fast they run. What stands outside of functions is seeded by whoever sends the pipeline.

    :param parallel: some are called side by side
    :param disordered: elements may come in any order
    """
    called = list(called)
    constants = {node.name: node for node in called if node.op == "Const"}
    if any(n.op in PYTHON or n.op.startswith(_WRITING) or _unseeded(n, constants) for n in called):
        return True
    parallel = parallel or any(is_parallel(node) for node in called)
    return parallel and (disordered or any(n.op in RANDOM or is_disordered(n) for n in called))


def is_parallel(node: Any) -> bool:
    """Whether an operation calls its function side by side."""
    return bool(node.op.startswith(_PARALLEL))


def is_disordered(node: Any) -> bool:
    """Whether an operation may give its elements in any order."""
    return "deterministic" in node.attr and node.attr["deterministic"].s == b"false"


def _unseeded(node: Any, constants: dict[str, Any]) -> bool:
    if node.op in RANDOM:
        return not (node.attr["seed"].i or node.attr["seed2"].i)
    places = SEEDED.get(node.op, ())
    seeds = [constants.get(node.input[place].partition(":")[0]) for place in places]
    return bool(places) and all(seed is not None and _is_zero(seed) for seed in seeds)


def _is_zero(constant: Any) -> bool:
    tensor = constant.attr["value"].tensor
    return not any(tensor.int64_val) and not any(tensor.tensor_content)

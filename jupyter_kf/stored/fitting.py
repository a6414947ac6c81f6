"""Whether a graph can be run as it is asked to be, told before anything is sent out. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import chance
from ..errors import SpecError
from .record import GraphKind

if TYPE_CHECKING:
    from typing import Any

    from .record import GraphRecord, TensorInfo


def check_arrays(record: GraphRecord, place: str, arrays: tuple[Any, ...]) -> None:
    """Raise `SpecError` if the arrays, rows first, are not what the graph takes in the order of its call."""
    wanted = ", ".join(map(str, record.inputs))
    if len(arrays) != len(record.inputs):
        raise SpecError(
            f"{place} has {len(arrays)} arrays, "
            f"the graph {record.name!r} takes {len(record.inputs)}: {wanted}."
        )
    for info, array in zip(record.inputs, arrays, strict=True):
        if not _fits(info, array):
            shape = ", ".join(map(str, array.shape))
            raise SpecError(
                f"{place} has {array.dtype}[{shape}] where the graph {record.name!r} takes {info}. "
                "Save the arrays in this order and with these types."
            )
    if len({array.shape[0] for array in arrays}) > 1:
        rows = ", ".join(str(array.shape[0]) for array in arrays)
        raise SpecError(f"The arrays of {place} differ in the number of rows: {rows}.")


def check_taken_up(record: GraphRecord) -> None:
    """Raise `SpecError` if a training of the graph cannot be taken up from a checkpoint."""
    if record.kind is GraphKind.TRAINING and (drawn := sorted(chance.RANDOM & record.ops.keys())):
        raise SpecError(
            f"checkpoint= does not go with the graph {record.name!r}: it draws with {drawn[0]}, whose state "
            "cannot be kept. Draw with keras.random and a SeedGenerator, tf.random.Generator or "
            "tf.random.stateless_*, and store it again."
        )


def _fits(info: TensorInfo, array: Any) -> bool:
    """Compare types, and all lengths but the first: that is cut into batches."""
    dtype = "string" if array.dtype.kind in "SUO" else array.dtype.name
    if dtype != info.dtype or not array.shape:
        return False
    wanted = info.shape
    if wanted is None:
        return True
    inner = zip(wanted[1:], array.shape[1:], strict=False)
    return len(wanted) == len(array.shape) and all(n is None or n == m for n, m in inner)

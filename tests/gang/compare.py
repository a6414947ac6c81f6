"""The measure of equality: the largest difference, relative to the largest value of the same array."""

from __future__ import annotations

from typing import Any

import numpy as np

BAR = 1e-6


def difference(a: Any, b: Any) -> float:
    """Of two results of a case (numbers, arrays, dicts, lists); infinite when their structures differ."""
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        return max((difference(a[k], b[k]) for k in a), default=0.0)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)) and len(a) == len(b):
        return max((difference(x, y) for x, y in zip(a, b, strict=True)), default=0.0)
    if isinstance(a, (str, bool, type(None))) or isinstance(b, (str, bool, type(None))):
        return 0.0 if a == b else float("inf")
    if isinstance(a, (dict, list, tuple)) or isinstance(b, (dict, list, tuple)):
        return float("inf")
    x, y = np.asarray(a), np.asarray(b)
    if x.shape != y.shape:
        return float("inf")
    if not np.issubdtype(x.dtype, np.number):
        return 0.0 if np.array_equal(x, y) else float("inf")
    x, y = x.astype(np.float64), y.astype(np.float64)
    if not np.array_equal(np.isfinite(x), np.isfinite(y)):
        return float("inf")
    keep = np.isfinite(y)
    return float(np.max(np.abs(x - y)[keep], initial=0.0) / max(1.0, np.max(np.abs(y[keep]), initial=0.0)))


def differences(got: dict[str, Any], want: dict[str, Any]) -> dict[str, float]:
    """By part of the result (weights, slots, history, ...)."""
    return (
        {part: difference(got[part], want[part]) for part in want}
        if got.keys() == want.keys()
        else {"": np.inf}
    )

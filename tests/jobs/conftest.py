"""Jobs through the executor, on real replicas."""

from __future__ import annotations

from tests.warmth import place, warm_place

__all__ = ["place", "warm_place"]

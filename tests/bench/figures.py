"""Medians and percentiles, as the gates use them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0–1) of the ascending values do not exceed; 0 of none."""
    if not ordered:
        return 0.0
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds."""

    average: float
    p95: float
    p99: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Latency:
        """Of any order; all zero of none."""
        ordered = sorted(seconds)
        average = sum(ordered) / len(ordered) if ordered else 0.0
        return cls(1000 * average, 1000 * percentile(ordered, 0.95), 1000 * percentile(ordered, 0.99))

    def inside(self, average: float, p95: float, p99: float) -> bool:
        """Whether no figure is above its limit."""
        return self.average <= average and self.p95 <= p95 and self.p99 <= p99

    def __str__(self) -> str:
        return f"{self.average:.1f}/{self.p95:.1f}/{self.p99:.1f} ms"

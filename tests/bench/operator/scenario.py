"""One stage's worth of gates, and how many objects it takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.bench.operator.demands import Demand
from tests.bench.report import Gate


@dataclass(frozen=True)
class Sizes:
    """Objects at once, in the large scenarios, and idle; seconds of steady changes and of rest."""

    many: int
    large: int
    idle: int
    changing_seconds: int
    resting_seconds: int
    lost: int = 10


FULL = Sizes(many=200, large=1_000, idle=10_000, changing_seconds=60, resting_seconds=90)
QUICK = Sizes(many=40, large=100, idle=500, changing_seconds=15, resting_seconds=75)


@dataclass(frozen=True)
class Scenario:
    """`measure` gives a gate for each of `demands`; `count` picks how many objects it has."""

    name: str
    demands: tuple[Demand, ...]
    count: Callable[[Sizes], int]
    measure: Callable[[Sizes], Sequence[Gate]]


def incomplete(done: int, count: int, seconds: float) -> str:
    return f"{done} of {count} synced after {seconds:.0f} s"

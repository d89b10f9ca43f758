"""In which calls, one after the other, changes are made: AWS is busy after each, and takes the next when it is through.

Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .fields import Difference


@dataclass(frozen=True)
class Batch:
    """What goes in one call; not `able` before another change is through."""

    changes: tuple[Difference, ...]
    able: bool


def batches(
    changes: Sequence[Difference],
    differences: tuple[Difference, ...],
    ready: Callable[[Difference, tuple[Difference, ...]], bool],
) -> list[Batch]:
    """`ready` tells whether a change can be made while those differences are there."""
    found: list[Batch] = []
    rest = tuple(changes)
    while rest:
        able = tuple(each for each in rest if ready(each, differences))
        from_ = able or rest
        first = from_[0].field
        together = tuple(
            each for each in from_ if (each.field.operation, each.field.group) == (first.operation, first.group)
        )
        found.append(Batch(together, bool(able)))
        rest = tuple(each for each in rest if each not in together)
        differences = tuple(each for each in differences if each not in together)
    return found

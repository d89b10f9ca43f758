"""In which calls, one after the other, changes are made: AWS is busy after each, and takes the next when it is through.

Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from .fields import Difference
from .refusals import Refused
from .sync import key


@dataclass(frozen=True)
class Batch:
    """What goes in one call; not `able` before another change is through, or while its next try waits."""

    changes: tuple[Difference, ...]
    able: bool


Ready = Callable[[Difference, tuple[Difference, ...]], bool]
"""Tells whether a change can be made while those differences are there."""


def in_turn(
    changes: Sequence[Difference], differences: tuple[Difference, ...], ready: Ready, refused: Refused
) -> list[Batch]:
    """What AWS has refused goes by itself and last, so that it keeps nothing else from being made."""
    fresh = [each for each in changes if key(each) not in refused]
    again = batches([each for each in changes if each not in fresh], differences, ready)
    waiting = [replace(each, able=each.able and not _waits(each, refused)) for each in again]
    return sorted([*batches(fresh, differences, ready), *waiting], key=lambda each: not each.able)


def _waits(batch: Batch, refused: Refused) -> bool:
    return any(refused[key(each)].wait > 0 for each in batch.changes)


def batches(
    changes: Sequence[Difference],
    differences: tuple[Difference, ...],
    ready: Ready,
) -> list[Batch]:
    """In the table's order, as far as they can be made."""
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

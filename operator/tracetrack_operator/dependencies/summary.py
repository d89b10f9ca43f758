"""Several verdicts as one. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ..api.reasons import PASSING
from .protocol import Verdict


def summed(found: Sequence[Verdict]) -> Verdict | None:
    """The reason of the first that is wrong, and only then of one merely under way; None of none."""
    if not found:
        return None
    wrong = sorted(
        (each for each in found if each.status != "True"), key=lambda each: (each.reason in PASSING, found.index(each))
    )
    if not wrong:
        return Verdict.ready(" ".join(each.message for each in found))
    return Verdict.not_ready(wrong[0].reason, " ".join(each.message for each in wrong))

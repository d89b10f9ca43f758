"""What has happened to drills, told to people."""

from __future__ import annotations

from collections.abc import Iterable

from ..engine.events import EventRecorder
from ..engine.objects import Object
from . import metrics
from .decide import Happened, News


async def tell(recorder: EventRecorder, owner: Object, news: Iterable[News]) -> None:
    """An Event each, and the counters."""
    metadata = owner["metadata"]
    for each in news:
        metrics.count(metadata["namespace"], metadata["name"], each)
        if each.what is Happened.STARTED:
            await recorder.emit(owner, "Normal", "DrillStarted", each.message)
        elif each.what is Happened.PASSED:
            await recorder.emit(owner, "Normal", "DrillPassed", each.message)
        else:
            await recorder.emit(owner, "Warning", "DrillFailed", each.message)

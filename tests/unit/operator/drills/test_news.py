"""Begin and end of a drill are told once they are written down, and counted by outcome."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import REGISTRY

from tests.unit.operator.deployment.factory import observed, owner, stored
from tests.unit.operator.deployment.test_looking_again import reconciler
from tests.unit.operator.drills.test_decide import IDLE, RUNNING
from tracetrack_operator.drills.conductor import Drill
from tracetrack_operator.drills.decide import Happened, News
from tracetrack_operator.drills.manifests import record_config
from tracetrack_operator.drills.news import tell
from tracetrack_operator.engine.objects import Key
from tracetrack_operator.manifests.parent import Parent

STARTED = News(Happened.STARTED, "It begins.")


class Recorder:
    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    async def emit(self, about: Any, type_: str, reason: str, message: str) -> None:
        self.told.append((type_, reason))


@pytest.mark.parametrize(("written", "told"), [(RUNNING, [("Normal", "DrillStarted")]), (IDLE, [])])
async def test_what_is_not_written_down_has_not_happened(written: Any, told: list[tuple[str, str]]) -> None:
    record = stored(record_config(Parent.of(owner()), written))
    seen = observed(children=[record], drill=Drill(news=(STARTED,), record=RUNNING, kept=True))
    made = reconciler(seen)
    recorder = Recorder()
    made._context = SimpleNamespace(**{**vars(made._context), "recorder": recorder})  # type: ignore[assignment]
    await made.reconcile(Key("TraceTrackDeployment", "shop", "demo"))
    assert recorder.told == told


async def test_outcomes_are_counted_and_begins_are_not() -> None:
    def counted(outcome: str) -> float:
        labels = {"namespace": "shop", "name": "demo", "outcome": outcome}
        return REGISTRY.get_sample_value("tracetrack_operator_drills_total", labels) or 0.0

    before = counted("passed"), counted("failed")
    recorder: Any = Recorder()
    news = (STARTED, News(Happened.PASSED, "fine"), News(Happened.FAILED, "no"), News(Happened.FAILED, "no"))
    await tell(recorder, owner(), news)
    assert recorder.told == [
        ("Normal", "DrillStarted"),
        ("Normal", "DrillPassed"),
        ("Warning", "DrillFailed"),
        ("Warning", "DrillFailed"),
    ]
    assert (counted("passed") - before[0], counted("failed") - before[1]) == (1, 2)

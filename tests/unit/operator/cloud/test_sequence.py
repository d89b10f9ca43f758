"""In which calls changes are made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tracetrack_operator.dependencies.cloud.fields import Difference, Field, Origin
from tracetrack_operator.dependencies.cloud.sequence import batches
from tracetrack_operator.engine.plan import Disruption


def difference(name: str, operation: str = "modify", group: str = "") -> Difference:
    field = Field(name, name, lambda item: None, Disruption.ONLINE, operation, "", group=group)
    return Difference(field, 1, 2, Origin.SPEC, Disruption.ONLINE)


CLASS, WINDOW = difference("class"), difference("window")
STORAGE, SPEED = difference("storage", group="storage"), difference("speed", group="storage")
RESTART = difference("restart", "reboot")


def names(
    changes: list[Difference], ready: Callable[[Difference, tuple[Difference, ...]], bool] = lambda each, others: True
) -> list[tuple[list[str], bool]]:
    found = batches(changes, tuple(changes), ready)
    return [([each.field.name for each in batch.changes], batch.able) for batch in found]


def test_what_belongs_together_goes_in_one_call_in_the_tables_order() -> None:
    assert names([CLASS, STORAGE, SPEED, WINDOW]) == [(["class", "window"], True), (["storage", "speed"], True)]


def test_what_has_to_wait_for_another_comes_after_it() -> None:
    def ready(each: Difference, others: tuple[Difference, ...]) -> bool:
        return each is not RESTART or CLASS not in others

    assert names([RESTART, CLASS], ready) == [(["class"], True), (["restart"], True)]


def test_what_the_object_has_no_part_for_yet_is_not_able() -> None:
    def ready(each: Difference, others: tuple[Difference, ...]) -> Any:
        return each is not WINDOW

    assert names([STORAGE, WINDOW], ready) == [(["storage"], True), (["window"], False)]


def test_nothing_takes_no_call() -> None:
    assert names([]) == []

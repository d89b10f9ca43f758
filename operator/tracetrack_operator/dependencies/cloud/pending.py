"""What AWS holds for its own window, and sets off, all of it, with whatever is applied immediately. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from ...engine.plan import Action
from .actions import Modify
from .fields import Difference, Field, Item
from .sync import Sync


def values(
    table: Iterable[Field], item: Item, pending: Mapping[str, Any], sync: Sync, changes: tuple[Difference, ...]
) -> dict[str, Any]:
    """Of the call that makes `changes`, by parameter: what isn't due is withdrawn by its present value."""
    sent = {each.field.parameter: _sent(each, item) for each in changes}
    first = changes[0].field
    return {**(withdrawn(table, item, pending, sync, first.operation) if first.sets_off else {}), **sent}


def withdrawn(
    table: Iterable[Field], item: Item, pending: Mapping[str, Any], sync: Sync, operation: str
) -> dict[str, Any]:
    """What a call of `operation` has to say so that it sets off nothing else."""
    due = {each.field.name: each.wanted for each in (*sync.now, *sync.asked)}
    found = {}
    for field in table:
        coming, actual = _coming(field, pending), field.actual(item)
        if field.operation != operation or coming is None or actual is None or coming == actual:
            continue
        if field.name not in due or not field.same(coming, due[field.name]):
            found[field.parameter] = field.send(actual, item)
    return found


def sparing(
    step: Action | None, table: Iterable[Field], item: Item, pending: Mapping[str, Any], sync: Sync
) -> Action | None:
    """A step that was made up elsewhere, so that it sets off nothing else."""
    if not isinstance(step, Modify) or not step.parameters.get("ApplyImmediately"):
        return step
    spared = {**withdrawn(table, item, pending, sync, step.operation), **step.parameters}
    return replace(step, parameters=spared, beside=pending)


def strangers(
    table: Iterable[Field], item: Item, pending: Mapping[str, Any], harmless: Collection[str]
) -> tuple[str, ...]:
    """Names of what can't be withdrawn, since the table doesn't have it or AWS doesn't tell its present value."""
    known = {field.pending or field.parameter for field in table if field.actual(item) is not None}
    waits = (name for name, value in pending.items() if value not in (None, "", [], {}))
    return tuple(sorted(name for name in waits if name not in known and name not in harmless))


def _sent(difference: Difference, item: Item) -> Any:
    """Of a field that is as declared, and only shall stay so, what it has: a major version would ask for the latest."""
    field, actual = difference.field, difference.field.actual(item)
    return field.send(actual if field.same(actual, difference.wanted) else difference.wanted, item)


def _coming(field: Field, pending: Mapping[str, Any]) -> Any:
    return pending.get(field.pending or field.parameter)

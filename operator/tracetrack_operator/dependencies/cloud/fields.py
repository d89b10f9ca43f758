"""What can be declared of a cloud object, where AWS tells it, and what changing it does to those who use it."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ...engine.plan import Disruption

Item = Mapping[str, Any]
"""An object as AWS describes it."""


class Origin(StrEnum):
    """Where a difference comes from, by the values last seen to agree."""

    SPEC = "spec"
    HAND = "hand"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Field:
    """One row of a provider's table of changes.

    `actual` reads AWS's description; None there means that AWS doesn't tell, and nothing is compared. `disruption` is
    of a change from the actual value to the wanted one. `operation` makes the change by `parameter`, whose value
    `send` makes from the wanted one and the description. Fields of one operation and `group` go in one call.
    `pending` is the field's key among AWS's pending values, where it isn't `parameter`. `why` is for people, and so are
    the `classes` that a `disruption` by values can give, and the `way` to have what isn't done in place: commands, with
    {name} and {object} for the owner's name and the object's identifier. `origin` is that of its differences, whatever
    was seen before. `renamed` tells from the value last seen to agree that another one is wanted, where AWS's own
    doesn't show it.
    `sets_off`: its call is applied immediately, and with it all that AWS has pending.
    """

    name: str
    parameter: str
    actual: Callable[[Item], Any]
    disruption: Disruption | Callable[[Any, Any], Disruption]
    operation: str
    why: str
    same: Callable[[Any, Any], bool] = operator.eq
    send: Callable[[Any, Item], Any] = lambda wanted, item: wanted
    group: str = ""
    pending: str = ""
    way: str = ""
    classes: tuple[Disruption, ...] = ()
    origin: Origin | None = None
    renamed: Callable[[Any, Any], bool] = lambda before, wanted: False
    sets_off: bool = True

    def told(self, name: str, identifier: str) -> str:
        """`why`, and the `way` for the owner `name` and its object."""
        return f"{self.why} {self.way}".strip().replace("{name}", name).replace("{object}", identifier)

    def change_class(self, actual: Any, wanted: Any) -> Disruption:
        return self.disruption if isinstance(self.disruption, Disruption) else self.disruption(actual, wanted)


@dataclass(frozen=True)
class Difference:
    """A field that isn't as declared."""

    field: Field
    actual: Any
    wanted: Any
    origin: Origin
    disruption: Disruption

    def __str__(self) -> str:
        by = ", changed by hand" if self.origin is Origin.HAND else ""
        return f"{self.field.name} {shown(self.actual)} → {shown(self.wanted)} ({self.disruption}){by}"


@dataclass(frozen=True)
class Comparison:
    """`agreed` are the declared values that AWS has; with the earlier ones of fields that differ."""

    differences: tuple[Difference, ...]
    agreed: Mapping[str, Any]


def compare(
    table: Iterable[Field],
    declared: Mapping[str, Any],
    item: Item,
    pending: Mapping[str, Any],
    agreed: Mapping[str, Any],
) -> Comparison:
    """The declared values against AWS's; a declared None leaves the field to AWS. Pure."""
    found: list[Difference] = []
    now: dict[str, Any] = {}
    for field in table:
        wanted, actual = declared.get(field.name), field.actual(item)
        if wanted is None:
            # Remembered too, so that declaring it later is a change of the spec.
            now[field.name] = None
            continue
        if actual is None:
            continue
        coming = pending.get(field.pending or field.parameter)
        renamed = field.name in agreed and field.renamed(agreed[field.name], wanted)
        if field.same(actual, wanted) and not renamed:
            if coming is None or field.same(coming, wanted):
                now[field.name] = wanted
                continue
            # Sending the present value withdraws what somebody else has queued; before an adoption was approved, that
            # was no change of what is ours, and isn't remembered as seen to agree.
            known = field.name in agreed
            now |= {field.name: wanted} if known else {}
            origin = Origin.HAND if known else Origin.UNKNOWN
            found.append(Difference(field, coming, wanted, origin, Disruption.ONLINE))
            continue
        if field.name in agreed:
            now[field.name] = agreed[field.name]
        origin = origin_of(field, wanted, agreed)
        found.append(Difference(field, actual, wanted, origin, field.change_class(actual, wanted)))
    return Comparison(tuple(found), now)


def origin_of(field: Field, wanted: Any, agreed: Mapping[str, Any]) -> Origin:
    """Where a difference comes from; an agreed None stands for a field that was left to AWS."""
    if field.origin is not None:
        return field.origin
    if field.name not in agreed:
        return Origin.UNKNOWN
    before = agreed[field.name]
    return Origin.HAND if before is not None and field.same(before, wanted) else Origin.SPEC


def shown(value: Any) -> str:
    """A value as a person reads it in YAML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ",".join(str(each) for each in value) or "none"
    return str(value)

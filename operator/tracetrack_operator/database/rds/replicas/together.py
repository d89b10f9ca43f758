"""A DB instance and its read replicas as one database. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ....api.conditions import Reason
from ....api.status import PENDING_CHANGES
from ....aws.ownership import REPLICA
from ....dependencies.binding import Binding, DatabaseBinding
from ....dependencies.cloud.actions import Modify
from ....dependencies.cloud.fields import Item
from ....dependencies.cloud.sync import verdict
from ....dependencies.protocol import Dependency, Verdict
from ....dependencies.summary import summed
from ....engine.plan import Action
from .actions import CreateReplica
from .outcome import Outcome

_VERSION = "EngineVersion"


def with_replicas(base: Dependency, outcomes: Sequence[Outcome], pause: float) -> Dependency:
    """`base` is what was found of the primary; `pause` in seconds, before another look at what is under way."""
    if not outcomes:
        return base
    tokens = _joined(base.details.get("approval", ""), *(each.decided.tokens for each in outcomes if each.decided))
    steps, later = _in_order(base, outcomes)
    busy = any(each.coming or each.steps or _asked(each) for each in outcomes)
    soon = [at for at in (base.look_again, *(each.retry_after for each in outcomes)) if at is not None]
    return replace(
        base,
        steps=steps,
        later=later,
        held=(*base.held, *(held for each in outcomes for held in each.held)),
        sync=_sync(base.sync, outcomes, tokens),
        details=_details(base.details, outcomes, tokens),
        measures=_measures(base.measures, outcomes),
        replicas=_ready(outcomes),
        binding=_bound(base.binding, outcomes),
        look_again=min(pause, base.look_again or pause) if busy else min(soon, default=None),
        replica_items=_items(outcomes),
    )


def to_come(base: Dependency, outcomes: Sequence[Outcome]) -> Dependency:
    """`outcomes` are those there will be once the primary is there."""
    if not outcomes:
        return base
    names = ", ".join(each.what for each in outcomes)
    return replace(
        base,
        later=(*base.later, *(step for each in outcomes for step in each.steps)),
        replicas=Verdict.not_ready(Reason.PROGRESSING, f"Made once their primary is there: {names}."),
        details=_details(base.details, outcomes, ""),
    )


def _items(outcomes: Iterable[Outcome]) -> dict[str, Item]:
    """Those that are paid for on the owner's account."""
    found = [each.replica for each in outcomes if REPLICA in each.replica.tags]
    return {each.identifier: each.item for each in found if each.item is not None}


def _asked(each: Outcome) -> bool:
    return each.decided is not None and each.decided.under_way


def _in_order(base: Dependency, outcomes: Sequence[Outcome]) -> tuple[tuple[Action, ...], tuple[Action, ...]]:
    """What is done now, and what afterwards. A primary that is about to change gives no replica meanwhile, and RDS
    wants replicas to have a later minor version before their primary."""
    upgraded = any(
        difference.field.parameter == _VERSION
        for each in outcomes
        if each.decided is not None
        for difference in (*each.decided.now, *each.decided.asked)
    )
    own = [step for step in base.steps if not (upgraded and isinstance(step, Modify) and _VERSION in step.parameters)]
    changing = any(isinstance(step, Modify) for step in own)
    of_replicas = [step for each in outcomes for step in each.steps]
    now = [step for step in of_replicas if not (changing and isinstance(step, CreateReplica))]
    last = [step for step in base.steps if step not in own]
    awaited = [step for step in of_replicas if step not in now]
    return (*own, *now), (*last, *base.later, *awaited, *(step for each in outcomes for step in each.later))


def _sync(primary: Verdict | None, outcomes: Iterable[Outcome], tokens: str) -> Verdict | None:
    found = [] if primary is None else [primary]
    for each in outcomes:
        if each.decided is not None and each.rules is not None:
            # One annotation approves all of it: its value is said in full wherever it is said.
            told = replace(each.decided, tokens=tokens)
            found.append(verdict(each.what, each.replica.state, each.changeable, told, each.rules))
    return summed(found)


def _details(details: Mapping[str, Any], outcomes: Sequence[Outcome], tokens: str) -> dict[str, Any]:
    told = [*details.get("pendingChanges", [])]
    for each in outcomes:
        if each.decided is not None:
            told += [f"{each.replica.name}: {difference}" for difference in each.decided.undone]
    wanted = [each for each in outcomes if each.replica.wanted is not None]
    serving = sum(each.binding is not None for each in wanted)
    return {
        **details,
        **({"pendingChanges": _bounded(told)} if told else {}),
        **({"approval": tokens} if tokens else {}),
        **({"readyReadReplicas": f"{serving}/{len(wanted)}"} if wanted else {}),
        "readReplicas": [each.status for each in outcomes],
    }


def _bounded(told: list[str]) -> list[str]:
    """As many as the status takes; of a primary alone there are never so many."""
    kept = told if len(told) <= PENDING_CHANGES else told[: PENDING_CHANGES - 1]
    return kept if kept is told else [*kept, f"and {len(told) - len(kept)} more"]


def _measures(measures: Mapping[str, int], outcomes: Iterable[Outcome]) -> dict[str, int]:
    found = dict(measures)
    for decided in (each.decided for each in outcomes if each.decided is not None):
        for outcome, count in decided.measures.items():
            found[outcome] = found.get(outcome, 0) + count
    return found


def _ready(outcomes: Sequence[Outcome]) -> Verdict:
    told = summed([each.ready for each in outcomes if each.ready is not None])
    if told is not None:
        return told
    names = ", ".join(each.what for each in outcomes)
    return Verdict.not_ready(Reason.PROGRESSING, f"{names}: on the way out, since the spec names it no more.")


def _bound(binding: Binding | None, outcomes: Iterable[Outcome]) -> Binding | None:
    """With the first replica, by name, that serves."""
    serving = next((each.binding for each in outcomes if each.binding is not None), None)
    if not isinstance(binding, DatabaseBinding) or serving is None:
        return binding
    return replace(binding, replica_host=serving.host, replica_port=serving.port)


def _joined(*tokens: str) -> str:
    return ",".join(filter(None, tokens))

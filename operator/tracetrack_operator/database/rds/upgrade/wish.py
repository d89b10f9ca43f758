"""How an upgrade is asked for, and how what comes of it joins what else is told of the instance. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ....api.conditions import Reason
from ....api.constants import AGREED
from ....api.rds import MajorUpgradeStrategy, RDSDatabase
from ....dependencies.cloud.actions import Modify
from ....dependencies.cloud.durations import last_change
from ....dependencies.cloud.fields import Comparison, Difference
from ....dependencies.cloud.sync import Rules
from ....dependencies.protocol import Dependency, Scope, Verdict
from ....engine.objects import Object, annotations_of
from ....engine.plan import Action, Disruption
from ..facts import RDSFacts
from .act import UpgradeCall
from .case import Case, Upgrade
from .decide import decide
from .steps import Steps

_WITH_THE_VERSION = "parameterGroupName"
"""Belongs to one major version: it changes with that."""


def _asks(difference: Difference) -> bool:
    return difference.field.name == "engineVersion" and difference.disruption is Disruption.SWITCHOVER


def of(comparison: Comparison, section: RDSDatabase) -> Difference | None:
    """The later major version that the spec asks for, if it may be had."""
    if section.major_upgrade.strategy is MajorUpgradeStrategy.REFUSE:
        return None
    return next((each for each in comparison.differences if _asks(each)), None)


def apart(comparison: Comparison, section: RDSDatabase) -> Comparison:
    """The differences that are no matter of an upgrade; with strategy Refuse, it is one that is refused."""
    if of(comparison, section) is not None:
        rest = (each for each in comparison.differences if not _asks(each) and each.field.name != _WITH_THE_VERSION)
        return replace(comparison, differences=tuple(rest))
    refused = (replace(each, disruption=Disruption.REPLACE) if _asks(each) else each for each in comparison.differences)
    return replace(comparison, differences=tuple(refused))


def decided(
    scope: Scope,
    facts: RDSFacts,
    found: Dependency,
    wanted: Difference | None,
    rules: Rules,
    steps: Steps,
    changeable: bool,
) -> Upgrade:
    section = scope.spec.database.rds or RDSDatabase()
    access = facts.access
    at_rest = access.told is None and access.step is None and not access.kept.rotating
    now = found.measures.get("now", 0)
    return decide(
        Case(
            steps.what,
            steps.name,
            facts.item or {},
            facts.upgrade,
            wanted,
            section.parameter_group_name,
            section.major_upgrade,
            scope.spec.deletion_policy,
            rules,
            steps,
            quiet=changeable and at_rest and not now,
            serving=found.verdict.status == "True",
            asked=facts.asked,
        )
    )


def agreed_of(found: Dependency) -> Mapping[str, Any]:
    """The values that the credentials Secret is to keep."""
    (secret,) = found.manifests
    agreed: Mapping[str, Any] = json.loads(annotations_of(secret)[AGREED])
    return agreed


def merged(found: Dependency, upgrade: Upgrade, facts: RDSFacts, secret: Object, soon: float) -> Dependency:
    """`found` without the upgrade, and the upgrade; `soon` in seconds, until another look while something is done."""
    steps: tuple[Action, ...] = found.steps
    later: tuple[Action, ...] = found.later
    events = () if upgrade.alone else found.events
    if upgrade.alone:
        later = (*(each for each in steps if isinstance(each, Modify)), *later)
        steps = tuple(each for each in steps if not isinstance(each, Modify))
    if upgrade.step is not None and not any(isinstance(each, Modify) for each in steps):
        steps = (*steps, upgrade.step)
        events = (*events, *upgrade.news)
    sync = found.sync
    if sync is not None and (upgrade.told is not None or upgrade.note):
        sync = _both(sync, upgrade)
    measures = dict(found.measures)
    if upgrade.outcome:
        measures[upgrade.outcome] = measures.get(upgrade.outcome, 0) + 1
    item = {**(found.item or {}), "Beside": list(upgrade.beside)} if upgrade.beside else found.item
    doing = upgrade.outcome == "now" or upgrade.step is not None
    return replace(
        found,
        manifests=(secret,),
        steps=steps,
        later=(*later, *upgrade.later),
        held=(*found.held, *upgrade.held),
        sync=sync,
        events=events,
        measures=measures,
        details=_details(found, upgrade, facts),
        item=item,
        look_again=soon if doing else found.look_again,
    )


def _both(sync: Verdict, upgrade: Upgrade) -> Verdict:
    told = upgrade.told
    if told is None:
        return replace(sync, message=f"{sync.message} {upgrade.note}")
    if sync.status == "True":
        return replace(told, message=f"{told.message} {upgrade.note}".strip())
    first = told if sync.reason == Reason.MODIFYING else sync
    other = sync if first is told else told
    return replace(first, message=f"{first.message} {other.message} {upgrade.note}".strip())


def _details(found: Dependency, upgrade: Upgrade, facts: RDSFacts) -> dict[str, Any]:
    details = dict(found.details)
    if upgrade.state:
        details["upgrade"] = dict(upgrade.state)
        if upgrade.outcome:
            state = upgrade.state
            pending = f"engineVersion {state.get('fromVersion')} → {state.get('toVersion')} ({Disruption.SWITCHOVER})"
            details["pendingChanges"] = [*details.get("pendingChanges", []), pending]
    if upgrade.token:
        details["approval"] = ",".join(filter(None, (details.get("approval", ""), upgrade.token)))
    if upgrade.alone:
        last = last_change(facts.told, facts.begun, False, facts.now)
        details |= {"lastChange": last} if last else {}
    return details


__all__ = ["UpgradeCall", "agreed_of", "apart", "decided", "merged", "of"]

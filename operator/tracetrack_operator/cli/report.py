"""A plan as data: what `-o json` gives, and what the text is written from. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC
from decimal import Decimal
from typing import Any

from ..dependencies.cloud.actions import CloudCall, Modify, OfReplica
from ..dependencies.protocol import Dependency, Held
from ..dependencies.rotation import ChangeCredentials
from ..deployment.planner import Planned
from ..drills.actions import RestoreScratch
from ..engine.plan import Action, Apply, Delete
from ..kube.compare import MISSING
from . import bill
from .bill import Cache, Database, Line
from .durations import Duration
from .prices import Prices
from .redact import parameters

LATER = "later"
NOW = "now"
HOURS_A_MONTH = 730
UNKNOWN_UID = "(known after apply)"


@dataclass(frozen=True)
class Context:
    """`stored` False: the deployment is not in the cluster yet."""

    prices: Prices
    durations: Mapping[tuple[str, str], Duration]
    region: str
    stored: bool = True


def report(planned: Planned, context: Context) -> dict[str, Any]:
    observed, plan = planned.observed, planned.plan
    metadata = observed.owner["metadata"]
    costs = priced(planned, context)
    return {
        "deployment": {
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "generation": metadata.get("generation", 0),
            "stored": context.stored,
        },
        "suspended": observed.resource.spec.suspend,
        "kubernetes": [_kubernetes(action) for action in plan if not isinstance(action, CloudCall | ChangeCredentials)],
        "logins": [action.describe() for action in plan if isinstance(action, ChangeCredentials)],
        "aws": [
            _call(action, when, planned, context)
            for actions, when in ((costs.now, NOW), (costs.later, LATER))
            for action in actions
        ],
        "held": [_held(held, context) for part in (observed.database, observed.cache) for held in part.held],
        "states": [_state(name, part) for name, part in _parts(planned)],
        "awaited": _awaited(planned),
        "cost": {
            "currency": "USD",
            "before": bill_of(costs.before),
            "after": bill_of(costs.after),
            "withHeld": bill_of(costs.declared),
            "prices": {"dated": context.prices.dated, "terms": context.prices.terms, "region": context.region},
        },
    }


def _parts(planned: Planned) -> list[tuple[str, Dependency]]:
    return [("database", planned.observed.database), ("cache", planned.observed.cache)]


def _kubernetes(action: Action) -> dict[str, Any]:
    found: dict[str, Any] = {"action": action.describe(), "disruption": str(action.disruption)}
    if isinstance(action, Apply):
        verb = "create" if action.why == MISSING else "apply"
        found |= {"verb": verb, "kind": action.manifest["kind"], "name": action.manifest["metadata"]["name"]}
        found["why"] = "it is missing" if action.why == MISSING else f"it is {action.why}"
    elif isinstance(action, Delete):
        found |= {"verb": "delete", "kind": action.kind, "name": action.name, "why": "it is no longer wanted"}
    return found


def _call(action: CloudCall, when: str, planned: Planned, context: Context) -> dict[str, Any]:
    cost = action.monthly_cost_change
    given = parameters(action.parameters)
    if not context.stored:
        given = _without_uid(given, planned.observed.parent.uid)
    return {
        "when": when,
        "service": action.service,
        "operation": action.operation,
        "region": action.region or context.region,
        "object": action.what,
        "changes": _changes(action, planned, context),
        "disruption": str(action.disruption),
        "duration": _duration(action.operation, str(action.disruption), context),
        "monthlyCostChange": dollars(cost),
        "parameters": given,
    }


def _changes(action: CloudCall, planned: Planned, context: Context) -> list[str]:
    if isinstance(action, RestoreScratch):
        price = hourly(planned, context)
        known = f"${price:.2f} an hour" if price is not None else "price unknown"
        return [f"for a restore drill, until it is over: {known}"]
    return list(action.changes) if isinstance(action, Modify) else []


def _duration(operation: str, disruption: str, context: Context) -> dict[str, Any] | None:
    found = context.durations.get((operation, disruption))
    return {"medianSeconds": found.median, "seen": found.count} if found else None


def _without_uid(value: Any, uid: str) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_uid(each, uid) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_uid(each, uid) for each in value]
    return UNKNOWN_UID if value == uid else value


def _held(held: Held, context: Context) -> dict[str, Any]:
    return {
        "object": held.what,
        "change": held.change,
        "disruption": str(held.disruption),
        "reason": str(held.reason),
        "waitsFor": held.why,
        "until": f"{held.until.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if held.until is not None else None,
        "token": held.token or None,
        "duration": _duration(held.operation, str(held.disruption), context),
    }


def _state(name: str, part: Dependency) -> dict[str, Any]:
    verdict = part.verdict
    return {
        "part": name,
        "provider": part.provider,
        "state": part.state,
        "ready": verdict.status == "True",
        "reason": verdict.reason,
        "message": verdict.message,
    }


def _awaited(planned: Planned) -> list[dict[str, str]]:
    """Children that are made once the database and the cache are reachable."""
    return [
        {"kind": kind, "name": name}
        for kind, name in sorted(planned.wanted.kept)
        if (kind, name) not in planned.observed.children
    ]


@dataclass(frozen=True)
class Priced:
    """Lines before, after the calls, and with what is held; the calls with what each changes of it."""

    before: list[Line]
    after: list[Line]
    declared: list[Line]
    now: list[CloudCall]
    later: list[CloudCall]


def priced(planned: Planned, context: Context) -> Priced:
    found = Priced([], [], [], [], [])
    for part, shapes in (
        (planned.observed.database, _databases(planned.observed.database)),
        (planned.observed.cache, _caches(planned.observed.cache)),
    ):
        last = _lines(shapes, context)
        found.before.extend(last)
        for calls, actions in ((found.now, part.steps), (found.later, part.later)):
            for action in actions:
                if not isinstance(action, CloudCall):
                    continue
                _change(shapes, part, action)
                following = _lines(shapes, context)
                calls.append(replace(action, monthly_cost_change=bill.difference(last, following)))
                last = following
        found.after.extend(last)
        for held in part.held:
            key = next((name for name in part.replica_items if held.what.endswith(f" {name}")), "")
            if key in shapes and held.token:
                shapes[key] = shapes[key].changed(held.parameters)
        found.declared.extend(_lines(shapes, context))
    # The instance of a drill is there for an hour or so: it changes nothing of a month.
    found.now.extend(
        replace(step, monthly_cost_change=Decimal(0))
        for step in planned.observed.drill.steps
        if isinstance(step, CloudCall)
    )
    return found


def hourly(planned: Planned, context: Context) -> Decimal | None:
    """What a drill costs while its instance is there; None where a price is unknown, or the database isn't."""
    item, spec = planned.observed.database.item, planned.observed.resource.spec.database.drill
    if item is None or spec is None:
        return None
    scratch = Database.of(
        {**item, "MultiAZ": False, "ReadReplicaDBInstanceIdentifiers": [], "MasterUserSecret": None, "Beside": []}
    )
    if spec.instance_class is not None:
        scratch = replace(scratch, instance_class=spec.instance_class)
    monthly = bill.total(scratch.lines(context.prices, context.region))
    return monthly / HOURS_A_MONTH if monthly is not None else None


Shapes = dict[str, Any]
"""A Database or Cache by what it is of: "" for the object itself, else the identifier of a read replica."""


def _databases(part: Dependency) -> Shapes:
    if part.item is None:
        return {}
    primary = Database.of(part.item, part.replica_items)
    return {"": primary, **{name: primary.reader(name, item) for name, item in sorted(part.replica_items.items())}}


def _caches(part: Dependency) -> Shapes:
    return {"": Cache.of(part.item)} if part.item is not None else {}


def _change(shapes: Shapes, part: Dependency, action: CloudCall) -> None:
    """What a call makes of what is paid for."""
    of_replica = isinstance(action, OfReplica) or action.name in part.replica_items
    key = action.name if of_replica else ""
    if of_replica and action.operation.startswith("delete_"):
        shapes.pop(key, None)
    elif key in shapes:
        shapes[key] = shapes[key].changed(action.parameters)
    elif of_replica:
        shapes[key] = shapes[""].reader(key, action.parameters)
    else:
        shapes[key] = (Database if action.service == "rds" else Cache).of(action.parameters)


def _lines(shapes: Shapes, context: Context) -> list[Line]:
    return [line for shape in shapes.values() for line in shape.lines(context.prices, context.region)]


def dollars(value: Decimal | None) -> str | None:
    """To the cent; None for an unknown price."""
    return f"{value:.2f}" if value is not None else None


def bill_of(lines: Iterable[Line]) -> dict[str, Any]:
    given = list(lines)
    total = bill.total(given)
    return {
        "monthly": dollars(total),
        "known": dollars(bill.known(given)),
        "unknown": [line.what for line in given if line.monthly is None],
        "lines": [
            {"what": line.what, "monthly": dollars(line.monthly)} | ({"note": line.note} if line.note else {})
            for line in given
        ],
    }

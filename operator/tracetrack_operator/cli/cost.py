"""`cost`: what a deployment costs a month in AWS, now and as declared."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from ..api.fleet import ScannerFleet
from ..api.model import InvalidResourceError
from ..deployment.planner import Planned
from ..engine.objects import Object
from . import installation, look
from .bill import Line
from .cluster import Cluster
from .plan import amount
from .prices import Prices
from .report import Context, bill_of, dollars, hourly, priced
from .text import money, paragraph, span, table

NOT_COUNTED = "Not counted: traffic, backups beyond the size of the storage, logs, scanners' messages, and nodes."

_GOING = (
    "It is being deleted since {deleting}: kubectl tracetrack plan {name} -n {namespace} shows what goes and what "
    "stays. What stays, and snapshots, are to be paid for on."
)


async def run(cluster: Cluster, options: Namespace) -> dict[str, Any]:
    owner = await cluster.deployment(options.name)
    found = await installation.find(cluster, options.operator_namespace)
    region = look.region_of(owner, found, options.region)
    planned = await look.plan(cluster, found, owner, region)
    fleets = await cluster.list_or_none("ScannerFleet") or []
    return of(planned, fleets, Context(Prices.load(), {}, look.region_name(region)))


def of(planned: Planned, fleets: Iterable[Object], context: Context) -> dict[str, Any]:
    """Pure."""
    costs = priced(planned, context)
    parent = planned.observed.parent
    shared = [
        *_keys(planned, context),
        *(
            Line(f"signing secret of fleet {name}", context.prices.of_one("secretsmanager", "secret", context.region))
            for name in _names(fleets, parent.name)
        ),
    ]
    return {
        "namespace": parent.namespace,
        "name": parent.name,
        "deleting": planned.observed.owner["metadata"].get("deletionTimestamp"),
        "currency": "USD",
        "now": bill_of([*costs.before, *shared]),
        "declared": bill_of([*costs.declared, *shared]),
        "drill": _drill(planned, context),
        "cluster": dollars(context.prices.of_one("eks", "control plane", context.region)),
        "prices": {"dated": context.prices.dated, "terms": context.prices.terms, "region": context.region},
    }


def _drill(planned: Planned, context: Context) -> dict[str, Any] | None:
    """What one restore drill costs; the last one tells how long it takes."""
    if planned.observed.resource.spec.database.drill is None:
        return None
    record, price = planned.observed.drill.record, hourly(planned, context)
    last = record.last if record is not None else None
    seconds = None
    if last is not None and last.finished is not None:
        seconds = round((last.finished - last.started).total_seconds())
    run = price * seconds / 3600 if price is not None and seconds is not None else None
    return {"hourly": dollars(price), "lastSeconds": seconds, "lastRun": dollars(run)}


def _keys(planned: Planned, context: Context) -> list[Line]:
    rds = planned.observed.resource.spec.database.rds
    if rds is None or rds.kms_key_id is None:
        return []
    price = context.prices.of_one("kms", "key", context.region)
    return [Line(f"KMS key {rds.kms_key_id}", price, "once, however many objects use it")]


def _names(fleets: Iterable[Object], deployment: str) -> list[str]:
    found = []
    for obj in fleets:
        try:
            fleet = ScannerFleet.parse(obj)
        except InvalidResourceError:
            continue
        if fleet.spec.deployment_ref.name == deployment:
            found.append(fleet.metadata.name)
    return sorted(found)


def text(found: Mapping[str, Any]) -> list[str]:
    prices = found["prices"]
    lines = [f"{found['namespace']}/{found['name']}, a month in AWS"]
    lines += _lines(found["now"]) or ["  nothing of it is in AWS"]
    if found["deleting"]:
        lines += ["", *paragraph(_GOING.format(**found))]
    elif found["declared"]["lines"] != found["now"]["lines"]:
        lines += ["", "As declared", *_lines(found["declared"])]
    lines += _told(found["drill"])
    cluster = found["cluster"]
    if cluster is not None:
        lines += ["", f"The cluster's control plane, {money(Decimal(cluster))}, is shared by all that runs in it."]
    lines += ["", *paragraph(NOT_COUNTED)]
    return [*lines, f"Prices of {prices['dated']}, {prices['region']}, {prices['terms']}."]


def _told(drill: Mapping[str, Any] | None) -> list[str]:
    if drill is None:
        return []
    if drill["hourly"] is None:
        return ["", "A restore drill: price unknown."]
    line = f"A restore drill costs {money(Decimal(drill['hourly']))} an hour while it runs"
    if drill["lastRun"] is not None:
        line += f"; the last took {span(drill['lastSeconds'])}, {money(Decimal(drill['lastRun']))}"
    return ["", f"{line}."]


def _lines(bill: Mapping[str, Any]) -> list[str]:
    if not bill["lines"]:
        return []
    given = [
        *((each["what"], _price(each["monthly"]), each.get("note", "")) for each in bill["lines"]),
        ("all of it", amount(bill), ""),
    ]
    width = max(len(price) for _, price, _ in given)
    return table([(what, price.rjust(width), note) for what, price, note in given], "  ")


def _price(monthly: str | None) -> str:
    return money(Decimal(monthly)) if monthly is not None else "price unknown"

"""Looks at the read replicas of a DB instance: in the listing that was read anyway, and over a connection each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from ....api.replicas import ReadReplica
from ....dependencies.binding import Binding, DatabaseBinding
from ....dependencies.checks import CheckResult, Checks
from ....dependencies.cloud.asked import Asked
from ....dependencies.cloud.fields import Item
from ....dependencies.cloud.metrics import REPLICA_LAG
from ....dependencies.cloud.refusals import Refused
from ....manifests.parent import Parent
from .found import Replica, all_of, identifier

REMEMBERED = "replicas"

Listing = Callable[[str], Awaitable[Mapping[str, Item]]]
"""All DB instances by identifier, as of the last change of the one that is asked about."""


async def look(
    parent: Parent,
    wanted: list[ReadReplica],
    primary: Item,
    login: Binding | None,
    agreed: Mapping[str, Any],
    listing: Listing,
    asked: Asked,
    refused: Callable[[str], Refused],
    checks: Checks,
) -> tuple[Replica, ...]:
    """`login` is what the application has at the primary; `agreed` what was remembered of each by name.

    `refused` gives what AWS didn't take, by the UID that calls carry.
    """
    name = str(primary["DBInstanceIdentifier"])
    found = []
    for each, spec in all_of(wanted, primary, parent.uid, await listing(name)):
        own, uid = identifier(name, each), f"{parent.uid}/{each}"
        item = (await listing(own)).get(own)
        replica = Replica(
            each,
            own,
            spec,
            item,
            _reached(item, login),
            asked=asked.of(uid),
            refused=refused(uid),
            agreed=agreed.get(each) or {},
        )
        found.append(replica)
    results = await asyncio.gather(*(_checked(parent, each, checks) for each in found))
    return tuple(replace(each, check=check) for each, check in zip(found, results, strict=True))


def _reached(item: Item | None, login: Binding | None) -> DatabaseBinding | None:
    at = (item or {}).get("Endpoint") or {}
    if not isinstance(login, DatabaseBinding) or not at.get("Address") or not at.get("Port"):
        return None
    return replace(login, host=at["Address"], port=int(at["Port"]))


async def _checked(parent: Parent, replica: Replica, checks: Checks) -> CheckResult | None:
    labels = (parent.namespace, parent.name, replica.name)
    going = replica.wanted is None or replica.state == "deleting"
    check = None
    if replica.binding is not None and not going:
        check = await checks.result(f"{parent.uid}/{replica.name}", replica.binding)
    if check is not None and check.lag is not None:
        REPLICA_LAG.set(check.lag, *labels)
    else:
        REPLICA_LAG.forget(*labels)
    return check

"""Looks for an upgrade: in AWS only while one is wanted or shows that it was begun."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ....aws.client import AwsPort
from ....aws.inventory import Inventory
from ....aws.listing import Listing
from ....dependencies.binding import DatabaseBinding
from ....dependencies.cloud.fields import Difference, Item
from ...inspection import Inspect, Inspection
from .facts import KEPT, UpgradeFacts, deployment_name, is_former, is_green, is_of, superseded_at

INSPECTED_SECONDS = 9.0
TARGETS_SECONDS = 3600.0


@dataclass(frozen=True)
class Concern:
    """Of which instance an upgrade is looked for. `max_age` in seconds is how old a description may be; `master` is the
    operator's login, None while there is none; `attempts` are those that the Secret keeps."""

    uid: str
    region: str | None
    name: str
    item: Item
    wanted: Difference | None
    attempts: int | None
    master: DatabaseBinding | None = field(repr=False)
    max_age: float


class Lookout:
    """Changes nothing. `inspect` looks into a database."""

    def __init__(
        self, aws: AwsPort, inventory: Inventory, inspect: Inspect, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._aws = aws
        self._inventory = inventory
        self._inspect = inspect
        self._clock = clock
        self._targets: dict[tuple[str | None, str], tuple[float, tuple[str, ...]]] = {}
        self._inspected: dict[str, tuple[float, Inspection | None]] = {}

    async def look(self, of: Concern, listing: Listing) -> UpgradeFacts:
        """`listing` has the region's instances. Raises ReconcileError."""
        beside = instances_beside(listing, of.name, of.uid)
        begun = of.attempts is not None or any(superseded_at(each) is None for each in beside.values())
        if of.wanted is None and not begun:
            self._inspected.pop(of.uid, None)
            return UpgradeFacts(beside=beside)
        found = await self._inventory.blue_green_deployments(of.region, of.max_age, of.name)
        ours = tuple(each for each in found.values() if is_of(each, of.uid))
        if of.wanted is None:
            return UpgradeFacts(ours, beside, of.attempts)
        name = deployment_name(of.name, str(of.wanted.wanted))
        others = [each for each in found.values() if each not in ours]
        foreign = [
            str(each.get("BlueGreenDeploymentName"))
            for each in others
            if each.get("BlueGreenDeploymentName") == name or each.get("Source") == of.item.get("DBInstanceArn")
        ]
        targets = await self._upgrades_of(of.region, str(of.item.get("EngineVersion", "")))
        waiting = not ours or any(each.get("Status") == "AVAILABLE" for each in ours)
        inspection = await self._inspection(of) if waiting else None
        return UpgradeFacts(ours, beside, of.attempts, targets, next(iter(foreign), ""), inspection)

    async def _upgrades_of(self, region: str | None, version: str) -> tuple[str, ...]:
        known = self._targets.get((region, version))
        if known is not None and self._clock() - known[0] < TARGETS_SECONDS:
            return known[1]
        answer = await self._aws.call(
            "rds", "describe_db_engine_versions", region=region, Engine="postgres", EngineVersion=version
        )
        described = answer.get("DBEngineVersions") or [{}]
        targets = tuple(str(each["EngineVersion"]) for each in described[0].get("ValidUpgradeTarget") or [])
        self._targets[region, version] = (self._clock(), targets)
        return targets

    async def _inspection(self, of: Concern) -> Inspection | None:
        known = self._inspected.get(of.uid)
        if known is not None and self._clock() - known[0] < INSPECTED_SECONDS:
            return known[1]
        found: Inspection | None = Inspection(problem="it can't be reached yet.")
        if of.master is not None:
            found = await self._inspect(of.master)
        self._inspected[of.uid] = (self._clock(), found)
        return found


def instances_beside(listing: Listing, name: str, uid: str) -> dict[str, Item]:
    """Instances with the owner's tags that an upgrade of `name` has made or put aside."""
    found = {
        each: listing[each] for each in listing.beginning(name[:KEPT]) if is_green(name, each) or is_former(name, each)
    }
    return {each: item for each, item in found.items() if is_of(item, uid)}

"""What an upgrade has left when its owner is deleted: at any step, all of it goes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from ....api.deployment import DeletionPolicy
from ....aws.client import AwsPort
from ....aws.listing import Listing
from ....dependencies.cloud.fields import Item
from ....engine.errors import WaitingError
from .act import UpgradeCall, UpgradeCalls
from .facts import is_green, is_of, named_by, superseded_at
from .look import instances_beside
from .steps import Steps

_IN_THE_MAKING = ("PROVISIONING", "SWITCHOVER_IN_PROGRESS", "DELETING")


async def clear(
    aws: AwsPort,
    calls: UpgradeCalls,
    steps: Steps,
    uid: str,
    listing: Listing,
    begun: bool,
    policy: DeletionPolicy,
    now: datetime,
) -> None:
    """One step at a time; returns when nothing is left. Raises WaitingError until then.

    `listing` has the region's instances; `begun`: there may be more of an upgrade than they show.
    """
    beside = instances_beside(listing, steps.name, uid)
    if begun or any(superseded_at(each) is None for each in beside.values()):
        found = [
            each
            async for each in aws.pages(
                "rds", "describe_blue_green_deployments", "BlueGreenDeployments", region=steps.region
            )
            if is_of(each, uid)
        ]
        for deployment in found:
            status = str(deployment.get("Status", ""))
            renamed = status != "SWITCHOVER_COMPLETED" or not any(is_green(steps.name, each) for each in beside)
            ready = status not in _IN_THE_MAKING and renamed
            step = _step(steps, deployment, beside, now) if ready else None
            await _do(calls, step, f"The blue/green deployment of {steps.what} is {status}; it goes first.")
    for identifier, item in sorted(beside.items()):
        status = str(item.get("DBInstanceStatus", ""))
        if superseded_at(item) is None and status != "deleting":
            # Not of an upgrade of ours, or not any more.
            continue
        step = None
        if status != "deleting":
            step = steps.end(identifier, str(item.get("EngineVersion", "")), policy)
        copy = "without a copy" if policy is DeletionPolicy.DELETE else "after its last snapshot"
        await _do(calls, step, f"DB instance {identifier} is {status}; it goes {copy}.")


def _step(steps: Steps, deployment: Item, beside: Mapping[str, Item], now: datetime) -> UpgradeCall:
    if deployment.get("Status") != "SWITCHOVER_COMPLETED":
        return steps.give_up(deployment)
    old = named_by(str(deployment.get("Source") or ""))
    former = beside.get(old)
    if former is not None and superseded_at(former) is None:
        return steps.mark(old, str(former["DBInstanceArn"]), now)
    return steps.forget(str(deployment["BlueGreenDeploymentIdentifier"]))


async def _do(calls: UpgradeCalls, step: UpgradeCall | None, told: str) -> None:
    if step is not None:
        await calls.run(step)
    raise WaitingError("Deleting", told, retry_after=calls.pause)

"""What is seen of an upgrade: deployments and instances in AWS, and what the database itself tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ....aws.ownership import UID, bounded_name, tag_map
from ....dependencies.cloud.durations import FORMAT
from ....dependencies.cloud.fields import Item
from ...inspection import Inspection

SUPERSEDED = "tracetrack.io/superseded-at"
"""Tag of an instance whose place another one has taken: when that was seen, in UTC."""
_LONGEST = 60
KEPT = 40


def tags_of(item: Item) -> dict[str, str]:
    """Of an instance or a blue/green deployment."""
    return tag_map(item.get("TagList") or [])


def is_of(item: Item, uid: str) -> bool:
    return tags_of(item).get(UID) == uid


def deployment_name(instance: str, version: str) -> str:
    """What a blue/green deployment of `instance` to the major version of `version` is called."""
    return bounded_name((instance, "to", version.partition(".")[0]), "-", _LONGEST)


def named_by(arn: str) -> str:
    """The identifier of the instance that an ARN stands for."""
    return arn.rpartition(":")[2]


def is_green(instance: str, identifier: str) -> bool:
    head, infix, _ = identifier.rpartition("-green-")
    return bool(infix) and _begins(instance, head)


def is_former(instance: str, identifier: str) -> bool:
    head, _, number = identifier.rpartition("-old")
    return number.isdigit() and _begins(instance, head)


def _begins(instance: str, head: str) -> bool:
    """Of a long name, RDS may have cut something off to make room for what it adds."""
    return instance.startswith(head) and len(head) >= min(len(instance), KEPT)


def superseded_at(item: Item) -> datetime | None:
    """When another took the place of an instance; None when none of our upgrades did that."""
    try:
        return datetime.strptime(tags_of(item).get(SUPERSEDED, ""), FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return None


@dataclass(frozen=True)
class UpgradeFacts:
    """`deployments` are our blue/green deployments; `beside` the instances with our tags beside the one in service.

    `attempts` counts the switchovers tried, None when no upgrade was begun. `targets` are the versions that AWS
    upgrades the present one to, None when that wasn't asked; `foreign` is a blue/green deployment of somebody else's
    that is in the way; `inspection` is None where the database wasn't looked into.
    """

    deployments: tuple[Item, ...] = ()
    beside: Mapping[str, Item] = field(default_factory=dict)
    attempts: int | None = None
    targets: tuple[str, ...] | None = None
    foreign: str = ""
    inspection: Inspection | None = None

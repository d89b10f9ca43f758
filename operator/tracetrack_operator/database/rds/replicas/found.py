"""Which DB instances are the read replicas of a deployment, and what was found out about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ....api.replicas import ReadReplica
from ....aws.ownership import REPLICA, UID, bounded_name, tag_map
from ....dependencies.binding import DatabaseBinding
from ....dependencies.checks import CheckResult
from ....dependencies.cloud.fields import Item
from ....dependencies.cloud.refusals import Refused

LONGEST = 63
PRIMARY = "ReadReplicaSourceDBInstanceIdentifier"
REPLICAS = "ReadReplicaDBInstanceIdentifiers"


@dataclass(frozen=True)
class Replica:
    """`wanted` is None for one that the spec names no more; `item` None for one that isn't there.

    `binding` is how the application would reach it, `check` whether that works. `asked`, `refused` and `agreed` are
    as of `Facts`.
    """

    name: str
    identifier: str
    wanted: ReadReplica | None
    item: Item | None = None
    binding: DatabaseBinding | None = field(default=None, repr=False)
    check: CheckResult | None = None
    asked: frozenset[tuple[str, str]] = frozenset()
    refused: Refused = field(default_factory=dict)
    agreed: Mapping[str, Any] = field(default_factory=dict)

    @property
    def tags(self) -> dict[str, str]:
        return tags_of(self.item)

    @property
    def state(self) -> str:
        return str((self.item or {}).get("DBInstanceStatus", ""))


def identifier(primary: str, name: str) -> str:
    return bounded_name((primary, name), "-", LONGEST)


def tags_of(item: Item | None) -> dict[str, str]:
    return tag_map((item or {}).get("TagList") or [])


def own_name(item: Item, primary: str, uid: str) -> str:
    """The name of what was made as a replica of `primary` for the owner with `uid`; "" for anything else.

    By its identifier too: what AWS makes for a blue/green deployment carries the tags of what it copies.
    """
    tags = tags_of(item)
    name = tags.get(REPLICA, "")
    ours = name and tags.get(UID) == uid and item.get("DBInstanceIdentifier") == identifier(primary, name)
    return name if ours else ""


def follows(item: Item) -> bool:
    """False for what was promoted: a database of its own, which may hold what is nowhere else."""
    return bool(item.get(PRIMARY)) or item.get("DBInstanceStatus") == "creating"


def all_of(
    wanted: Iterable[ReadReplica], primary: Item, uid: str, listing: Mapping[str, Item]
) -> list[tuple[str, ReadReplica | None]]:
    """Names of those that shall be, and of those that are there still, in order."""
    found: dict[str, ReadReplica | None] = {each.name: each for each in wanted}
    for each in primary.get(REPLICAS) or []:
        item = listing.get(str(each))
        name = own_name(item, str(primary["DBInstanceIdentifier"]), uid) if item is not None else ""
        if name and item is not None and follows(item):
            found.setdefault(name, None)
    return sorted(found.items())

"""What exists in AWS, from one paged describe for all objects instead of one call for each."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .client import AwsPort
from .ownership import tag_map

IN_TRANSITION_SECONDS = 10.0
STEADY_SECONDS = 60.0
TAGS_SECONDS = 600.0

Item = Mapping[str, Any]


@dataclass
class _Listing:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    read_at: float = float("-inf")
    not_before: float = float("-inf")
    items: dict[str, Item] = field(default_factory=dict)


class Inventory:
    """DB instances and replication groups by identifier, shared by all reconciles; at most one read at a time."""

    def __init__(self, aws: AwsPort, clock: Callable[[], float] = time.monotonic) -> None:
        self._aws = aws
        self._clock = clock
        self._listings: dict[tuple[str, str | None], _Listing] = {}
        self._tags: dict[str, tuple[float, dict[str, str]]] = {}

    async def db_instances(self, region: str | None, max_age: float) -> Mapping[str, Item]:
        """All DB instances of the region as AWS describes them; at most `max_age` seconds old."""
        return await self._read("rds", "describe_db_instances", "DBInstances", "DBInstanceIdentifier", region, max_age)

    async def replication_groups(self, region: str | None, max_age: float) -> Mapping[str, Item]:
        """All replication groups of the region as AWS describes them; at most `max_age` seconds old."""
        return await self._read(
            "elasticache", "describe_replication_groups", "ReplicationGroups", "ReplicationGroupId", region, max_age
        )

    async def cache_tags(self, group: Item, region: str | None) -> dict[str, str]:
        """The tags of a replication group, which its description leaves out; remembered for `TAGS_SECONDS`."""
        # With the creation time, since a new group of the same name has the same ARN.
        key = f"{group['ARN']} {group.get('ReplicationGroupCreateTime', '')}"
        known = self._tags.get(key)
        if known is not None and self._clock() - known[0] < TAGS_SECONDS:
            return known[1]
        answer = await self._aws.call("elasticache", "list_tags_for_resource", region=region, ResourceName=group["ARN"])
        tags = tag_map(answer.get("TagList", []))
        self._tags[key] = (self._clock(), tags)
        return tags

    def expire(self, service: str, region: str | None) -> None:
        """Something was changed: whatever was read before now is not good enough any more."""
        self._listing(service, region).not_before = self._clock()
        if service == "elasticache":
            self._tags.clear()

    async def _read(
        self, service: str, operation: str, items: str, name: str, region: str | None, max_age: float
    ) -> Mapping[str, Item]:
        listing = self._listing(service, region)
        async with listing.lock:
            now = self._clock()
            if now - listing.read_at >= max_age or listing.read_at <= listing.not_before:
                listing.items = {
                    item[name]: item async for item in self._aws.pages(service, operation, items, region=region)
                }
                listing.read_at = now
            return listing.items

    def _listing(self, service: str, region: str | None) -> _Listing:
        return self._listings.setdefault((service, region), _Listing())

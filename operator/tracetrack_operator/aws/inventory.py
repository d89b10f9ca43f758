"""What exists in AWS, from one paged describe for all objects instead of one call for each."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ..engine.errors import ReconcileError
from .calls import CALLS, pace
from .client import AwsPort
from .listing import Item, Listing
from .ownership import NAME, NAMESPACE, tag_map
from .tags import CacheTags, Tags

logger = logging.getLogger(__name__)
READING_SHARE = 0.2
"""Of the time, and of the calls that the quota allows: many objects take many pages, which take the turns of the calls
that change something."""
PAGE = 100
"""The most that AWS describes in one answer."""
ROUNDS = 4
"""What nobody has asked for in the time of so many readings needs none; everything at rest is looked at more often."""
PARTS = 6
UPGRADES = "rds upgrades"


@dataclass(frozen=True)
class _Source:
    """A paged describe: the name of its listing, the call, and where the items and their identifiers are."""

    listed_as: str
    service: str
    operation: str
    items: str
    identifier: str


_DB_INSTANCES = _Source("rds", "rds", "describe_db_instances", "DBInstances", "DBInstanceIdentifier")
_GROUPS = _Source(
    "elasticache", "elasticache", "describe_replication_groups", "ReplicationGroups", "ReplicationGroupId"
)
_MEMBERS = _Source("", "elasticache", "describe_cache_clusters", "CacheClusters", "CacheClusterId")
_USERS = _Source("elasticache users", "elasticache", "describe_users", "Users", "UserId")
_USER_GROUPS = _Source("elasticache user groups", "elasticache", "describe_user_groups", "UserGroups", "UserGroupId")
_UPGRADES = _Source(
    UPGRADES, "rds", "describe_blue_green_deployments", "BlueGreenDeployments", "BlueGreenDeploymentIdentifier"
)
_BY_NAME = {source.listed_as: source for source in (_DB_INSTANCES, _GROUPS, _USERS, _USER_GROUPS, _UPGRADES)}
_OF_ELASTICACHE = (_USERS.listed_as, _USER_GROUPS.listed_as)

Wake = Callable[[str, str], None]


class ReadLater(Exception):
    """What was changed a moment ago is read with what others have changed meanwhile, in so many `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"read again in {seconds:.1f} s")
        self.seconds = seconds


@dataclass
class _Known:
    """`took` is in seconds; `turns` is the time in which the quota allows as many calls as its further pages took."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    read_at: float = float("-inf")
    asked_at: float = float("-inf")
    took: float = 0.0
    turns: float = 0.0
    not_before: float = float("-inf")
    changed: dict[str, float] = field(default_factory=dict)
    items: Listing = field(default_factory=Listing)
    told: dict[str, tuple[float, Item]] = field(default_factory=dict)

    def serves(self, asked_at: float, now: float, max_age: float, name: str | None) -> bool:
        """Whether it is new enough. Whoever waited for a reading that began after they had asked takes that one."""
        changes = self.changed.values() if name is None else [self.changed.get(name, float("-inf"))]
        if self.read_at <= max(self.not_before, *changes, float("-inf")):
            return False
        often = max(self.took, self.turns) / READING_SHARE
        return self.read_at >= asked_at or now - self.read_at < max(max_age, often)

    def rests(self, now: float) -> float:
        """For how many seconds it is not to be read again, whatever was changed."""
        return self.read_at + self.turns / READING_SHARE - now


class Inventory:
    """DB instances, replication groups and their users by identifier, shared by all reconciles; one read at a time.

    `wake` is called with namespace and name of the owner, by the tags, of what a read shows otherwise than the one
    before: whoever asks first tells all.
    """

    def __init__(
        self, aws: AwsPort, clock: Callable[[], float] = time.monotonic, wake: Wake = lambda namespace, name: None
    ) -> None:
        self._aws = aws
        self._wake = wake
        self._clock = clock
        self._listings: dict[tuple[str, str | None], _Known] = {}
        self._tags = CacheTags(aws, clock)

    async def db_instances(self, region: str | None, max_age: float, name: str | None = None) -> Listing:
        """All DB instances of the region as AWS describes them; at most `max_age` seconds old, or as many as it takes
        for reading to take no more than `READING_SHARE` of the time.

        Read after the last change that `expire` was told of: of `name`, where one is asked about, else of any. Raises
        ReadLater where that would be sooner than many pages may be read again.
        """
        return await self._read(_DB_INSTANCES, region, max_age, name)

    async def replication_groups(self, region: str | None, max_age: float, name: str | None = None) -> Listing:
        """All replication groups of the region, as `db_instances`.

        Version, windows, parameters and security groups stand in the description of a member: that of the first is
        under `Member`.
        """
        return await self._read(_GROUPS, region, max_age, name)

    async def cache_users(self, region: str | None, max_age: float, name: str) -> Listing:
        """All users of ElastiCache in the region, read since the replication group `name` was last changed."""
        return await self._read(_USERS, region, max_age, name)

    async def cache_user_groups(self, region: str | None, max_age: float, name: str) -> Listing:
        """All user groups of ElastiCache, as `cache_users`."""
        return await self._read(_USER_GROUPS, region, max_age, name)

    async def blue_green_deployments(self, region: str | None, max_age: float, name: str) -> Listing:
        """All blue/green deployments of the region by identifier, as `db_instances`."""
        return await self._read(_UPGRADES, region, max_age, name)

    async def keep_fresh(self, seconds: float) -> None:
        """Never ends: whatever somebody looks at is read every so many seconds, though nobody asks just then.

        Who is at rest looks less often, and is woken by what a reading shows changed.
        """
        while True:
            await asyncio.sleep(seconds / PARTS)
            await self.refresh(seconds)

    async def refresh(self, seconds: float) -> None:
        """One round of `keep_fresh`."""
        for (name, region), listing in list(self._listings.items()):
            now = self._clock()
            if now - listing.asked_at < ROUNDS * seconds and now - listing.read_at >= seconds:
                try:
                    await self._fresh(_BY_NAME[name], region, seconds, None)
                except ReadLater:
                    continue
                except ReconcileError as error:
                    # Whoever looks next is told the same, and tells.
                    logger.info("could not read AWS", extra={"listing": name, "error": str(error)})

    def expire_upgrades(self, region: str | None, name: str) -> None:
        """As `expire`, of blue/green deployments of an instance."""
        self._listing(UPGRADES, region).changed[name] = self._clock()

    async def cache_tags(self, item: Item, region: str | None, *, live: bool = False) -> Tags:
        """The tags of a replication group, user or user group, which its description leaves out.

        Remembered for some minutes, but those asked for `live`.
        """
        return await (self._tags.live(item, region) if live else self._tags.of(item, region))

    def expire(self, service: str, region: str | None, name: str | None = None) -> None:
        """Something was changed: whatever was read before now is not good enough any more.

        With the identifier of what was changed, that is so for whoever asks about it, and the tags of all others stay.
        """
        now = self._clock()
        for listed in (service, *(_OF_ELASTICACHE if service == "elasticache" else ())):
            listing = self._listing(listed, region)
            if name is None:
                listing.not_before = now
            else:
                listing.changed[name] = now
        if service == "elasticache":
            self._tags.forget_group(name)

    def learn(self, service: str, region: str | None, name: str, item: Item, tags: Mapping[str, str]) -> None:
        """AWS answered a creation with this: as good as a reading of that one object."""
        listing, now = self._listing(service, region), self._clock()
        listing.told[name] = (now, item)
        listing.items.learn(name, item)
        if service == "elasticache":
            self._tags.learn(item, tags)

    def forget_tags(self, arn: str) -> None:
        """They were changed, or what had them has gone."""
        self._tags.forget(arn)

    async def _read(self, source: _Source, region: str | None, max_age: float, name: str | None) -> Listing:
        self._listing(source.listed_as, region).asked_at = self._clock()
        return await self._fresh(source, region, max_age, name)

    async def _fresh(self, source: _Source, region: str | None, max_age: float, name: str | None) -> Listing:
        listing, asked_at = self._listing(source.listed_as, region), self._clock()
        if listing.serves(asked_at, asked_at, max_age, name):
            return listing.items
        async with listing.lock:
            now = self._clock()
            if not listing.serves(asked_at, now, max_age, name):
                if (rest := listing.rests(now)) > 0:
                    raise ReadLater(rest)
                before = listing.items
                found = await self._listed(source, region)
                turns = _turns(source, len(found))
                if source is _GROUPS and found:
                    turns += _turns(_MEMBERS, await self._add_members(found, region))
                # What was made while it was read need not be in it.
                listing.told = {each: (at, item) for each, (at, item) in listing.told.items() if at >= now}
                for each, (_, item) in listing.told.items():
                    if each not in found:
                        found.learn(each, item)
                listing.items = found
                listing.read_at, listing.took, listing.turns = now, self._clock() - now, turns
                listing.changed = {changed: at for changed, at in listing.changed.items() if at >= now}
                self._wake_owners(before, listing.items)
            return listing.items

    async def _listed(self, source: _Source, region: str | None) -> Listing:
        found = Listing()
        async for item in self._aws.pages(source.service, source.operation, source.items, region=region):
            found.learn(item[source.identifier], item)
        return found

    async def _add_members(self, groups: Listing, region: str | None) -> int:
        """Gives how many there are."""
        members = await self._listed(_MEMBERS, region)
        for name, group in groups.items():
            first = next(iter(group.get("MemberClusters") or []), "")
            if first in members:
                groups.learn(name, {**group, "Member": members[first]})
        return len(members)

    def _wake_owners(self, before: Listing, now: Listing) -> None:
        """Of what has changed or gone; what is new was just made by somebody who looks again."""
        for name in before.changed_in(now):
            item = before[name]
            tags = tag_map(item.get("TagList", [])) or self._tags.known(item)
            if name not in now and "ARN" in item:
                self._tags.forget(item["ARN"])
            if NAMESPACE in tags and NAME in tags:
                self._wake(tags[NAMESPACE], tags[NAME])

    def _listing(self, service: str, region: str | None) -> _Known:
        return self._listings.setdefault((service, region), _Known())


def _turns(source: _Source, count: int) -> float:
    _, quota = pace(CALLS[source.service, source.operation])
    return (count - 1) // PAGE / quota.rate if count else 0.0

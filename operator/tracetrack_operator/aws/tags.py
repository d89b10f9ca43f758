"""The tags of ElastiCache's objects, which their descriptions leave out: from one paged list of all."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from .client import AwsPort
from .listing import Item
from .ownership import UID, tag_map

TAGS_SECONDS = 600.0
LAG_SECONDS = 60.0
"""For so long the list may show tags from before a change; of what has just changed, they are asked for one by one."""
_TYPES = ("elasticache:replicationgroup", "elasticache:user", "elasticache:usergroup")
_MOST = 100
_ALL = ""

Tags = Mapping[str, str]


@dataclass
class _List:
    """Of one region, by ARN: what carries a tag of ours."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    read_at: float = float("-inf")
    tags: dict[str, Tags] = field(default_factory=dict)


class CacheTags:
    """Remembered for `TAGS_SECONDS`. What the list doesn't show to be ours is asked about by itself."""

    def __init__(self, aws: AwsPort, clock: Callable[[], float]) -> None:
        self._aws = aws
        self._clock = clock
        self._told: dict[str, tuple[float, Tags]] = {}
        self._lists: dict[str | None, _List] = {}
        self._changed: dict[str, float] = {}

    async def of(self, item: Item, region: str | None) -> Tags:
        """Of a replication group, user or user group."""
        key = _key(item)
        told = self._told.get(key)
        if told is not None:
            if self._clock() - told[0] < TAGS_SECONDS:
                return told[1]
            del self._told[key]
        listed = await self._list(region)
        if self._changed_at(item) + LAG_SECONDS < listed.read_at and item["ARN"] in listed.tags:
            return listed.tags[item["ARN"]]
        return await self.live(item, region)

    async def live(self, item: Item, region: str | None) -> Tags:
        """As AWS has them now, for whoever is about to do what can't be undone."""
        answer = await self._aws.call("elasticache", "list_tags_for_resource", region=region, ResourceName=item["ARN"])
        tags = tag_map(answer.get("TagList", []))
        self._told[_key(item)] = (self._clock(), tags)
        return tags

    def known(self, item: Item) -> Tags:
        """What was last told of them, however long ago; empty for nothing."""
        told = self._told.get(_key(item))
        if told is not None:
            return told[1]
        return next((each.tags[arn] for each in self._lists.values() if (arn := item.get("ARN", "")) in each.tags), {})

    def learn(self, item: Item, tags: Tags) -> None:
        """It has just been made with them."""
        now = self._clock()
        self._told[_key(item)], self._changed[_tail(item["ARN"])] = (now, dict(tags)), now

    def forget(self, arn: str) -> None:
        """They were changed, or what had them has gone: what comes after it may have the same ARN."""
        self._changed[_tail(arn)] = self._clock()
        self._told = {key: told for key, told in self._told.items() if not key.startswith(f"{arn} ")}

    def forget_group(self, name: str | None) -> None:
        """As `forget`, of the replication group of that name in whichever region; of everything with None."""
        tail = _ALL if name is None else f"replicationgroup:{name}"
        self._changed[tail] = self._clock()
        self._told = {key: told for key, told in self._told.items() if name is not None and f":{tail} " not in key}

    def _changed_at(self, item: Item) -> float:
        never = float("-inf")
        return max(self._changed.get(_tail(item["ARN"]), never), self._changed.get(_ALL, never))

    async def _list(self, region: str | None) -> _List:
        found = self._lists.setdefault(region, _List())
        async with found.lock:
            now = self._clock()
            if now - found.read_at >= TAGS_SECONDS:
                pages = self._aws.pages(
                    "resourcegroupstaggingapi",
                    "get_resources",
                    "ResourceTagMappingList",
                    region=region,
                    ResourceTypeFilters=list(_TYPES),
                    TagFilters=[{"Key": UID}],
                    ResourcesPerPage=_MOST,
                )
                found.tags = {each["ResourceARN"]: tag_map(each["Tags"]) async for each in pages}
                found.read_at = now
                oldest = min(each.read_at for each in self._lists.values()) - LAG_SECONDS
                self._changed = {tail: at for tail, at in self._changed.items() if at >= oldest}
            return found


def _key(item: Item) -> str:
    # With the creation time, since a new group of the same name has the same ARN.
    return f"{item.get('ARN', '')} {item.get('ReplicationGroupCreateTime', '')}"


def _tail(arn: str) -> str:
    return arn.split(":", 5)[-1]

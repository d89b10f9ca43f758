"""Whose is it? Tags and names that tie an AWS object to the custom resource it was made for."""

import hashlib
from collections.abc import Iterable, Mapping

from ..engine.objects import Object

UID = "tracetrack.io/uid"
CLUSTER = "tracetrack.io/cluster"
NAMESPACE = "tracetrack.io/namespace"
NAME = "tracetrack.io/name"
REPLICA = "tracetrack.io/replica"


def tags(owner: Object, cluster: str) -> dict[str, str]:
    """The tags every AWS object made for `owner` carries."""
    metadata = owner["metadata"]
    return {UID: metadata["uid"], CLUSTER: cluster, NAMESPACE: metadata["namespace"], NAME: metadata["name"]}


def tag_list(values: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags in the shape most AWS APIs take: a list of Key and Value."""
    return [{"Key": key, "Value": value} for key, value in values.items()]


def tag_map(values: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """The reverse of `tag_list`."""
    return {tag["Key"]: tag["Value"] for tag in values}


def describe_owner(values: Mapping[str, str]) -> str:
    """Who owns an object with these tags, for a conflict message."""
    if UID not in values:
        return "nothing this operator made (it carries no tracetrack.io/uid tag)"
    place = f"{values.get(NAMESPACE, '?')}/{values.get(NAME, '?')}"
    return f"{place} in cluster {values.get(CLUSTER, '?')} (uid {values[UID]})"


def bounded_name(parts: Iterable[str], separator: str, limit: int) -> str:
    """`parts` joined, at most `limit` characters: a longer name keeps its head and gets a hash for its tail."""
    name = separator.join(parts)
    if len(name) <= limit:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: limit - 9].rstrip(separator)}{separator}{digest}"

"""What ElastiCache lets names, tokens, engines and node counts be."""

from __future__ import annotations

import re
from typing import Any

from tests.aws.elasticache.errors import combination, wrong

NEWEST = {"redis": "7.1", "valkey": "8.1"}
_VERSIONS = {"redis": r"(5\.0\.6|6\.[0x2]|7\.[01])(\.\d+)?", "valkey": r"(7\.2|8\.[0-2])(\.\d+)?"}
MOST_REPLICAS = 5


def check_token(token: str) -> None:
    if not re.fullmatch(r"[!#$&-.0-?A-~]{16,128}", token):
        raise wrong(
            "Invalid AuthToken provided. It must have 16 to 128 printable characters without '@', '\"', '/' and '%'."
        )


def check_name(name: str) -> None:
    if not re.fullmatch(r"[a-z](?!.*--)[a-z0-9-]{0,39}", name) or name.endswith("-"):
        raise wrong(
            "The parameter ReplicationGroupIdentifier is not a valid identifier. Identifiers must begin with a letter; "
            "must contain only ASCII letters, digits, and hyphens; and must not end with a hyphen or contain two "
            "consecutive hyphens."
        )


def check_engine(engine: str, version: str) -> None:
    if engine not in NEWEST:
        raise wrong(f"Invalid value for Engine: {engine}")
    if not re.fullmatch(_VERSIONS[engine], version):
        raise wrong(f"Unsupported engine version {version} for {engine}")


def check_node_type(name: str | None) -> None:
    if not re.fullmatch(r"cache\.[a-z0-9]+\.[a-z0-9]+", name or ""):
        raise wrong(f"Invalid cache node type: {name}")


def check_failover(nodes: int, failover: bool, multi_az: bool) -> None:
    """Whether as many nodes may have automatic failover and Multi-AZ."""
    if failover and nodes < 2:
        raise combination(
            "When using automatic failover, there must be at least 2 cache clusters in the replication group."
        )
    if multi_az and not failover:
        raise combination("MultiAZ requires automatic failover to be enabled.")


def family(engine: str, version: str) -> str:
    """The parameter group family of a version."""
    major = version.partition(".")[0]
    named = {"5": "redis5.0", "6": "redis6.x"} if engine == "redis" else {}
    return named.get(major, f"{engine}{major}")


def _rank(version: str) -> tuple[int, ...]:
    return tuple(99 if part == "x" else int(part) for part in version.split("."))


def check_upgrade(present: tuple[str, str], asked: tuple[str, str]) -> None:
    """Whether an engine and version may become another: only up, and from Redis to Valkey but not back."""
    if present[0] == "valkey" and asked[0] == "redis":
        raise combination("Modifying the engine from valkey to redis is not supported.")
    check_engine(*asked)
    if _rank(asked[1])[:2] < _rank(present[1])[:2]:
        raise combination(
            f"The engine version {asked[1]} is lower than the present one, {present[1]}: downgrading is not supported."
        )


def nodes_of(given: dict[str, Any]) -> int:
    """How many nodes a creation asks for."""
    return int(given.get("num_cache_clusters") or (given.get("replicas_per_node_group") or 0) + 1)

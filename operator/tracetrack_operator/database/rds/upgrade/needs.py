"""What a major upgrade by a blue/green deployment needs beforehand, each with what to do about it. Pure.

After "Limitations and considerations for blue/green deployments" and "Creating a blue/green deployment" in the Amazon
RDS User Guide.
"""

from __future__ import annotations

from collections.abc import Iterator

from ....dependencies.cloud.fields import Item
from ...inspection import MOST_TABLES, Inspection
from ..fields import same_version
from .facts import UpgradeFacts

_OLDEST = {"14": 9, "15": 4, "16": 1}
"""The first minor version of each major one that logical replication can start from."""


def rank(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def target(targets: tuple[str, ...], wanted: str) -> str | None:
    """The version to upgrade to: the one asked for, or the latest minor one of its major version."""
    found = [each for each in targets if each == wanted or ("." not in wanted and same_version(each, wanted))]
    return max(found, key=rank, default=None)


def problems(item: Item, facts: UpgradeFacts, wanted: str, group: str | None) -> list[str]:
    """`wanted` is the declared version, `group` the declared parameter group."""
    found = [*_of_instance(item), *_of_versions(item, facts.targets, wanted), *_of_group(item, wanted, group)]
    if facts.foreign:
        found.append(
            f"the blue/green deployment {facts.foreign} is not ours and in the way: finish or delete it in AWS"
        )
    if facts.inspection is not None:
        found += _of_database(item, facts.inspection)
    return found


def _of_instance(item: Item) -> Iterator[str]:
    if not item.get("BackupRetentionPeriod"):
        yield "automatic backups are off: set backupRetentionDays to 1 or more"
    if item.get("MasterUserSecret"):
        yield (
            "its master password is managed by RDS, which blue/green deployments don't support: set masterCredentials "
            "to Generated while you upgrade"
        )
    replicas = item.get("ReadReplicaDBInstanceIdentifiers") or []
    if replicas:
        yield f"it has read replicas ({', '.join(replicas)}): remove them, and add them again when the upgrade is done"


def _of_versions(item: Item, targets: tuple[str, ...] | None, wanted: str) -> Iterator[str]:
    actual = str(item.get("EngineVersion", ""))
    major, _, minor = actual.partition(".")
    oldest = _OLDEST.get(major)
    if oldest is not None and int(minor or 0) < oldest:
        yield f"version {actual} can't be followed: set engineVersion to {major}.{oldest} or a later {major} first"
    if targets is not None and target(targets, wanted) is None:
        known = ", ".join(sorted((each for each in targets if each.partition(".")[0] != major), key=rank))
        yield f"AWS does not upgrade {actual} to {wanted}: name one of {known or 'no other major version'}"


def _of_group(item: Item, wanted: str, group: str | None) -> Iterator[str]:
    present = [each["DBParameterGroupName"] for each in item.get("DBParameterGroups") or []]
    if group is not None and group in present:
        family = f"postgres{wanted.partition('.')[0]}"
        yield (
            f"parameterGroupName {group} is one of the present version: name one of the family {family} together "
            "with engineVersion"
        )


def _of_database(item: Item, seen: Inspection) -> Iterator[str]:
    if seen.problem:
        yield f"it could not be looked into: {seen.problem}"
        return
    if seen.wal_level != "logical":
        family = f"postgres{str(item.get('EngineVersion', '')).partition('.')[0]}"
        yield (
            "logical replication is off: with engineVersion as it was, set parameterGroupName to a group of the "
            f"family {family} with rds.logical_replication = 1, and let it restart"
        )
    for name, count in (("max_replication_slots", seen.slots), ("max_logical_replication_workers", seen.workers)):
        if count <= seen.databases:
            yield (
                f"{name} is {count}, and {seen.databases} databases take more: raise it in the parameter group, and "
                "let it restart"
            )
    if seen.unidentified:
        more = " and more" if len(seen.unidentified) == MOST_TABLES else ""
        yield (
            f"changes of {', '.join(seen.unidentified)}{more} can't be followed, for want of a primary key: add one, "
            "or ALTER TABLE … REPLICA IDENTITY FULL"
        )
    if seen.large_objects:
        yield "it holds large objects, which logical replication leaves out: move them into tables"

"""Describes that for a while show what was before a write, as those of the real services may."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.aws.emulator import Emulator, EmulatorError
from tests.integration.aws import test_elasticache as caches
from tests.integration.aws.databases import CREATE, NAME, available, described
from tests.integration.aws.support import refused, until

LAG = 3.0


def test_an_instance_is_seen_and_changes_are_seen_only_after_a_while(rds: Any, quick: Emulator) -> None:
    quick.clock(modify_seconds=0, stale_seconds=LAG)
    began = time.monotonic()
    assert rds.create_db_instance(**CREATE)["DBInstance"]["DBInstanceStatus"] == "creating"
    refused("DBInstanceNotFound", rds.describe_db_instances, **NAME)
    assert rds.describe_db_instances()["DBInstances"] == []
    refused("DBInstanceAlreadyExists", rds.create_db_instance, **CREATE)
    until(lambda: rds.describe_db_instances()["DBInstances"])
    assert time.monotonic() - began >= LAG
    before = available(rds)
    began = time.monotonic()
    changed = rds.modify_db_instance(**NAME, DeletionProtection=True, DBInstanceClass="db.t4g.small")["DBInstance"]
    assert (changed["DeletionProtection"], changed["PendingModifiedValues"]) == (
        True,
        {"DBInstanceClass": "db.t4g.small"},
    )
    stale = described(rds)
    assert (stale["DeletionProtection"], stale["PendingModifiedValues"]) == (False, {})
    assert stale["Endpoint"] == before["Endpoint"]
    refused("InvalidParameterCombination", rds.delete_db_instance, **NAME, SkipFinalSnapshot=True)
    until(lambda: described(rds)["DeletionProtection"] is True)
    assert time.monotonic() - began >= LAG
    quick.clock(stale_seconds=0)
    rds.modify_db_instance(**NAME, DeletionProtection=False)
    assert described(rds)["DeletionProtection"] is False


def test_single_calls_can_be_behind(quick: Emulator) -> None:
    quick.stale({"elasticache:DescribeReplicationGroups": LAG})
    cache = quick.client("elasticache")
    began = time.monotonic()
    cache.create_replication_group(**caches.CREATE)
    refused("ReplicationGroupNotFoundFault", cache.describe_replication_groups, **caches.NAME)
    assert len(cache.describe_cache_clusters()["CacheClusters"]) == 2
    until(lambda: cache.describe_replication_groups()["ReplicationGroups"])
    assert time.monotonic() - began >= LAG
    caches.available(cache)
    began = time.monotonic()
    cache.modify_replication_group(**caches.NAME, CacheNodeType="cache.t4g.small", ApplyImmediately=True)
    assert caches.described(cache)["Status"] == "available"
    assert cache.describe_cache_clusters()["CacheClusters"][0]["CacheClusterStatus"] == "modifying"
    until(lambda: caches.described(cache)["CacheNodeType"] == "cache.t4g.small")
    assert time.monotonic() - began >= LAG


def test_a_delay_that_makes_no_sense_is_refused(aws: Emulator) -> None:
    with pytest.raises(EmulatorError, match=r"clock\.tea_seconds"):
        aws.clock(tea_seconds=1)
    with pytest.raises(EmulatorError, match=r"clock\.create_seconds"):
        aws.clock(create_seconds=-1)
    with pytest.raises(EmulatorError, match=r"stale\.DescribeDBInstances"):
        aws.stale({"DescribeDBInstances": 1})
    with pytest.raises(EmulatorError, match=r"maintenance\.service"):
        aws.maintenance("iot")  # type: ignore[arg-type]

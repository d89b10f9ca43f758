"""Replication groups changed, scaled and failed over; their parameters and snapshots."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from tests.aws.emulator import Emulator
from tests.integration.aws.support import TAGS, refused, until
from tests.integration.aws.test_elasticache import CREATE, NAME, SECURE, available, connect, described

NOW = {"ApplyImmediately": True}
OWN = {"CacheParameterGroupName": "own"}


@pytest.fixture
def cache(quick: Emulator) -> Any:
    return quick.client("elasticache")


def created(cache: Any, **others: Any) -> Any:
    cache.create_replication_group(**{**CREATE, **others})
    return available(cache)


def member(cache: Any, number: int = 1) -> Any:
    name = f"{NAME['ReplicationGroupId']}-{number:03}"
    return cache.describe_cache_clusters(CacheClusterId=name)["CacheClusters"][0]


def primary(group: Any) -> str:
    members = group["NodeGroups"][0]["NodeGroupMembers"]
    return str(next(one["CacheClusterId"] for one in members if one["CurrentRole"] == "primary"))


def test_what_concerns_the_nodes_waits_and_the_rest_applies_at_once(cache: Any, quick: Emulator) -> None:
    created(cache, EngineVersion="7.2")
    cache.modify_replication_group(
        **NAME,
        ReplicationGroupDescription="other",
        SnapshotRetentionLimit=3,
        SnapshotWindow="02:00-03:00",
        PreferredMaintenanceWindow="sun:04:00-sun:05:00",
        SecurityGroupIds=["sg-0123456789abcdef0"],
        CacheNodeType="cache.t4g.small",
        EngineVersion="8.0",
        AutomaticFailoverEnabled=False,
    )
    group = described(cache)
    assert group["Status"] == "available"
    assert (group["Description"], group["SnapshotRetentionLimit"], group["SnapshotWindow"]) == (
        "other",
        3,
        "02:00-03:00",
    )
    assert (group["CacheNodeType"], group["AutomaticFailover"]) == ("cache.t4g.micro", "enabled")
    assert group["PendingModifiedValues"] == {"AutomaticFailoverStatus": "disabled"}
    node = member(cache)
    assert node["PendingModifiedValues"] == {"CacheNodeType": "cache.t4g.small", "EngineVersion": "8.0"}
    assert node["EngineVersion"] == "7.2"
    assert node["PreferredMaintenanceWindow"] == "sun:04:00-sun:05:00"
    assert node["SecurityGroups"] == [{"SecurityGroupId": "sg-0123456789abcdef0", "Status": "active"}]
    cache.modify_replication_group(**NAME, EngineVersion="7.2", AutomaticFailoverEnabled=True)
    assert member(cache)["PendingModifiedValues"] == {"CacheNodeType": "cache.t4g.small"}
    assert described(cache)["PendingModifiedValues"] == {}
    with quick.standstill():
        assert quick.maintenance("elasticache", NAME["ReplicationGroupId"]) == [NAME["ReplicationGroupId"]]
        assert described(cache)["Status"] == "modifying"
    assert available(cache)["CacheNodeType"] == "cache.t4g.small"
    assert quick.maintenance("elasticache") == []


def test_a_new_node_type_or_version_drops_connections_and_keeps_the_data(cache: Any) -> None:
    group = created(cache, EngineVersion="7.2")
    with connect(group, single_connection_client=True) as client:
        client.set("scan", "1")
        cache.modify_replication_group(**NAME, EngineVersion="8.0", **NOW)
        assert available(cache)["CacheNodeType"] == "cache.t4g.micro"
        with pytest.raises(redis.ConnectionError):
            client.get("scan")
    with connect(group) as client:
        assert client.get("scan") == b"1"
    node = member(cache)
    assert node["EngineVersion"] == "8.0"
    assert node["CacheParameterGroup"]["CacheParameterGroupName"] == "default.valkey8"


def test_versions_only_go_up_and_redis_becomes_valkey_but_not_back(cache: Any) -> None:
    created(cache, Engine="redis", EngineVersion="7.1")
    refused("InvalidParameterCombination", cache.modify_replication_group, **NAME, EngineVersion="7.0")
    refused("InvalidParameterValue", cache.modify_replication_group, **NAME, EngineVersion="9.0")
    cache.modify_replication_group(**NAME, Engine="valkey", EngineVersion="8.0", **NOW)
    assert available(cache)["Engine"] == "valkey"
    refused("InvalidParameterCombination", cache.modify_replication_group, **NAME, Engine="redis", EngineVersion="8.0")


def test_failover_needs_a_replica_and_multi_az_needs_failover(cache: Any) -> None:
    created(cache, NumCacheClusters=1, AutomaticFailoverEnabled=False)
    modify = cache.modify_replication_group
    refused("InvalidParameterCombination", modify, **NAME, AutomaticFailoverEnabled=True)
    refused("InvalidParameterCombination", modify, **NAME, MultiAZEnabled=True)
    refused("InvalidReplicationGroupState", cache.test_failover, **NAME, NodeGroupId="0001")
    cache.increase_replica_count(**NAME, NewReplicaCount=1, **NOW)
    available(cache)
    modify(**NAME, AutomaticFailoverEnabled=True, MultiAZEnabled=True, **NOW)
    group = available(cache)
    assert (group["AutomaticFailover"], group["MultiAZ"]) == ("enabled", "enabled")
    refused("InvalidParameterCombination", modify, **NAME, AutomaticFailoverEnabled=False)
    decrease = {**NAME, "NewReplicaCount": 0, **NOW}
    assert "Multi-AZ" in refused("InvalidParameterValue", cache.decrease_replica_count, **decrease)


def test_replicas_are_added_and_removed_without_touching_the_primary(cache: Any, aws: Emulator) -> None:
    group = created(cache)
    with connect(group, single_connection_client=True) as client:
        assert client.ping()
        count = {**NAME, "NewReplicaCount": 3}
        refused("InvalidParameterValue", cache.increase_replica_count, **count, ApplyImmediately=False)
        refused("InvalidParameterValue", cache.increase_replica_count, **NAME, NewReplicaCount=6, **NOW)
        refused("NoOperationFault", cache.increase_replica_count, **NAME, NewReplicaCount=1, **NOW)
        with aws.standstill():
            answer = cache.increase_replica_count(**count, **NOW)["ReplicationGroup"]
            assert (answer["Status"], len(answer["MemberClusters"])) == ("modifying", 4)
            assert member(cache, 4)["CacheClusterStatus"] == "creating"
            assert len(answer["NodeGroups"][0]["NodeGroupMembers"]) == 2
        assert len(available(cache)["NodeGroups"][0]["NodeGroupMembers"]) == 4
        names = [f"{NAME['ReplicationGroupId']}-002"]
        wrong = [primary(group)]
        fewer = {**NAME, "NewReplicaCount": 2, **NOW}
        refused("InvalidParameterValue", cache.decrease_replica_count, **fewer, ReplicasToRemove=wrong)
        with aws.standstill():
            cache.decrease_replica_count(**fewer, ReplicasToRemove=names)
            assert member(cache, 2)["CacheClusterStatus"] == "deleting"
        members = available(cache)["MemberClusters"]
        assert [name[-3:] for name in members] == ["001", "003", "004"]
        cache.increase_replica_count(**NAME, NewReplicaCount=3, **NOW)
        assert [name[-3:] for name in available(cache)["MemberClusters"]] == ["001", "002", "003", "004"]
        assert client.ping()


def test_a_failover_moves_the_primary_and_drops_connections(cache: Any, aws: Emulator) -> None:
    group = created(cache)
    failover = {**NAME, "NodeGroupId": "0001"}
    refused("NodeGroupNotFoundFault", cache.test_failover, **NAME, NodeGroupId="0002")
    with connect(group, single_connection_client=True) as client:
        client.set("scan", "1")
        with aws.standstill():
            assert cache.test_failover(**failover)["ReplicationGroup"]["Status"] == "modifying"
            refused("InvalidReplicationGroupState", cache.test_failover, **failover)
        moved = available(cache)
        assert primary(moved) != primary(group)
        assert moved["NodeGroups"][0]["PrimaryEndpoint"] == group["NodeGroups"][0]["PrimaryEndpoint"]
        with pytest.raises(redis.ConnectionError):
            client.get("scan")
    refused("InvalidParameterCombination", cache.modify_replication_group, **NAME, PrimaryClusterId=primary(group))


def test_a_token_is_set_only_after_it_was_rotated_in(cache: Any) -> None:
    cache.create_replication_group(**SECURE)
    group = available(cache)
    tls: dict[str, Any] = {"ssl": True, "ssl_cert_reqs": "none"}
    tokens = [f"token-number-{number}-of-the-cache" for number in range(3)]
    modify = cache.modify_replication_group
    strategy = {"AuthTokenUpdateStrategy": "SET", **NOW}
    assert "ROTATE" in refused("InvalidParameterCombination", modify, **NAME, AuthToken=tokens[0], **strategy)
    for token in tokens[:2]:
        answer = modify(**NAME, AuthToken=token, AuthTokenUpdateStrategy="ROTATE", **NOW)["ReplicationGroup"]
        assert answer["PendingModifiedValues"] == {"AuthTokenStatus": "ROTATING"}
        assert available(cache)["PendingModifiedValues"] == {}
    for token in tokens[:2]:
        with connect(group, password=token, **tls) as client:
            assert client.ping()
    with connect(group, password=str(SECURE["AuthToken"]), **tls) as client, pytest.raises(redis.AuthenticationError):
        client.ping()


def test_parameters_are_checked_and_set_on_the_server(cache: Any) -> None:
    family = {"CacheParameterGroupFamily": "valkey8", "Description": "own"}
    refused("CacheParameterGroupNotFound", cache.describe_cache_parameter_groups, **OWN)
    made = cache.create_cache_parameter_group(**OWN, **family, Tags=TAGS)["CacheParameterGroup"]
    assert cache.list_tags_for_resource(ResourceName=made["ARN"])["TagList"] == TAGS
    refused("CacheParameterGroupAlreadyExists", cache.create_cache_parameter_group, **OWN, **family)
    set_to = cache.modify_cache_parameter_group

    def values(name: str, value: str) -> dict[str, Any]:
        return {"ParameterNameValues": [{"ParameterName": name, "ParameterValue": value}]}

    refused("InvalidParameterValue", set_to, **OWN, **values("no-such-thing", "1"))
    refused("InvalidParameterValue", set_to, **OWN, **values("maxmemory-policy", "some"))
    refused("InvalidParameterValue", set_to, CacheParameterGroupName="default.valkey8", **values("timeout", "9"))
    set_to(**OWN, **values("maxmemory-policy", "allkeys-lru"))
    refused("InvalidParameterCombination", cache.create_replication_group, **{**CREATE, "EngineVersion": "7.2", **OWN})
    group = created(cache, **OWN)
    with connect(group) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "allkeys-lru"}
        set_to(**OWN, **values("timeout", "60"))
        assert client.config_get("timeout") == {"timeout": "60"}
        assert member(cache)["CacheParameterGroup"]["ParameterApplyStatus"] == "in-sync"
        set_to(**OWN, **values("databases", "4"))
        assert member(cache)["CacheParameterGroup"]["ParameterApplyStatus"] == "pending-reboot"
        refused("InvalidCacheParameterGroupState", cache.delete_cache_parameter_group, **OWN)
        cache.modify_replication_group(**NAME, CacheParameterGroupName="default.valkey8", **NOW)
        available(cache)
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "volatile-lru"}
    changed = {one["ParameterName"] for one in cache.describe_cache_parameters(**OWN, Source="user")["Parameters"]}
    assert changed == {"maxmemory-policy", "timeout", "databases"}
    cache.reset_cache_parameter_group(**OWN, ResetAllParameters=True)
    assert cache.describe_cache_parameters(**OWN, Source="user")["Parameters"] == []
    cache.delete_cache_parameter_group(**OWN)


def test_a_final_snapshot_takes_its_time_and_brings_the_data_back(cache: Any, aws: Emulator) -> None:
    with connect(created(cache)) as client:
        client.set("scan", "1")

    def snapshot() -> Any:
        return cache.describe_snapshots(SnapshotName="final")["Snapshots"][0]

    with aws.standstill():
        cache.delete_replication_group(**NAME, FinalSnapshotIdentifier="final")
        assert snapshot()["SnapshotStatus"] == "creating"
        copy = {**CREATE, "ReplicationGroupId": "copy", "SnapshotName": "final"}
        refused("InvalidSnapshotState", cache.create_replication_group, **copy)
    until(lambda: snapshot()["SnapshotStatus"] == "available")
    until(lambda: not cache.describe_replication_groups()["ReplicationGroups"])
    with connect(created(cache, SnapshotName="final")) as client:
        assert client.get("scan") == b"1"
    with aws.standstill():
        cache.create_snapshot(**NAME, SnapshotName="manual")
        assert described(cache)["Status"] == "snapshotting"
    available(cache)
    refused("SnapshotAlreadyExistsFault", cache.delete_replication_group, **NAME, FinalSnapshotIdentifier="final")
    assert {one["SnapshotName"] for one in cache.describe_snapshots()["Snapshots"]} == {"final", "manual"}
    cache.delete_snapshot(SnapshotName="manual")
    refused("SnapshotNotFoundFault", cache.describe_snapshots, SnapshotName="manual")

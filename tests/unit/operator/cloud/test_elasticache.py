"""What follows from what ElastiCache shows of a replication group."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.unit.operator.deployment.factory import CACHE, owner
from tracetrack_operator.api import TraceTrackDeployment
from tracetrack_operator.cache.elasticache import ElastiCache
from tracetrack_operator.cache.elasticache.fields import TABLE
from tracetrack_operator.cache.elasticache.provider import CreateGroup, ModifyGroup
from tracetrack_operator.dependencies.checks import CheckResult
from tracetrack_operator.dependencies.cloud.facts import Facts
from tracetrack_operator.dependencies.protocol import Dependency, Scope
from tracetrack_operator.manifests.parent import Parent
from tracetrack_operator.settings import Settings

ITEM: dict[str, Any] = {
    "ReplicationGroupId": "kind-shop-demo",
    "ARN": "arn:aws:elasticache:eu-west-1:111122223333:replicationgroup:kind-shop-demo",
    "Status": "available",
    "CacheNodeType": "cache.t4g.micro",
    "MemberClusters": ["kind-shop-demo-001", "kind-shop-demo-002"],
    "AutomaticFailover": "enabled",
    "MultiAZ": "enabled",
    "SnapshotRetentionLimit": 0,
    "AtRestEncryptionEnabled": True,
    "TransitEncryptionEnabled": True,
    "Member": {"EngineVersion": "8.0.1", "PreferredMaintenanceWindow": "sun:02:00-sun:03:00"},
}
AGREED = {
    "nodeType": "cache.t4g.micro",
    "engineVersion": "8.0",
    "replicas": 1,
    "automaticFailover": True,
    "multiAZ": True,
}
WORKING = Facts(
    ITEM,
    {"tracetrack.io/uid": "uid-demo"},
    {"password": "pw-secret"},
    CACHE,
    CheckResult(True),
    agreed={**AGREED, "snapshotRetentionDays": 0},
    now=datetime(2026, 11, 23, 12, tzinfo=UTC),
)


def desired(facts: Facts, section: dict[str, Any] | None = None, **more: Any) -> Dependency:
    cache = {"provider": "ElastiCache", "elasticache": section or {}}
    annotations = more.pop("annotations", {})
    obj = owner({"cache": cache, **more}, annotations=annotations)
    nothing: Any = None
    provider = ElastiCache(nothing, nothing, nothing, nothing, nothing, Settings())
    return provider.desired(Scope(obj, Parent.of(obj), TraceTrackDeployment.parse(obj).spec, {}), facts)


def step(found: Dependency) -> tuple[str, dict[str, Any]]:
    (made,) = found.steps
    assert isinstance(made, ModifyGroup)
    return made.operation, {
        k: v for k, v in made.parameters.items() if k not in ("ReplicationGroupId", "ApplyImmediately")
    }


def test_created_with_as_many_nodes_as_asked_for() -> None:
    (made,) = desired(replace(WORKING, item=None), {"replicas": 2}).steps
    assert isinstance(made, CreateGroup)
    assert (made.parameters["NumCacheClusters"], made.parameters["MultiAZEnabled"]) == (3, True)
    assert "NewReplicaCount" not in made.parameters
    assert "pw-secret" not in repr(made)


def test_as_declared() -> None:
    found = desired(WORKING)
    assert found.sync is not None
    assert (found.sync.status, found.steps) == ("True", ())
    assert found.details["version"] == "8.0.1"


def test_failing_over_is_switched_on_after_the_first_replica_and_off_before_the_last_goes() -> None:
    alone = {**ITEM, "MemberClusters": ["kind-shop-demo-001"], "AutomaticFailover": "disabled", "MultiAZ": "disabled"}
    more = replace(WORKING, item=alone, agreed={**AGREED, "replicas": 0, "automaticFailover": False, "multiAZ": False})
    assert step(desired(more)) == ("increase_replica_count", {"NewReplicaCount": 1})
    two = replace(more, item={**alone, "MemberClusters": ITEM["MemberClusters"]})
    assert step(desired(two)) == (
        "modify_replication_group",
        {"AutomaticFailoverEnabled": True, "MultiAZEnabled": True},
    )
    assert step(desired(WORKING, {"replicas": 0})) == (
        "modify_replication_group",
        {"AutomaticFailoverEnabled": False, "MultiAZEnabled": False},
    )
    off = replace(WORKING, item={**ITEM, "AutomaticFailover": "disabled", "MultiAZ": "disabled"})
    assert step(desired(off, {"replicas": 0})) == ("decrease_replica_count", {"NewReplicaCount": 0})


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        ({"nodeType": "cache.r7g.large"}, "AwaitingApproval"),
        ({"engineVersion": "8.1"}, "AwaitingApproval"),
        ({"engineVersion": "7.2"}, "ReplaceRequired"),
        ({"snapshotRetentionDays": 3}, "Modifying"),
    ],
)
def test_classes(section: dict[str, Any], reason: str) -> None:
    found = desired(WORKING, section)
    assert found.sync is not None
    assert found.sync.reason == reason, found.sync.message


def test_a_parameter_group_of_another_major_version_goes_with_the_version() -> None:
    member = {"EngineVersion": "7.2.6", "CacheParameterGroup": {"CacheParameterGroupName": "shop-7"}}
    old = replace(WORKING, item={**ITEM, "Member": member}, agreed={**AGREED, "engineVersion": "7.2"})
    old = replace(old, agreed={**old.agreed, "parameterGroupName": "shop-7"})
    wanted = {"engineVersion": "8.0", "parameterGroupName": "shop-8"}
    waiting = desired(old, wanted)
    assert waiting.steps == (), "ElastiCache would refuse it for the present version"
    assert [each.change.partition(" ")[0] for each in waiting.held] == ["engineVersion", "parameterGroupName"]
    approved = desired(old, wanted, annotations={"tracetrack.io/approve": waiting.details["approval"]})
    assert step(approved) == (
        "modify_replication_group",
        {"EngineVersion": "8.0", "CacheParameterGroupName": "shop-8"},
    )
    assert step(desired(old, {"engineVersion": "7.2", "parameterGroupName": "shop-7b"})) == (
        "modify_replication_group",
        {"CacheParameterGroupName": "shop-7b"},
    )


def test_a_cache_in_several_shards_is_refused_and_none_of_its_members_removed() -> None:
    members = [f"kind-shop-demo-{shard:04}-{node:03}" for shard in (1, 2, 3) for node in (1, 2)]
    sharded = {**ITEM, "MemberClusters": members, "NodeGroups": [{}, {}, {}]}
    found = desired(replace(WORKING, item=sharded))
    assert found.sync is not None
    assert (found.sync.reason, found.steps, found.later) == ("ReplaceRequired", (), ())
    assert "shards can't be changed from 3 to 1 in place" in found.sync.message
    assert found.details["replicas"] == 1


@pytest.mark.parametrize(("status", "reason"), [("pending-reboot", "ParametersPending"), ("in-sync", "Ready")])
def test_parameters_that_wait_for_a_restart_are_told_with_the_commands(status: str, reason: str) -> None:
    group = {"CacheParameterGroupName": "shop-8", "ParameterApplyStatus": status}
    roles = (("001", "primary"), ("002", "replica"))
    nodes = [{"CacheClusterId": f"kind-shop-demo-{node}", "CurrentRole": role} for node, role in roles]
    item = {**ITEM, "Member": {**ITEM["Member"], "CacheParameterGroup": group}}
    found = desired(replace(WORKING, item={**item, "NodeGroups": [{"NodeGroupMembers": nodes}]}))
    assert found.sync is not None
    assert (found.sync.reason, found.steps) == (reason, ())
    if reason != "Ready":
        commands = found.sync.message.split("One after the other: ")[1]
        assert re.findall(r"--cache-cluster-id (kind[a-z0-9-]+)", commands) == [
            "kind-shop-demo-002",
            "kind-shop-demo-001",
        ]


def test_every_field_of_the_table_is_declared_and_the_other_way_round() -> None:
    obj = owner({"cache": {"provider": "ElastiCache"}})
    nothing: Any = None
    provider = ElastiCache(nothing, nothing, nothing, nothing, nothing, Settings())
    declared = provider.declared(Scope(obj, Parent.of(obj), TraceTrackDeployment.parse(obj).spec, {}))
    assert declared.keys() == {field.name for field in TABLE}


def test_a_fail_over_is_told_once_and_kept() -> None:
    def shard(**roles: str) -> dict[str, Any]:
        members = [{"CacheClusterId": f"kind-shop-demo-{n[1:]}", "CurrentRole": role} for n, role in roles.items()]
        return {**ITEM, "NodeGroups": [{"NodeGroupMembers": members}]}

    first = desired(replace(WORKING, item=shard(_001="primary", _002="replica")))
    assert (first.noticed, "lastFailover" in first.details) == ((), False)
    agreed = {**WORKING.agreed, "primary": "kind-shop-demo-001"}
    amid = desired(replace(WORKING, agreed=agreed, item=shard(_001="replica", _002="replica")))
    assert amid.noticed == ()
    after = desired(replace(WORKING, agreed=agreed, item=shard(_001="replica", _002="primary")))
    (told,) = after.noticed
    assert told.reason == "FailedOver"
    assert told.message.endswith("failed over from kind-shop-demo-001 to kind-shop-demo-002.")
    assert after.details["lastFailover"]["to"] == "kind-shop-demo-002"

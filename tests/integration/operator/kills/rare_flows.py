"""Flows that only the full run kills at, for the calls that no other flow makes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.integration.operator.conftest import eventually
from tests.integration.operator.kills.flows import (
    DEMO,
    ELASTICACHE,
    RDS,
    bound,
    delete,
    deployed,
    gone,
    nudge,
    provisioned,
    with_fleet,
)
from tests.integration.operator.kills.flows_of_databases import SETTLED, by_hand
from tests.integration.operator.kills.killing import Flow, Stage
from tests.integration.operator.kills.more_flows import BACKUPS, CACHE_READY, OPEN, USERS
from tracetrack_operator.aws.ownership import CLUSTER, NAME, NAMESPACE, tag_list, tags
from tracetrack_operator.cache.elasticache.tokens import FORMER
from tracetrack_operator.cache.elasticache.users import default_user_id, user_id
from tracetrack_operator.engine.objects import annotations_of
from tracetrack_operator.fleet.shared import MAX_POLICY_VERSIONS
from tracetrack_operator.fleet.slices import THING_HASH

TEST = "test"
BOTH_READY = ("DatabaseReady", "CacheReady", "Synced")
FORMER_POLICY: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "iot:Connect", "Resource": "*"}],
}
RESTARTS = {"ParameterName": "rds.logical_replication", "ParameterValue": "1", "ApplyMethod": "pending-reboot"}


def from_a_moment(stage: Stage) -> None:
    source = {"pointInTime": {"instanceIdentifier": f"{stage.namespace}-theirs"}}
    stage.deploy(database={**RDS, "rds": {**RDS["rds"], "databaseName": "warehouse"}, "restoreFrom": source})


def with_parameters(stage: Stage) -> None:
    """Of a group of its own, in a maintenance window that is open, and beside another group."""
    client = stage.aws.client("rds")
    for name in ("own", "other"):
        group = {"DBParameterGroupName": f"{stage.namespace}-{name}"}
        client.create_db_parameter_group(**group, DBParameterGroupFamily="postgres17", Description=name)
    client.modify_db_parameter_group(**group, Parameters=[RESTARTS])
    own = {**RDS, "rds": {**RDS["rds"], "parameterGroupName": f"{stage.namespace}-own", "backupWindow": BACKUPS}}
    deployed("DatabaseReady", "Synced", database=own, maintenanceWindow=OPEN)(stage)


def with_the_other_group(stage: Stage) -> None:
    stage.shop.change(*DEMO, database={"rds": {"parameterGroupName": f"{stage.namespace}-other"}})


def restarted(stage: Stage) -> None:
    bound("DatabaseReady", "Synced")(stage)
    (found,) = stage.aws.client("rds").describe_db_instances(DBInstanceIdentifier=of(stage))["DBInstances"]
    told = [(each["DBParameterGroupName"], each["ParameterApplyStatus"]) for each in found["DBParameterGroups"]]
    assert told == [(f"{stage.namespace}-other", "in-sync")], told


def of(stage: Stage) -> str:
    return f"test-{stage.namespace}-demo"


def with_replicas(count: int) -> dict[str, Any]:
    return {"provider": "ElastiCache", "elasticache": {"replicas": count}}


def scaled(count: int) -> Flow:
    """By one node, up to so many replicas or down."""
    before = 1 - count

    def done(stage: Stage) -> None:
        bound(*CACHE_READY)(stage)
        found = stage.aws.client("elasticache").describe_replication_groups(ReplicationGroupId=of(stage))
        (group,) = found["ReplicationGroups"]
        assert len(group["MemberClusters"]) == count + 1, group["MemberClusters"]

    return Flow(
        f"ElastiCache scale {'out' if count else 'in'}",
        prepare=deployed(*CACHE_READY, cache=with_replicas(before)),
        act=lambda stage: stage.shop.change(*DEMO, cache={"elasticache": {"replicas": count}}),
        done=done,
        drive=nudge(*DEMO),
    )


def gone_over(stage: Stage) -> None:
    """Nobody is let in by the token any more."""
    bound(*CACHE_READY)(stage)
    assert shown_user(stage) == "tracetrack"
    users = [each["UserId"] for each in stage.aws.client("elasticache").describe_users()["Users"]]
    assert default_user_id(of(stage)) not in users


def shown_user(stage: Stage) -> str:
    return stage.shop.secret("demo-cache-binding").get("username", "")


def rotated_user(stage: Stage) -> None:
    bound(*CACHE_READY)(stage)
    annotations = stage.shop.get("secrets", "demo-cache-credentials")["metadata"]["annotations"]
    assert annotations.get("tracetrack.io/rotate-honoured") == "1", annotations
    assert "tracetrack.io/rotating" not in annotations
    assert FORMER not in stage.shop.secret("demo-cache-credentials")


def with_users_and_another(stage: Stage) -> None:
    deployed(*CACHE_READY, cache=USERS)(stage)
    access = {"UserName": "theirs", "AccessString": "on ~* +@all", "Passwords": ["a-password-of-theirs"]}
    stage.aws.client("elasticache").create_user(UserId=theirs(stage), Engine="valkey", **access)


def theirs(stage: Stage) -> str:
    return f"{stage.namespace}-theirs"


def let_another_in(stage: Stage) -> None:
    stage.aws.client("elasticache").modify_user_group(UserGroupId=of(stage), UserIdsToAdd=[theirs(stage)])


def by_itself_again(stage: Stage) -> None:
    bound(*CACHE_READY)(stage)
    found = stage.aws.client("elasticache").describe_user_groups(UserGroupId=of(stage))
    (group,) = found["UserGroups"]
    assert group["UserIds"] == [user_id(of(stage))], group["UserIds"]


def thing_hash(stage: Stage) -> str:
    """Of the type and attributes that the fleet's things have; "" while they are being changed."""
    found = stage.fleets.slice("lucknow-0")
    assert found is not None
    return annotations_of(found).get(THING_HASH, "")


def with_new_attributes(stage: Stage) -> None:
    stage.noted = thing_hash(stage)
    stage.fleets.patch("lucknow", {"attributes": {"site": "elsewhere"}})


def reshaped(stage: Stage) -> None:
    provisioned(2)(stage)
    assert thing_hash(stage) not in ("", stage.noted)


def with_a_policy_of_all_versions(stage: Stage) -> None:
    """Of an operator of another version, say: the fleet's own, as full as AWS lets it be, and not as it should be."""
    stage.fleets.deployment()
    stage.uids.append(stage.fleets.create(replicas=0, suspend=True))
    iot, owner = stage.aws.client("iot"), {**(stage.fleets.get() or {}), "kind": "ScannerFleet"}
    named = {"policyName": f"test_{stage.namespace}_lucknow", "policyDocument": json.dumps(FORMER_POLICY)}
    iot.create_policy(**named, tags=tag_list(tags(owner, TEST)))
    for _ in range(MAX_POLICY_VERSIONS - 1):
        iot.create_policy_version(**named, setAsDefault=True)


def with_our_policy(stage: Stage) -> None:
    provisioned(0)(stage)
    found = stage.aws.client("iot").get_policy(policyName=f"test_{stage.namespace}_lucknow")
    assert json.loads(found["policyDocument"]) != FORMER_POLICY


def with_credentials_of_an_earlier_one(policy: str) -> Callable[[Stage], None]:
    """Deployed, where one of that name was retained before with other passwords."""

    def prepare(stage: Stage) -> None:
        place = {CLUSTER: TEST, NAMESPACE: stage.namespace, NAME: "demo"}
        for part in ("database", "cache"):
            stage.aws.client("secretsmanager").create_secret(
                Name=f"tracetrack/{TEST}/{stage.namespace}/demo/{part}",
                SecretString=json.dumps({"username": "earlier", "password": "earlier"}),
                Tags=tag_list(place),
            )
        deployed(*BOTH_READY, database=RDS, cache=ELASTICACHE, deletionPolicy=policy)(stage)

    return prepare


def retained(stage: Stage) -> None:
    """What was kept when its owner went, and the next owner, who may not have it yet."""
    deployed(*BOTH_READY, database=RDS, cache=ELASTICACHE, deletionPolicy="Retain")(stage)
    stage.shop.delete(*DEMO)
    end_of(stage)
    stage.deploy(database=RDS, cache=ELASTICACHE)
    for part in ("DatabaseReady", "CacheReady"):
        stage.shop.wait(part, "False", "AdoptionRequired", timeout=SETTLED)


def end_of(stage: Stage) -> None:
    def look() -> bool:
        nudge(*DEMO)(stage)
        gone(*DEMO)(stage)
        return True

    eventually(look, SETTLED)


RARE_FLOWS = (
    Flow("restore to a moment", prepare=by_hand, act=from_a_moment, done=bound("DatabaseReady", "Synced")),
    Flow(
        "restart for parameters",
        prepare=with_parameters,
        act=with_the_other_group,
        done=restarted,
        drive=nudge(*DEMO),
    ),
    scaled(1),
    scaled(0),
    Flow(
        "ElastiCache goes over to users",
        prepare=deployed(*CACHE_READY, cache=ELASTICACHE),
        act=lambda stage: stage.shop.change(*DEMO, cache={"elasticache": {"authentication": "Users"}}),
        done=gone_over,
        drive=nudge(*DEMO),
    ),
    Flow(
        "rotate with users",
        prepare=deployed(*CACHE_READY, cache=USERS),
        act=lambda stage: stage.annotate(rotate="1"),
        done=rotated_user,
        drive=nudge(*DEMO),
    ),
    Flow(
        "another user let in by hand",
        prepare=with_users_and_another,
        act=let_another_in,
        done=by_itself_again,
        drive=nudge(*DEMO),
    ),
    Flow("fleet given other attributes", prepare=with_fleet(2), act=with_new_attributes, done=reshaped),
    Flow(
        "fleet with another policy",
        prepare=with_a_policy_of_all_versions,
        act=lambda stage: stage.fleets.patch("lucknow", {"suspend": False}),
        done=with_our_policy,
    ),
    Flow(
        "delete with Retain once more",
        prepare=with_credentials_of_an_earlier_one("Retain"),
        act=delete(*DEMO),
        done=gone(*DEMO),
        drive=nudge(*DEMO),
    ),
    Flow(
        "take up what was retained",
        prepare=retained,
        act=lambda stage: stage.annotate(adopt=of(stage)),
        done=bound(*BOTH_READY),
        drive=nudge(*DEMO),
    ),
)

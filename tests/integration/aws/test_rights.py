"""What the calls of the operator's access key are told to take of IAM."""

from __future__ import annotations

from typing import Any

from tests.aws.emulator import REGION, Emulator
from tests.integration.aws.databases import created
from tests.integration.aws.test_rds_bluegreen import logical

OURS = [{"Key": "tracetrack.io/cluster", "Value": "test"}, {"Key": "tracetrack.io/name", "Value": "rights"}]
"""The operator's own calls are held to its policy, and these with them: they have to be such as it allows."""


def test_the_right_to_tag_is_one_on_what_is_made(rds: Any, quick: Emulator) -> None:
    logical(rds)
    source = created(rds, EngineVersion="16.10", DBParameterGroupName="own-16")
    as_operator = {"aws_access_key_id": "operator", "aws_secret_access_key": "operator"}
    ours, cache = quick.client("rds", **as_operator), quick.client("elasticache", **as_operator)
    ours.create_blue_green_deployment(
        BlueGreenDeploymentName="to-17",
        Source=source["DBInstanceArn"],
        TargetEngineVersion="17.6",
        TargetDBParameterGroupName="own-17",
        Tags=OURS,
    )
    ours.restore_db_instance_to_point_in_time(
        SourceDBInstanceIdentifier=source["DBInstanceIdentifier"],
        TargetDBInstanceIdentifier="copy",
        UseLatestRestorableTime=True,
        DBParameterGroupName="own-16",
        Tags=OURS,
    )
    cache.create_user(
        UserId="one", UserName="one", Engine="valkey", AccessString="on ~* +@all", NoPasswordRequired=True, Tags=OURS
    )
    cache.create_user_group(UserGroupId="many", Engine="valkey", UserIds=["one"], Tags=OURS)
    told = {tag["Key"]: tag["Value"] for tag in OURS}
    tagged = {
        (each["call"][1], each["resource"].removeprefix(f"arn:aws:{each['call'][0]}:{REGION}:123456789012:"))
        for each in quick.rights()
        if each["action"].endswith(":AddTagsToResource") and each["given"] == told
    }
    assert tagged == {
        ("CreateBlueGreenDeployment", "deployment:to-17"),
        ("RestoreDBInstanceToPointInTime", "db:copy"),
        ("CreateUser", "user:one"),
        ("CreateUserGroup", "usergroup:many"),
    }

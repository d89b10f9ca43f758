"""All that an emulated AWS account holds, as plain data: what a test compares to find a leak."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from tests.aws.emulator import Emulator
from tracetrack_operator.fleet.keys import certificate_facts

Objects = dict[str, dict[str, Any]]


def holdings(aws: Emulator) -> dict[str, Objects]:
    """Every object of every service that the operator uses, by kind and name."""
    return {
        "DB instance": _by_name(aws, "rds", "describe_db_instances", "DBInstances", "DBInstanceIdentifier"),
        "blue/green deployment": _by_name(
            aws, "rds", "describe_blue_green_deployments", "BlueGreenDeployments", "BlueGreenDeploymentName"
        ),
        "DB snapshot": _by_name(aws, "rds", "describe_db_snapshots", "DBSnapshots", "DBSnapshotIdentifier"),
        "DB parameter group": _by_name(
            aws, "rds", "describe_db_parameter_groups", "DBParameterGroups", "DBParameterGroupName"
        ),
        "replication group": _replication_groups(aws),
        "cache user": _tagged(aws, _by_name(aws, "elasticache", "describe_users", "Users", "UserId")),
        "cache user group": _tagged(
            aws, _by_name(aws, "elasticache", "describe_user_groups", "UserGroups", "UserGroupId")
        ),
        "cache snapshot": _by_name(aws, "elasticache", "describe_snapshots", "Snapshots", "SnapshotName"),
        "secret": _secrets(aws),
        "thing": _things(aws),
        "thing type": _by_name(aws, "iot", "list_thing_types", "thingTypes", "thingTypeName"),
        "thing group": _thing_groups(aws),
        "IoT policy": _policies(aws),
        "certificate": _certificates(aws),
    }


def certificate_subjects(aws: Emulator) -> dict[str, str]:
    """The certificates' IDs with the name of the thing that each was made for."""
    return {id_: certificate["subject"] for id_, certificate in _certificates(aws).items()}


def _items(aws: Emulator, service: str, operation: str, key: str, **parameters: Any) -> Iterator[Any]:
    client = aws.client(service)
    if client.can_paginate(operation):
        for page in client.get_paginator(operation).paginate(**parameters):
            yield from page[key]
    else:
        yield from getattr(client, operation)(**parameters)[key]


def _by_name(aws: Emulator, service: str, operation: str, key: str, name: str) -> Objects:
    return {item[name]: item for item in _items(aws, service, operation, key)}


def _replication_groups(aws: Emulator) -> Objects:
    groups = _by_name(aws, "elasticache", "describe_replication_groups", "ReplicationGroups", "ReplicationGroupId")
    return _tagged(aws, groups)


def _tagged(aws: Emulator, items: Objects) -> Objects:
    tags = aws.client("elasticache").list_tags_for_resource
    return {name: {**item, "tags": tags(ResourceName=item["ARN"])["TagList"]} for name, item in items.items()}


def _secrets(aws: Emulator) -> Objects:
    client, found = aws.client("secretsmanager"), {}
    for item in _items(aws, "secretsmanager", "list_secrets", "SecretList", IncludePlannedDeletion=True):
        try:
            value = client.get_secret_value(SecretId=item["ARN"]).get("SecretString")
        except ClientError:
            # One that waits for its deletion is not shown.
            value = None
        found[item["Name"]] = {**item, "value": value}
    return found


def _things(aws: Emulator) -> Objects:
    found = {}
    for item in _items(aws, "iot", "list_things", "things"):
        name = item["thingName"]
        groups = _items(aws, "iot", "list_thing_groups_for_thing", "thingGroups", thingName=name)
        principals = _items(aws, "iot", "list_thing_principals_v2", "thingPrincipalObjects", thingName=name)
        found[name] = {**item, "groups": [group["groupName"] for group in groups], "principals": list(principals)}
    return found


def _thing_groups(aws: Emulator) -> Objects:
    describe = aws.client("iot").describe_thing_group
    return {
        group["groupName"]: {**describe(thingGroupName=group["groupName"]), "tags": _iot_tags(aws, group["groupArn"])}
        for group in _items(aws, "iot", "list_thing_groups", "thingGroups")
    }


def _policies(aws: Emulator) -> Objects:
    client = aws.client("iot")
    arns = {policy["policyName"]: policy["policyArn"] for policy in _items(aws, "iot", "list_policies", "policies")}
    return {
        name: {
            "document": client.get_policy(policyName=name)["policyDocument"],
            "versions": len(client.list_policy_versions(policyName=name)["policyVersions"]),
            "targets": list(_items(aws, "iot", "list_targets_for_policy", "targets", policyName=name)),
            "tags": _iot_tags(aws, arn),
        }
        for name, arn in arns.items()
    }


def _iot_tags(aws: Emulator, arn: str) -> list[Any]:
    return list(_items(aws, "iot", "list_tags_for_resource", "tags", resourceArn=arn))


def _certificates(aws: Emulator) -> Objects:
    client, found = aws.client("iot"), {}
    for item in _items(aws, "iot", "list_certificates", "certificates"):
        described = client.describe_certificate(certificateId=item["certificateId"])["certificateDescription"]
        fingerprint, subject, _ = certificate_facts(described["certificatePem"])
        found[item["certificateId"]] = {
            "subject": subject,
            "public key": fingerprint,
            "status": described["status"],
            "policies": [
                policy["policyName"]
                for policy in _items(aws, "iot", "list_attached_policies", "policies", target=item["certificateArn"])
            ],
        }
    return found

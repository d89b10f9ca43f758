"""What successful calls of the operator would have taken of IAM: an action, a resource, and the tags of both."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from moto.elasticache.models import elasticache_backends
from moto.rds.models import rds_backends
from moto.secretsmanager.models import secretsmanager_backends

from tests.aws.protocol import Call
from tests.aws.settings import ACCOUNT

_PREFIXES = {"resourcegroupstaggingapi": "tag"}
_TAGGING = {"rds": "AddTagsToResource", "elasticache": "AddTagsToResource"}
_TAGGED = {
    "CreateBlueGreenDeployment": "BlueGreenDeploymentName",
    "RestoreDBInstanceToPointInTime": "TargetDBInstanceIdentifier",
    "CreateUserGroup": "UserGroupId",
}
"""The parameter that names what is made, and gets the tags, where that isn't the first of `_RESOURCES`."""
_RESOURCES: dict[str, dict[str, str]] = {
    "rds": {
        "DBInstanceIdentifier": "db:",
        "SourceDBInstanceIdentifier": "db:",
        "TargetDBInstanceIdentifier": "db:",
        "DBParameterGroupName": "pg:",
        "TargetDBParameterGroupName": "pg:",
        "DBSubnetGroupName": "subgrp:",
        "OptionGroupName": "og:",
        "DBSnapshotIdentifier": "snapshot:",
        "FinalDBSnapshotIdentifier": "snapshot:",
        "BlueGreenDeploymentIdentifier": "deployment:",
        "BlueGreenDeploymentName": "deployment:",
        "ResourceName": "",
        "Source": "",
    },
    "elasticache": {
        "ReplicationGroupId": "replicationgroup:",
        "CacheClusterId": "cluster:",
        "CacheParameterGroupName": "parametergroup:",
        "CacheSubnetGroupName": "subnetgroup:",
        "SnapshotName": "snapshot:",
        "UserId": "user:",
        "UserIds": "user:",
        "UserIdsToAdd": "user:",
        "UserIdsToRemove": "user:",
        "UserGroupId": "usergroup:",
        "UserGroupIds": "usergroup:",
        "UserGroupIdsToAdd": "usergroup:",
        "UserGroupIdsToRemove": "usergroup:",
        "ResourceName": "",
    },
    "iot": {
        "thingName": "thing/",
        "thingGroupName": "thinggroup/",
        "thingTypeName": "thingtype/",
        "policyName": "policy/",
        "certificateId": "cert/",
        "principal": "",
        "target": "",
        "resourceArn": "",
    },
    "secretsmanager": {"Name": "secret:", "SecretId": "secret:"},
}
"""The parameters that name a resource, with the type that its ARN has; an ARN names its own."""
_UNASKED = {("AttachPolicy", "policyName"), ("DetachPolicy", "policyName")}
"""Of these, AWS looks at the target only."""


class Rights:
    """Each once, however often it was taken; kept when the account is emptied."""

    def __init__(self) -> None:
        self._taken: dict[str, None] = {}

    def needed(self, call: Call) -> list[dict[str, Any]]:
        """What the call takes, as the account is before it."""
        prefix = _PREFIXES.get(call.service, call.service)
        given = _tags(call.params.get("Tags") or call.params.get("tags") or [])
        found = [
            {
                "call": [call.service, call.operation],
                "action": f"{prefix}:{call.operation}",
                "resource": arn,
                "given": given,
                "carried": _carried(call, arn),
            }
            for arn in dict.fromkeys(_named(call))
        ] or [{"call": [call.service, call.operation], "action": f"{prefix}:{call.operation}", "resource": "*"}]
        if given:
            tagging = f"{prefix}:{_TAGGING.get(call.service, 'TagResource')}"
            made = next(_named(call, _TAGGED.get(call.operation)), found[0]["resource"])
            told = {**found[0], "action": tagging, "resource": made, "carried": _carried(call, made)}
            found += [told] if tagging != found[0]["action"] else []
        return found

    def taken(self, needed: list[dict[str, Any]]) -> None:
        self._taken.update((json.dumps(each, sort_keys=True), None) for each in needed)

    def as_json(self) -> str:
        return f"[{','.join(self._taken)}]"


def _named(call: Call, by: str | None = None) -> Iterator[str]:
    """What the call names, `by` that parameter alone if it is given."""
    for name, type_ in _RESOURCES.get(call.service, {}).items():
        if (call.operation, name) in _UNASKED or by not in (None, name):
            continue
        value = call.params.get(name) or []
        for each in value if isinstance(value, list) else [value]:
            yield each if each.startswith("arn:") else f"arn:aws:{call.service}:{call.region}:{ACCOUNT}:{type_}{each}"


def _carried(call: Call, arn: str) -> Mapping[str, str]:
    """The tags that the resource has; of services whose resources the policy tells by their tags."""
    kind, _, name = arn.split(":", 5)[-1].partition(":")
    if call.service == "rds" and kind in ("db", "snapshot"):
        resource = rds_backends[ACCOUNT][call.region]._get_resource_for_tagging(arn)
        return _tags(resource.get_tags() if resource is not None else [])
    if call.service == "rds" and kind == "deployment":
        deployment = rds_backends[ACCOUNT][call.region].blue_green_deployments.get(name)
        return _tags(deployment.tag_list if deployment is not None else [])
    if call.service == "secretsmanager":
        secrets = secretsmanager_backends[ACCOUNT][call.region].secrets
        return _tags((secrets[arn].tags or []) if arn in secrets else [])
    if call.service == "elasticache":
        found: dict[str, str] = elasticache_backends[ACCOUNT][call.region].tagging_service.get_tag_dict_for_resource(
            arn
        )
        return found
    return {}


def _tags(listed: Any) -> dict[str, str]:
    return {tag["Key"]: tag.get("Value", "") for tag in listed}

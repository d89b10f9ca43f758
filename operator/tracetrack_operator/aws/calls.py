"""Every AWS call the operator makes, with its pace and the permission it needs.

Rates are calls per second and account in one region: 80 % of the service's default quota, so that people and other
tools are left some; 90 % for certificates, by which the making of a fleet is paced. IoT quotas: AWS General Reference,
"AWS IoT Core endpoints and quotas", control plane APIs.
Secrets Manager: 50 writes/s. RDS counts all its calls together, 300 at once and 12/s sustained; so, it is taken,
does ElastiCache. Of the tagging API's, 10/s is taken.
A call that isn't listed is refused before it is sent.
"""

from dataclasses import dataclass
from enum import StrEnum

_SHARE = 0.8
_CERTIFICATE_SHARE = 0.9


class Tagged(StrEnum):
    """Which of a call's resources are allowed, by the tag with this cluster's name.

    OURS carry it, MADE get it with the call, UNCLAIMED carry none of another cluster and get it.
    """

    ANY = "any"
    OURS = "ours"
    MADE = "made"
    UNCLAIMED = "unclaimed"


@dataclass(frozen=True)
class Grant:
    """What a call needs beside its own action: `actions` on `resources`, which are `tagged`."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    tagged: Tagged = Tagged.ANY


@dataclass(frozen=True)
class Call:
    """One operation of one service, by boto3's names; `resources` are ARN patterns without the `arn:aws:` head.

    `beside` are resources that the call names too, which carry no tags of ours.

    `quota` and `burst` count for a service that isn't in `SHARED`. `repeatable` is false where asking twice makes two:
    such a call is never repeated without knowing what became of the first, not even by boto3.
    """

    service: str
    operation: str
    action: str
    quota: float
    resources: tuple[str, ...] = ("*",)
    burst: float = 1.0
    also: tuple[str, ...] = ()
    share: float = _SHARE
    repeatable: bool = True
    tagged: Tagged = Tagged.ANY
    beside: tuple[str, ...] = ()
    grants: tuple[Grant, ...] = ()

    @property
    def rate(self) -> float:
        return self.quota * self.share

    @property
    def actions(self) -> tuple[str, ...]:
        """IAM actions the call needs."""
        return tuple(dict.fromkeys((self.action, *self.also, *(a for grant in self.grants for a in grant.actions))))


@dataclass(frozen=True)
class Statement:
    """Rights on what isn't named by our calls alone; `condition` is IAM's, its values with the same places to fill."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    condition: dict[str, dict[str, str | list[str]]]


@dataclass(frozen=True)
class Quota:
    """Calls per second, and how many at once."""

    rate: float
    burst: float


SHARED: dict[str, Quota] = {
    "rds": Quota(12 * _SHARE, 300 * _SHARE),
    "elasticache": Quota(10 * _SHARE, 10),
}
"""What all calls of a service share in an account and region, where it doesn't count them one by one."""


def pace(call: Call) -> tuple[str, Quota]:
    """The bucket that a call takes its turn from, by name, and how it fills."""
    shared = SHARED.get(call.service)
    return (call.service, shared) if shared else (f"{call.service}.{call.operation}", Quota(call.rate, call.burst))


_THING = ("iot:{region}:{account}:thing/{cluster}_*",)
_GROUP = ("iot:{region}:{account}:thinggroup/{cluster}_*",)
_POLICY = ("iot:{region}:{account}:policy/{cluster}_*",)
_CERT = ("iot:{region}:{account}:cert/*",)
_TYPE = ("iot:{region}:{account}:thingtype/*",)
_SECRET = ("secretsmanager:{region}:{account}:secret:tracetrack/{cluster}/*",)
_DB = ("rds:{region}:{account}:db:*",)
_DB_SNAPSHOT = ("rds:{region}:{account}:snapshot:*-final-*",)
_CACHE_SNAPSHOT = ("elasticache:{region}:{account}:snapshot:*-final-*",)
_DB_NETWORK = ("rds:{region}:{account}:subgrp:*", "rds:{region}:{account}:pg:*", "rds:{region}:{account}:og:*")
_UPGRADE = ("rds:{region}:{account}:deployment:*",)
_CACHE = ("elasticache:{region}:{account}:replicationgroup:*",)
_CACHE_USER = ("elasticache:{region}:{account}:user:*",)
_CACHE_USER_GROUP = ("elasticache:{region}:{account}:usergroup:*",)
_CACHE_TAGGED = (*_CACHE, *_CACHE_USER, *_CACHE_USER_GROUP)
_CACHE_NETWORK = tuple(
    f"elasticache:{{region}}:{{account}}:{type_}:*"
    for type_ in ("parametergroup", "subnetgroup", "securitygroup", "usergroup")
)

_TABLE = (
    Call("iot", "create_thing_type", "iot:CreateThingType", 15, _TYPE),
    Call("iot", "describe_thing_type", "iot:DescribeThingType", 10, _TYPE),
    Call("iot", "create_thing_group", "iot:CreateThingGroup", 25, _GROUP, also=("iot:TagResource",)),
    Call("iot", "describe_thing_group", "iot:DescribeThingGroup", 100, _GROUP),
    Call("iot", "delete_thing_group", "iot:DeleteThingGroup", 15, _GROUP),
    Call("iot", "list_things_in_thing_group", "iot:ListThingsInThingGroup", 25, _GROUP),
    Call("iot", "create_policy", "iot:CreatePolicy", 10, _POLICY, also=("iot:TagResource",)),
    Call("iot", "get_policy", "iot:GetPolicy", 10, _POLICY),
    Call("iot", "create_policy_version", "iot:CreatePolicyVersion", 10, _POLICY),
    Call("iot", "list_policy_versions", "iot:ListPolicyVersions", 10, _POLICY),
    Call("iot", "delete_policy_version", "iot:DeletePolicyVersion", 10, _POLICY),
    Call("iot", "delete_policy", "iot:DeletePolicy", 10, _POLICY),
    Call("iot", "list_targets_for_policy", "iot:ListTargetsForPolicy", 10, _POLICY),
    Call("iot", "create_thing", "iot:CreateThing", 100, _THING + _TYPE),
    Call("iot", "describe_thing", "iot:DescribeThing", 350, _THING),
    Call("iot", "update_thing", "iot:UpdateThing", 100, _THING + _TYPE),
    Call("iot", "delete_thing", "iot:DeleteThing", 100, _THING),
    Call("iot", "list_thing_principals", "iot:ListThingPrincipals", 10, _THING),
    Call("iot", "add_thing_to_thing_group", "iot:AddThingToThingGroup", 100, _THING + _GROUP),
    Call("iot", "remove_thing_from_thing_group", "iot:RemoveThingFromThingGroup", 100, _THING + _GROUP),
    Call(
        "iot",
        "create_certificate_from_csr",
        "iot:CreateCertificateFromCsr",
        10,
        share=_CERTIFICATE_SHARE,
        repeatable=False,
    ),
    Call("iot", "describe_certificate", "iot:DescribeCertificate", 10, _CERT),
    Call("iot", "list_certificates", "iot:ListCertificates", 10),
    Call("iot", "update_certificate", "iot:UpdateCertificate", 10, _CERT),
    Call("iot", "delete_certificate", "iot:DeleteCertificate", 10, _CERT),
    Call("iot", "attach_policy", "iot:AttachPolicy", 15, _CERT),
    Call("iot", "detach_policy", "iot:DetachPolicy", 15, _CERT),
    Call("iot", "attach_thing_principal", "iot:AttachThingPrincipal", 100, _CERT + _THING),
    Call("iot", "detach_thing_principal", "iot:DetachThingPrincipal", 100, _CERT + _THING),
    Call("iot", "describe_endpoint", "iot:DescribeEndpoint", 10),
    Call("iot", "list_tags_for_resource", "iot:ListTagsForResource", 10, _GROUP + _POLICY),
    Call(
        "secretsmanager",
        "create_secret",
        "secretsmanager:CreateSecret",
        50,
        _SECRET,
        also=("secretsmanager:TagResource",),
    ),
    Call("secretsmanager", "get_secret_value", "secretsmanager:GetSecretValue", 500, _SECRET),
    Call("secretsmanager", "put_secret_value", "secretsmanager:PutSecretValue", 50, _SECRET),
    Call("secretsmanager", "describe_secret", "secretsmanager:DescribeSecret", 40, _SECRET),
    Call("secretsmanager", "delete_secret", "secretsmanager:DeleteSecret", 50, _SECRET),
    Call("secretsmanager", "tag_resource", "secretsmanager:TagResource", 50, _SECRET),
    Call("secretsmanager", "restore_secret", "secretsmanager:RestoreSecret", 50, _SECRET),
    Call(
        "rds",
        "create_db_instance",
        "rds:CreateDBInstance",
        12,
        _DB,
        also=("rds:AddTagsToResource",),
        tagged=Tagged.MADE,
        beside=_DB_NETWORK,
    ),
    *(
        Call(
            "rds",
            operation,
            action,
            12,
            _DB,
            also=("rds:AddTagsToResource",),
            tagged=Tagged.MADE,
            beside=(*_DB_NETWORK, "rds:{region}:{account}:snapshot:*"),
        )
        for operation, action in (
            ("restore_db_instance_from_db_snapshot", "rds:RestoreDBInstanceFromDBSnapshot"),
            ("restore_db_instance_to_point_in_time", "rds:RestoreDBInstanceToPointInTime"),
        )
    ),
    Call(
        "rds",
        "create_db_instance_read_replica",
        "rds:CreateDBInstanceReadReplica",
        12,
        _DB,
        also=("rds:AddTagsToResource",),
        tagged=Tagged.MADE,
        beside=_DB_NETWORK,
    ),
    Call("rds", "describe_db_instances", "rds:DescribeDBInstances", 12, _DB),
    Call("rds", "modify_db_instance", "rds:ModifyDBInstance", 12, _DB, tagged=Tagged.OURS, beside=_DB_NETWORK),
    Call("rds", "reboot_db_instance", "rds:RebootDBInstance", 12, _DB, tagged=Tagged.OURS),
    Call("rds", "add_tags_to_resource", "rds:AddTagsToResource", 12, _DB, tagged=Tagged.UNCLAIMED),
    Call(
        "rds",
        "delete_db_instance",
        "rds:DeleteDBInstance",
        12,
        _DB,
        tagged=Tagged.OURS,
        beside=_DB_SNAPSHOT,
        # The final snapshot, which gets the instance's tags: the right to that comes with what is made.
        grants=(
            Grant(("rds:CreateDBSnapshot",), _DB, Tagged.OURS),
            Grant(("rds:CreateDBSnapshot",), _DB_SNAPSHOT),
        ),
    ),
    Call("rds", "describe_blue_green_deployments", "rds:DescribeBlueGreenDeployments", 12, _UPGRADE),
    Call("rds", "describe_db_engine_versions", "rds:DescribeDBEngineVersions", 12),
    Call(
        "rds",
        "create_blue_green_deployment",
        "rds:CreateBlueGreenDeployment",
        12,
        _UPGRADE,
        also=("rds:AddTagsToResource",),
        tagged=Tagged.MADE,
        beside=_DB_NETWORK,
        grants=(
            Grant(("rds:CreateBlueGreenDeployment",), _DB, Tagged.OURS),
            # RDS makes the green instance on our behalf: it has no tags before it is there.
            Grant(("rds:CreateDBInstanceReadReplica",), (*_DB, *_DB_NETWORK)),
        ),
    ),
    Call(
        "rds",
        "switchover_blue_green_deployment",
        "rds:SwitchoverBlueGreenDeployment",
        12,
        _UPGRADE,
        tagged=Tagged.OURS,
        grants=(Grant(("rds:PromoteReadReplica", "rds:ModifyDBInstance"), _DB, Tagged.OURS),),
    ),
    Call(
        "rds",
        "delete_blue_green_deployment",
        "rds:DeleteBlueGreenDeployment",
        12,
        _UPGRADE,
        tagged=Tagged.OURS,
        grants=(Grant(("rds:DeleteDBInstance",), _DB, Tagged.OURS),),
    ),
    Call("rds", "describe_db_snapshots", "rds:DescribeDBSnapshots", 12, ("rds:{region}:{account}:snapshot:*",)),
    Call(
        "elasticache",
        "create_replication_group",
        "elasticache:CreateReplicationGroup",
        10,
        _CACHE,
        also=("elasticache:AddTagsToResource",),
        tagged=Tagged.MADE,
        beside=_CACHE_NETWORK,
    ),
    Call("elasticache", "describe_replication_groups", "elasticache:DescribeReplicationGroups", 10, _CACHE),
    Call(
        "elasticache",
        "describe_cache_clusters",
        "elasticache:DescribeCacheClusters",
        10,
        ("elasticache:{region}:{account}:cluster:*",),
    ),
    Call(
        "elasticache",
        "modify_replication_group",
        "elasticache:ModifyReplicationGroup",
        10,
        _CACHE,
        tagged=Tagged.OURS,
        beside=_CACHE_NETWORK,
    ),
    *(
        Call("elasticache", operation, action, 10, _CACHE, tagged=Tagged.OURS)
        for operation, action in (
            ("increase_replica_count", "elasticache:IncreaseReplicaCount"),
            ("decrease_replica_count", "elasticache:DecreaseReplicaCount"),
        )
    ),
    Call(
        "elasticache",
        "delete_replication_group",
        "elasticache:DeleteReplicationGroup",
        10,
        _CACHE,
        tagged=Tagged.OURS,
        beside=_CACHE_SNAPSHOT,
        grants=(
            Grant(("elasticache:CreateSnapshot",), _CACHE, Tagged.OURS),
            Grant(("elasticache:CreateSnapshot",), _CACHE_SNAPSHOT),
        ),
    ),
    Call(
        "elasticache",
        "describe_snapshots",
        "elasticache:DescribeSnapshots",
        10,
        ("elasticache:{region}:{account}:snapshot:*",),
    ),
    Call(
        "elasticache",
        "add_tags_to_resource",
        "elasticache:AddTagsToResource",
        10,
        _CACHE_TAGGED,
        tagged=Tagged.UNCLAIMED,
    ),
    Call("elasticache", "list_tags_for_resource", "elasticache:ListTagsForResource", 10, _CACHE_TAGGED),
    Call("resourcegroupstaggingapi", "get_resources", "tag:GetResources", 10),
    Call(
        "elasticache",
        "create_user",
        "elasticache:CreateUser",
        10,
        _CACHE_USER,
        also=("elasticache:AddTagsToResource",),
        tagged=Tagged.MADE,
    ),
    Call(
        "elasticache",
        "create_user_group",
        "elasticache:CreateUserGroup",
        10,
        (*_CACHE_USER_GROUP, *_CACHE_USER),
        also=("elasticache:AddTagsToResource",),
        tagged=Tagged.MADE,
    ),
    Call("elasticache", "describe_users", "elasticache:DescribeUsers", 10, _CACHE_USER),
    Call("elasticache", "describe_user_groups", "elasticache:DescribeUserGroups", 10, _CACHE_USER_GROUP),
    Call("elasticache", "modify_user", "elasticache:ModifyUser", 10, _CACHE_USER, tagged=Tagged.OURS),
    Call(
        "elasticache",
        "modify_user_group",
        "elasticache:ModifyUserGroup",
        10,
        (*_CACHE_USER_GROUP, *_CACHE_USER),
        tagged=Tagged.OURS,
    ),
    Call("elasticache", "delete_user", "elasticache:DeleteUser", 10, _CACHE_USER, tagged=Tagged.OURS),
    Call("elasticache", "delete_user_group", "elasticache:DeleteUserGroup", 10, _CACHE_USER_GROUP, tagged=Tagged.OURS),
)

CALLS: dict[tuple[str, str], Call] = {(call.service, call.operation): call for call in _TABLE}

_MANAGED_SECRET = ("secretsmanager:{region}:{account}:secret:rds!db-*",)
STATEMENTS = (
    Statement(
        ("secretsmanager:GetSecretValue",),
        _MANAGED_SECRET,
        {"StringLike": {"aws:ResourceTag/aws:rds:primaryDBInstanceArn": "arn:{partition}:rds:{region}:{account}:db:*"}},
    ),
    Statement(
        ("secretsmanager:CreateSecret", "secretsmanager:TagResource"),
        _MANAGED_SECRET,
        {"ForAnyValue:StringEquals": {"aws:CalledVia": "rds.amazonaws.com"}},
    ),
    Statement(
        ("kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"),
        ("kms:{region}:{account}:key/*",),
        {"ForAnyValue:StringEquals": {"aws:CalledVia": ["rds.amazonaws.com", "secretsmanager.amazonaws.com"]}},
    ),
)
"""For the secrets in which RDS keeps master passwords: RDS makes them with the rights of whoever asks it to."""

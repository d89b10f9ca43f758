"""Every AWS call the operator makes, with its pace and the permission it needs.

Rates are calls per second and account in one region: 80 % of the service's default quota, so that people and other
tools are left some; 90 % for certificates, by which the making of a fleet is paced. IoT quotas: AWS General Reference,
"AWS IoT Core endpoints and quotas", control plane APIs.
RDS: 300 burst, 12/s sustained. Secrets Manager: 50 writes/s.
A call that isn't listed is refused before it is sent.
"""

from dataclasses import dataclass

_SHARE = 0.8
_CERTIFICATE_SHARE = 0.9


@dataclass(frozen=True)
class Call:
    """One operation of one service, by boto3's names; `resources` are ARN patterns without the `arn:aws:` head.

    `repeatable` is false where asking twice makes two: such a call is never repeated without knowing what became of
    the first, not even by boto3.
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

    @property
    def rate(self) -> float:
        return self.quota * self.share

    @property
    def actions(self) -> tuple[str, ...]:
        """IAM actions the call needs."""
        return (self.action, *self.also)


_THING = ("iot:{region}:{account}:thing/{cluster}_*",)
_GROUP = ("iot:{region}:{account}:thinggroup/{cluster}_*",)
_POLICY = ("iot:{region}:{account}:policy/{cluster}_*",)
_CERT = ("iot:{region}:{account}:cert/*",)
_TYPE = ("iot:{region}:{account}:thingtype/*",)
_SECRET = ("secretsmanager:{region}:{account}:secret:tracetrack/{cluster}/*",)
_DB = ("rds:{region}:{account}:db:{cluster}-*",)
_DB_SNAPSHOT = ("rds:{region}:{account}:snapshot:{cluster}-*",)
_DB_NETWORK = ("rds:{region}:{account}:subgrp:*", "rds:{region}:{account}:pg:*", "rds:{region}:{account}:og:*")
_CACHE = ("elasticache:{region}:{account}:replicationgroup:{cluster}-*",)
_CACHE_SNAPSHOT = ("elasticache:{region}:{account}:snapshot:{cluster}-*",)
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
    Call("secretsmanager", "describe_secret", "secretsmanager:DescribeSecret", 40, _SECRET),
    Call("secretsmanager", "delete_secret", "secretsmanager:DeleteSecret", 50, _SECRET),
    Call("secretsmanager", "tag_resource", "secretsmanager:TagResource", 50, _SECRET),
    Call("secretsmanager", "restore_secret", "secretsmanager:RestoreSecret", 50, _SECRET),
    Call(
        "rds",
        "create_db_instance",
        "rds:CreateDBInstance",
        12,
        _DB + _DB_NETWORK,
        burst=20,
        also=("rds:AddTagsToResource",),
    ),
    Call("rds", "describe_db_instances", "rds:DescribeDBInstances", 12, ("rds:{region}:{account}:db:*",), burst=20),
    Call("rds", "modify_db_instance", "rds:ModifyDBInstance", 12, _DB + _DB_NETWORK, burst=20),
    Call("rds", "delete_db_instance", "rds:DeleteDBInstance", 12, _DB + _DB_SNAPSHOT, burst=20),
    Call(
        "rds", "describe_db_snapshots", "rds:DescribeDBSnapshots", 12, ("rds:{region}:{account}:snapshot:*",), burst=20
    ),
    Call(
        "elasticache",
        "create_replication_group",
        "elasticache:CreateReplicationGroup",
        10,
        _CACHE + _CACHE_NETWORK,
        burst=10,
        also=("elasticache:AddTagsToResource",),
    ),
    Call(
        "elasticache",
        "describe_replication_groups",
        "elasticache:DescribeReplicationGroups",
        10,
        ("elasticache:{region}:{account}:replicationgroup:*",),
        burst=10,
    ),
    Call(
        "elasticache",
        "delete_replication_group",
        "elasticache:DeleteReplicationGroup",
        10,
        _CACHE + _CACHE_SNAPSHOT,
        burst=10,
    ),
    Call("elasticache", "list_tags_for_resource", "elasticache:ListTagsForResource", 10, _CACHE, burst=10),
)

CALLS: dict[tuple[str, str], Call] = {(call.service, call.operation): call for call in _TABLE}

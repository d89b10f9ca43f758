"""One accepting and one refusing case for every CEL rule of the custom resources."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]

API_VERSION = "tracetrack.io/v1alpha1"
PLURALS = {
    "TraceTrackDeployment": "tracetrackdeployments",
    "ScannerFleet": "scannerfleets",
    "ScannerSlice": "scannerslices",
}


def deployment(**spec: Any) -> Object:
    base = {"version": "0.1.0", "database": {"provider": "Embedded"}, "cache": {"provider": "Embedded"}}
    return _object("TraceTrackDeployment", spec={**base, **spec})


def fleet(**spec: Any) -> Object:
    return _object("ScannerFleet", spec={"deploymentRef": {"name": "shop"}, **spec})


def scanner_slice(**fields: Any) -> Object:
    return _object("ScannerSlice", **{"fleetRef": {"name": "lucknow", "uid": "u-1"}, "index": 0, **fields})


def named(obj: Object, name: str) -> Object:
    return {**deepcopy(obj), "metadata": {"name": name}}


def _object(kind: str, **fields: Any) -> Object:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": "case"}, **fields}


@dataclass(frozen=True)
class Case:
    """`rule` is how the rule's message begins. With `before`, both objects are updates of it; else they are created."""

    rule: str
    accepted: Object
    refused: Object
    before: Object | None = None

    @property
    def kind(self) -> str:
        return str(self.refused["kind"])

    def __str__(self) -> str:
        return f"{self.kind}: {self.rule}"


def database(provider: str, **sections: Mapping[str, Any]) -> Object:
    return deployment(database={"provider": provider, **sections})


def cache(provider: str, **sections: Mapping[str, Any]) -> Object:
    return deployment(cache={"provider": provider, **sections})


SECRET = {"secretRef": {"name": "theirs"}}
EVERY = {"rotation": {"everyDays": 30}}
WEEKLY = {"schedule": "0 3 * * SUN", "timeZone": "Asia/Kolkata"}
BOUND_DATABASE = {"management": "Bound", "instanceIdentifier": "theirs", "credentialsSecretRef": {"name": "login"}}
BOUND_CACHE = {"management": "Bound", "replicationGroupIdentifier": "theirs", "credentialsSecretRef": {"name": "login"}}
USERS = {"authentication": "Users"}

CASES = [
    Case("metadata.name of a TraceTrackDeployment", named(deployment(), "a" * 40), named(deployment(), "a" * 41)),
    Case("metadata.name of a TraceTrackDeployment", named(deployment(), "a-1"), named(deployment(), "a.b")),
    Case("metadata.name of a TraceTrackDeployment", named(deployment(), "a1"), named(deployment(), "1a")),
    Case("metadata.name of a ScannerFleet", named(fleet(), "f" * 40), named(fleet(), "f" * 41)),
    Case(
        "spec.aws.region can't be changed",
        deployment(aws={"region": "ap-south-1"}, suspend=True),
        deployment(aws={"region": "eu-west-1"}),
        deployment(aws={"region": "ap-south-1"}),
    ),
    Case(
        "spec.aws.region can't be changed",
        deployment(aws={"region": "ap-south-1"}),
        deployment(),
        deployment(aws={"region": "ap-south-1"}),
    ),
    Case(
        "spec.mail needs spec.exposure.host",
        deployment(mail=SECRET, exposure={"host": "trace.example.com"}),
        deployment(mail=SECRET),
    ),
    Case(
        "spec.scaling.maxReplicas must be at least minReplicas",
        deployment(scaling={"minReplicas": 5, "maxReplicas": 5}),
        deployment(scaling={"minReplicas": 21}),
    ),
    Case(
        "spec.resources.limits.cpu must be at least",
        deployment(resources={"requests": {"cpu": 2}, "limits": {"cpu": "2000m"}}),
        deployment(resources={"requests": {"cpu": "1001m"}}),
    ),
    Case(
        "spec.resources.limits.memory must be at least",
        deployment(resources={"requests": {"memory": "1Gi"}, "limits": {"memory": "1024Mi"}}),
        deployment(resources={"limits": {"memory": "191Mi"}}),
    ),
    Case("spec.database.rds applies to", database("RDS", rds={}), database("Embedded", rds={})),
    Case(
        "spec.database.external applies to",
        database("External", external=SECRET),
        database("Embedded", external=SECRET),
    ),
    Case(
        "spec.database.rds.instanceIdentifier is required with management Bound",
        database("RDS", rds=BOUND_DATABASE),
        database("RDS", rds={"management": "Bound", "credentialsSecretRef": {"name": "login"}}),
    ),
    Case(
        "spec.database.rds.credentialsSecretRef belongs to management Bound",
        database("RDS", rds=BOUND_DATABASE),
        database("RDS", rds={"credentialsSecretRef": {"name": "login"}}),
    ),
    Case(
        "spec.database.rds.credentialsSecretRef belongs to management Bound",
        database("RDS", rds=BOUND_DATABASE),
        database("RDS", rds={"management": "Bound", "instanceIdentifier": "theirs"}),
    ),
    Case(
        "spec.cache.elasticache.replicationGroupIdentifier is required with management Bound",
        cache("ElastiCache", elasticache=BOUND_CACHE),
        cache("ElastiCache", elasticache={"management": "Bound", "credentialsSecretRef": {"name": "login"}}),
    ),
    Case(
        "spec.cache.elasticache.credentialsSecretRef belongs to management Bound",
        cache("ElastiCache", elasticache=BOUND_CACHE),
        cache("ElastiCache", elasticache={"credentialsSecretRef": {"name": "login"}}),
    ),
    Case(
        "spec.database.rds.databaseName can't be changed",
        database("RDS", rds={"databaseName": "bags", "multiAZ": False}),
        database("RDS", rds={"databaseName": "others"}),
        database("RDS", rds={"databaseName": "bags"}),
    ),
    Case(
        "spec.database.rds.storageIops needs allocatedStorageGiB",
        database("RDS", rds={"allocatedStorageGiB": 400, "storageIops": 12000}),
        database("RDS", rds={"allocatedStorageGiB": 399, "storageIops": 12000}),
    ),
    Case(
        "spec.database.rds.storageThroughputMiBps needs allocatedStorageGiB",
        database("RDS", rds={"allocatedStorageGiB": 400, "storageThroughputMiBps": 500}),
        database("RDS", rds={"storageThroughputMiBps": 500}),
    ),
    Case(
        "spec.database.restoreFrom takes either",
        database("RDS", restoreFrom={"snapshotIdentifier": "s"}),
        database("RDS", restoreFrom={"snapshotIdentifier": "s", "pointInTime": {"instanceIdentifier": "i"}}),
    ),
    Case(
        "spec.database.restoreFrom takes either",
        database("RDS", restoreFrom={"pointInTime": {"instanceIdentifier": "i", "time": "2026-11-23T14:05:00Z"}}),
        database("RDS", restoreFrom={}),
    ),
    Case(
        "spec.database.drill applies to provider RDS only",
        database("RDS", drill=WEEKLY),
        database("Embedded", drill=WEEKLY),
    ),
    Case(
        "spec.database.drill.schedule must be a cron expression",
        database("RDS", drill={"schedule": "5 3-23/4 1,15 JAN-MAR 7"}),
        database("RDS", drill={"schedule": "*/5 * * * *"}),
    ),
    Case(
        "spec.database.drill.timeZone is that of a schedule",
        database("RDS", drill={}),
        database("RDS", drill={"timeZone": "Asia/Kolkata"}),
    ),
    Case(
        "spec.database.restoreFrom applies to provider RDS only",
        database("RDS", restoreFrom={"snapshotIdentifier": "s"}),
        database("Embedded", restoreFrom={"snapshotIdentifier": "s"}),
    ),
    Case(
        "spec.database.rds.readReplicas need automatic backups",
        database("RDS", rds={"backupRetentionDays": 1, "readReplicas": [{"name": "a"}, {"name": "b"}]}),
        database("RDS", rds={"backupRetentionDays": 0, "readReplicas": [{"name": "a"}]}),
    ),
    Case(
        "spec.database.rds.readReplicas do not apply to management Bound",
        database("RDS", rds={**BOUND_DATABASE, "readReplicas": []}),
        database("RDS", rds={**BOUND_DATABASE, "readReplicas": [{"name": "a"}]}),
    ),
    Case(
        "spec.database.rds.readReplicas can't be had with masterCredentials ManagedByRDS",
        database("RDS", rds={"masterCredentials": "ManagedByRDS", "readReplicas": []}),
        database("RDS", rds={"masterCredentials": "ManagedByRDS", "readReplicas": [{"name": "a"}]}),
    ),
    Case(
        "spec.database.rds.readReplicas[].name can't be drill",
        database("RDS", rds={"readReplicas": [{"name": "drills"}, {"name": "old"}]}),
        database("RDS", rds={"readReplicas": [{"name": "old1"}]}),
    ),
    Case(
        "spec.database.rds.readReplicas[].availabilityZone can't be chosen with multiAZ",
        database("RDS", rds={"readReplicas": [{"name": "a", "availabilityZone": "ap-south-1b"}]}),
        database("RDS", rds={"readReplicas": [{"name": "a", "availabilityZone": "ap-south-1b", "multiAZ": True}]}),
    ),
    Case("spec.database.embedded applies to", database("Embedded", embedded={}), database("RDS", embedded={})),
    Case(
        "spec.database.external.secretRef.name is required", database("External", external=SECRET), database("External")
    ),
    Case(
        "spec.database.provider can't be changed",
        deployment(version="0.2.0"),
        database("External", external=SECRET),
        deployment(),
    ),
    Case(
        "spec.database.embedded.storage can't shrink",
        database("Embedded", embedded={"storage": "1Ti"}),
        database("Embedded", embedded={"storage": "900Gi"}),
        database("Embedded", embedded={"storage": "1000Gi"}),
    ),
    Case(
        "spec.database.embedded.storage can't shrink",
        database("Embedded", embedded={"storage": "10Gi"}),
        database("Embedded", embedded={"storage": "9Gi"}),
        database("Embedded"),
    ),
    Case(
        "spec.database.embedded.storage can't shrink",
        database("Embedded", embedded={"storage": "20Gi"}),
        database("Embedded"),
        database("Embedded", embedded={"storage": "11Gi"}),
    ),
    Case(
        "spec.database.rds.allocatedStorageGiB can't shrink",
        database("RDS", rds={"allocatedStorageGiB": 60}),
        database("RDS", rds={"allocatedStorageGiB": 49}),
        database("RDS"),
    ),
    Case(
        "spec.database.rds.allocatedStorageGiB can't shrink",
        database("RDS", rds={"allocatedStorageGiB": 100, "multiAZ": False}),
        database("RDS"),
        database("RDS", rds={"allocatedStorageGiB": 100}),
    ),
    Case(
        "spec.database.rds.instanceIdentifier can't be changed",
        database("RDS", rds={"instanceIdentifier": "one", "instanceClass": "db.r7g.large"}),
        database("RDS", rds={"instanceIdentifier": "two"}),
        database("RDS", rds={"instanceIdentifier": "one"}),
    ),
    Case(
        "spec.database.rds.instanceIdentifier can't be changed",
        database("RDS", rds={}),
        database("RDS", rds={"instanceIdentifier": "two"}),
        database("RDS"),
    ),
    Case(
        "spec.maintenanceWindow ends when it begins",
        deployment(maintenanceWindow="sun:02:00-mon:02:00"),
        deployment(maintenanceWindow="sun:02:00-sun:02:00"),
    ),
    Case(
        "spec.database.rds.maxAllocatedStorageGiB must be at least",
        database("RDS", rds={"maxAllocatedStorageGiB": 55}),
        database("RDS", rds={"maxAllocatedStorageGiB": 54}),
    ),
    *(
        Case(f"spec.{field}.rotation applies to", make(provider, **EVERY), make("Embedded", **EVERY))
        for field, make, provider in (("database", database, "RDS"), ("cache", cache, "ElastiCache"))
    ),
    Case(
        "spec.database.rotation does not apply to management Bound",
        database("RDS", rds=BOUND_DATABASE),
        database("RDS", rds=BOUND_DATABASE, **EVERY),
    ),
    Case(
        "spec.cache.rotation does not apply to management Bound",
        cache("ElastiCache", elasticache=BOUND_CACHE),
        cache("ElastiCache", elasticache=BOUND_CACHE, **EVERY),
    ),
    *(
        Case(
            f"spec.{path} does not apply to management Bound",
            make(provider, **{section: bound}),
            make(provider, **{section: {**bound, path.rpartition(".")[2]: value}}),
        )
        for path, value, make, provider, section, bound in (
            ("cache.elasticache.authentication", "Users", cache, "ElastiCache", "elasticache", BOUND_CACHE),
            ("database.rds.masterCredentials", "ManagedByRDS", database, "RDS", "rds", BOUND_DATABASE),
        )
    ),
    *(
        Case(
            "spec.cache.elasticache.authentication can't go back from Users",
            cache("ElastiCache", elasticache={**USERS, "replicas": 2}),
            back,
            cache("ElastiCache", elasticache=USERS),
        )
        for back in (cache("ElastiCache", elasticache={"authentication": "Token"}), cache("ElastiCache"))
    ),
    Case(
        "spec.database.rds.masterSecretKmsKeyId applies to",
        database("RDS", rds={"masterCredentials": "ManagedByRDS", "masterSecretKmsKeyId": "alias/ours"}),
        database("RDS", rds={"masterSecretKmsKeyId": "alias/ours"}),
    ),
    Case("spec.cache.elasticache applies to", cache("ElastiCache", elasticache={}), cache("Embedded", elasticache={})),
    Case("spec.cache.external applies to", cache("External", external=SECRET), cache("Embedded", external=SECRET)),
    Case("spec.cache.embedded applies to", cache("Embedded", embedded={}), cache("ElastiCache", embedded={})),
    Case("spec.cache.external.secretRef.name is required", cache("External", external=SECRET), cache("External")),
    Case("spec.cache.provider can't be changed", deployment(suspend=True), cache("ElastiCache"), deployment()),
    Case(
        "spec.cache.embedded.storage can't shrink",
        cache("Embedded", embedded={"storage": "2048Mi"}),
        cache("Embedded", embedded={"storage": "1023Mi"}),
        cache("Embedded"),
    ),
    Case(
        "spec.cache.elasticache.replicationGroupIdentifier can't be changed",
        cache("ElastiCache", elasticache={"replicationGroupIdentifier": "one", "replicas": 2}),
        cache("ElastiCache"),
        cache("ElastiCache", elasticache={"replicationGroupIdentifier": "one"}),
    ),
    Case(
        "spec.exposure.tls needs spec.exposure.host",
        deployment(exposure={"host": "t.example.com", "tls": {"secretName": "s"}}),
        deployment(exposure={"tls": {"secretName": "s"}}),
    ),
    Case(
        "spec.exposure.ingressClassName and annotations need",
        deployment(exposure={"host": "t.example.com", "ingressClassName": "alb", "annotations": {"a": "b"}}),
        deployment(exposure={"ingressClassName": "alb"}),
    ),
    Case(
        "spec.exposure.ingressClassName and annotations need",
        deployment(exposure={"service": {"annotations": {"a": "b"}}}),
        deployment(exposure={"annotations": {"a": "b"}}),
    ),
    Case(
        "spec.exposure.service.nodePort applies to",
        deployment(exposure={"service": {"type": "NodePort", "nodePort": 30080}}),
        deployment(exposure={"service": {"nodePort": 30080}}),
    ),
    Case(
        "spec.rollout.maxSurge and maxUnavailable can't both be 0",
        deployment(rollout={"maxSurge": 0, "maxUnavailable": "25%"}),
        deployment(rollout={"maxSurge": "0%"}),
    ),
    Case(
        "spec.rollout.maxSurge and maxUnavailable can't both be 0",
        deployment(rollout={"maxSurge": 0, "maxUnavailable": 1}),
        deployment(rollout={"maxSurge": 0}),
    ),
    Case(
        "spec.rollout.preStopSeconds must be less",
        deployment(rollout={"preStopSeconds": 9, "terminationGracePeriodSeconds": 10}),
        deployment(rollout={"preStopSeconds": 60}),
    ),
    Case(
        "spec.naming.prefix can't be changed",
        fleet(naming={"prefix": "case-"}),
        fleet(naming={"prefix": "other-"}),
        fleet(),
    ),
    Case(
        "spec.naming.prefix can't be changed",
        fleet(naming={"prefix": "gate-"}, replicas=2),
        fleet(),
        fleet(naming={"prefix": "gate-"}),
    ),
    Case(
        "spec.replicas doesn't fit in",
        fleet(replicas=99, naming={"digits": 2}),
        fleet(replicas=100, naming={"digits": 2}),
    ),
    Case("spec.replicas doesn't fit in", fleet(replicas=9999), fleet(replicas=10_000)),
    Case(
        "spec.naming.digits can't be changed",
        fleet(naming={"digits": 3}, replicas=0),
        fleet(naming={"digits": 4}),
        fleet(naming={"digits": 3}),
    ),
    Case(
        "spec.deploymentRef.name can't be changed",
        fleet(suspend=True),
        fleet(deploymentRef={"name": "other"}),
        fleet(),
    ),
    Case(
        "spec.attributes has a name that AWS IoT refuses",
        fleet(attributes={"site:gate/1#a@b": "[x]=1"}),
        fleet(attributes={"the site": "x"}),
    ),
    Case(
        "spec.attributes has a name that AWS IoT refuses",
        fleet(attributes={"s" * 128: ""}),
        fleet(attributes={"s" * 129: ""}),
    ),
    Case(
        "spec.attributes can't have tracetrack-uid",
        fleet(attributes={"tracetrack-site": "x"}),
        fleet(attributes={"tracetrack-uid": "x"}),
    ),
    Case(
        "spec.credentials.keyGeneration can only grow",
        fleet(credentials={"keyGeneration": 3}),
        fleet(),
        fleet(credentials={"keyGeneration": 2}),
    ),
    Case(
        "fleetRef can't be changed",
        scanner_slice(scanners=[{"name": "a-1", "thingName": "t"}]),
        scanner_slice(fleetRef={"name": "lucknow", "uid": "u-2"}),
        scanner_slice(),
    ),
    Case("index can't be changed", scanner_slice(), scanner_slice(index=1), scanner_slice()),
]

"""The table of changes of a read replica, and what it is made with. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ....api.replicas import ReadReplica
from ....dependencies.cloud.fields import Field, Item
from ....engine.plan import Disruption
from ..fields import MODIFY
from ..fields import TABLE as OF_PRIMARY

_AS_PRIMARY = (
    "engineVersion",
    "allocatedStorageGiB",
    "maxAllocatedStorageGiB",
    "storageIops",
    "storageThroughputMiBps",
    "storageType",
    "securityGroupIds",
    "parameterGroupName",
    "parametersInForce",
    "maintenanceWindow",
    "performanceInsights",
    "caCertificateIdentifier",
    "publiclyAccessible",
    "autoMinorVersionUpgrade",
    "copyTagsToSnapshot",
)
_BY_NAME = {field.name: field for field in OF_PRIMARY}

OWN: tuple[Field, ...] = (
    replace(
        _BY_NAME["instanceClass"],
        why="the replica moves to another machine; what is read from it is read from the primary meanwhile.",
    ),
    _BY_NAME["multiAZ"],
    Field(
        "availabilityZone",
        "AvailabilityZone",
        lambda item: item.get("AvailabilityZone"),
        Disruption.REPLACE,
        MODIFY,
        "a replica stays in its zone: restore the field.",
        way="To move: kubectl edit ttd {name}, another replica with that zone under readReplicas, and this one removed "
        "when ReplicasReady is True.",
    ),
)
"""What the spec says of each."""
TABLE: tuple[Field, ...] = (*OWN, *(_BY_NAME[name] for name in _AS_PRIMARY))

_GIVEN = frozenset(
    {
        "instanceClass",
        "multiAZ",
        "availabilityZone",
        "maxAllocatedStorageGiB",
        "storageIops",
        "storageThroughputMiBps",
        "securityGroupIds",
        "performanceInsights",
        "caCertificateIdentifier",
        "publiclyAccessible",
        "autoMinorVersionUpgrade",
        "copyTagsToSnapshot",
    }
)
"""What the creation takes; the rest is as the primary has it, or set afterwards."""


def declared(wanted: ReadReplica, of_primary: Mapping[str, Any], primary: Item, item: Item | None) -> dict[str, Any]:
    """The wanted value of every field; None where it is left to AWS. `of_primary` is what is declared of that."""
    version = str(of_primary["engineVersion"])
    actual = str((item or primary).get("EngineVersion", ""))
    return {
        **{name: of_primary[name] for name in _AS_PRIMARY},
        # A major upgrade of the primary takes its replicas along.
        "engineVersion": version if actual.partition(".")[0] == version.partition(".")[0] else None,
        # It has to hold what the primary holds, whose storage may have grown by itself.
        "allocatedStorageGiB": max(of_primary["allocatedStorageGiB"], int(primary.get("AllocatedStorage") or 0)),
        "securityGroupIds": of_primary["securityGroupIds"] or _BY_NAME["securityGroupIds"].actual(primary) or None,
        "instanceClass": wanted.instance_class or of_primary["instanceClass"],
        "multiAZ": wanted.multi_az,
        "availabilityZone": wanted.availability_zone,
    }


def created_with(values: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of the creation, from what is declared."""
    given = {**values, "maxAllocatedStorageGiB": values["maxAllocatedStorageGiB"] or None}
    return {
        field.parameter: given[field.name] for field in TABLE if field.name in _GIVEN and given[field.name] is not None
    }


def agreed_at_creation(values: Mapping[str, Any]) -> dict[str, Any]:
    """What it is left to have from its primary is changed like any field of the spec, once it is there."""
    return {name: values[name] if name in _GIVEN else None for name in values}

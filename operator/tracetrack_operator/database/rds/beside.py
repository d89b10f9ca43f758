"""What changes of the fields do that are no row of the table of changes."""

from __future__ import annotations

from ...dependencies.cloud.reference import CREDENTIALS, MANAGEMENT, Beside
from ...engine.plan import Disruption

BESIDE: tuple[Beside, ...] = (
    Beside(
        "instanceIdentifier",
        (Disruption.REPLACE,),
        "the API server refuses another one: kubectl tracetrack restore demo --to demo-2 --latest takes the data to a "
        "new TraceTrackDeployment.",
    ),
    MANAGEMENT,
    CREDENTIALS,
    Beside(
        "databaseName",
        (Disruption.REPLACE,),
        "the API server refuses another one, since the data would stay behind in the former one: restore the field.",
    ),
    Beside("majorUpgrade", (Disruption.ONLINE,), "how the next upgrade goes; none is begun by it."),
    Beside(
        "readReplicas",
        (Disruption.ONLINE,),
        "replicas are made beside what serves, and deleted when they are removed from the list. Their own fields are "
        "told below.",
        "CreateDBInstanceReadReplica, DeleteDBInstance",
    ),
    Beside(
        "restoreFrom",
        (Disruption.ONLINE,),
        "(of spec.database) looked at when the instance is made, and never again. Earlier data is had beside it: "
        "kubectl tracetrack restore demo --to demo-2 --latest.",
    ),
)

OF_REPLICA: tuple[Beside, ...] = (
    Beside(
        "name",
        (Disruption.ONLINE,),
        "another name is another replica: that one is made, and this one deleted.",
        "CreateDBInstanceReadReplica, DeleteDBInstance",
    ),
)

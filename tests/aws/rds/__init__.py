"""Corrections to moto's RDS: states with a clock, a real PostgreSQL, the refusals of the real service."""

from __future__ import annotations

from moto.rds.responses import RDSResponse

from tests.aws.estate import Estate
from tests.aws.patch import forbid
from tests.aws.rds import (
    bluegreen,
    changes,
    credentials,
    deletion,
    instances,
    parameters,
    reboot,
    replicas,
    restore,
    snapshots,
    stale,
    tags,
    versions,
)

_UNREAL = "no real server would stand behind it"


def install(estate: Estate) -> None:
    """Put the corrections in place; `estate` makes the PostgreSQL servers."""
    credentials.install()
    instances.install(estate)
    changes.install(estate)
    deletion.install(estate)
    reboot.install(estate)
    parameters.install(estate)
    snapshots.install(estate)
    restore.install(estate)
    replicas.install(estate)
    bluegreen.install(estate)
    tags.install()
    versions.install()
    stale.install(estate)
    for name in ("create_db_cluster", "stop_db_instance", "start_db_instance", "copy_db_snapshot"):
        forbid(RDSResponse, name, _UNREAL)

"""For a while after a write, describes may show what was before it."""

from __future__ import annotations

import copy
from typing import Any

from moto.core.responses import BaseResponse
from moto.rds.responses import RDSResponse

from tests.aws.estate import Estate

_INSTANCES = ("DBInstanceIdentifier", "SourceDBInstanceIdentifier", "TargetDBInstanceIdentifier")
_SNAPSHOTS = ("DBSnapshotIdentifier", "FinalDBSnapshotIdentifier")


def _frozen(resource: Any) -> Any:
    """The object as it is now, its state included."""
    still = copy.copy(resource)
    still.frozen = {"status": resource.status, "port": None}
    backing = resource.__dict__.get("backing")
    if backing is not None:
        still.frozen["port"] = backing.port
        still.pending, still.replicas = dict(resource.pending), list(resource.replicas)
    return still


def install(estate: Estate) -> None:
    def note(backend: Any, asked: Any) -> None:
        arn = str(asked.get("ResourceName") or "")
        kind, _, tagged = arn.split(":", 5)[-1].partition(":")
        instances = {asked[name] for name in _INSTANCES if asked.get(name)} | ({tagged} if kind == "db" else set())
        snapshots = {asked[name] for name in _SNAPSHOTS if asked.get(name)} | (
            {tagged} if kind == "snapshot" else set()
        )
        for of, names, live in (
            ("db", instances, backend.databases),
            ("snapshot", snapshots, backend.database_snapshots),
        ):
            for name in names:
                key = name.rsplit(":", 1)[-1].lower() if of == "db" else name.split(":snapshot:")[-1].lower()
                estate.views.written(of, key, live.get(key), _frozen)

    def call_action(self: Any) -> Any:
        if estate.views.lagging and not self._get_action().startswith(("Describe", "List")):
            note(self.backend, self.params)
        return BaseResponse.call_action(self)

    setattr(RDSResponse, "call_action", call_action)  # noqa: B010

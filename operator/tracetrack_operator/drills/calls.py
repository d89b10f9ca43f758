"""The calls that drills make: as data, and made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..api.constants import DRILL
from ..aws.client import AwsPort
from ..aws.errors import AwsAlreadyExists, AwsConflict, AwsNotFound
from ..aws.inventory import Inventory
from ..aws.ownership import UID, tag_list, tag_map, tags
from ..database.rds.provider import NAMING
from ..dependencies.binding import DatabaseBinding
from ..dependencies.cloud.asked import Asked
from ..dependencies.protocol import Scope
from ..engine.errors import ReconcileError, TerminalError
from ..engine.plan import Disruption, Executor
from .actions import DrillCall, OpenScratch, RemoveScratch, RestoreScratch
from .decide import Call, Decision, Facts, Item
from .record import Record, Run, told

Live = Callable[[str, str | None], Awaitable[Item | None]]


def of(
    decision: Decision,
    facts: Facts,
    scope: Scope,
    cluster: str,
    instance_class: str | None,
    binding: DatabaseBinding | None,
) -> DrillCall | None:
    """The call that was decided on. Pure."""
    region, run = scope.spec.aws.region, decision.record.current
    if decision.call is Call.REMOVE:
        return remove_scratch(facts, region)
    if decision.call is Call.RESTORE and run is not None and facts.primary is not None:
        labels = {**tags(scope.owner, cluster), DRILL: told(run.started)}
        given = _restore(facts.name, run, facts.primary, instance_class, labels)
        return _call(RestoreScratch, "restore_db_instance_from_db_snapshot", facts, region, run, given)
    if decision.call is Call.OPEN and run is not None and binding is not None:
        given = {
            "DBInstanceIdentifier": facts.name,
            "MasterUserPassword": binding.password,
            "ApplyImmediately": True,
        }
        return _call(OpenScratch, "modify_db_instance", facts, region, run, given)
    return None


def remove_scratch(facts: Facts, region: str | None) -> RemoveScratch:
    given = {"DBInstanceIdentifier": facts.name, "SkipFinalSnapshot": True, "DeleteAutomatedBackups": True}
    where = (facts.what, NAMING.service, "delete_db_instance", region, given)
    return RemoveScratch(*where, name=facts.name, uid=facts.uid, started=facts.began, disruption=Disruption.NONE)


def _call(
    type_: type[DrillCall], operation: str, facts: Facts, region: str | None, run: Run, given: Mapping[str, Any]
) -> DrillCall:
    where = (facts.what, NAMING.service, operation, region, given)
    return type_(*where, name=facts.name, uid=facts.uid, started=told(run.started), disruption=Disruption.NONE)


def _restore(
    name: str, run: Run, primary: Item, instance_class: str | None, labels: Mapping[str, str]
) -> dict[str, Any]:
    """In one zone, without backups, else where and as the database is."""
    # A group is of one major version, which the snapshot may be older than.
    fits = _major(run.engine) == _major(str(primary.get("EngineVersion", "")))
    groups = (primary.get("DBParameterGroups") or []) if fits else []
    security = [each["VpcSecurityGroupId"] for each in primary.get("VpcSecurityGroups") or []]
    found = {
        "DBInstanceIdentifier": name,
        "DBSnapshotIdentifier": run.snapshot,
        "DBInstanceClass": instance_class or primary["DBInstanceClass"],
        "DBSubnetGroupName": (primary.get("DBSubnetGroup") or {}).get("DBSubnetGroupName"),
        "VpcSecurityGroupIds": sorted(security) or None,
        "DBParameterGroupName": groups[0]["DBParameterGroupName"] if groups else None,
        "CACertificateIdentifier": primary.get("CACertificateIdentifier"),
        "MultiAZ": False,
        "PubliclyAccessible": False,
        "DeletionProtection": False,
        "AutoMinorVersionUpgrade": False,
        "CopyTagsToSnapshot": False,
        "BackupRetentionPeriod": 0,
        "Tags": tag_list(labels),
    }
    return {key: value for key, value in found.items() if value is not None}


def _major(version: str) -> str:
    return version.partition(".")[0]


@dataclass(frozen=True)
class Noted:
    """What kept a drill's last call from being done. `final`: trying again won't change it."""

    started: str = ""
    text: str = ""
    final: bool = False


class DrillCalls:
    """Makes them, and remembers what went wrong until it goes well: for people, and for drills that never will."""

    def __init__(self, aws: AwsPort, inventory: Inventory, live: Live, forget_check: Callable[[str], None]) -> None:
        self._aws = aws
        self._inventory = inventory
        self._live = live
        self._forget_check = forget_check
        self._asked = Asked()
        self._noted: dict[str, Noted] = {}

    def register(self, executor: Executor) -> None:
        executor.register(RestoreScratch, self.restore)
        executor.register(OpenScratch, self.open)
        executor.register(RemoveScratch, self.remove)

    def opened(self, uid: str, began: str) -> bool:
        """Whether the password was set a moment ago."""
        return ("password", began) in self._asked.of(uid)

    def problem(self, uid: str, record: Record | None) -> Noted:
        """What went wrong; `final` only for the drill under way."""
        noted, run = self._noted.get(uid, Noted()), record.current if record is not None else None
        own = run is not None and noted.started == told(run.started)
        return noted if own else replace(noted, final=False)

    def forget(self, uid: str) -> None:
        self._noted.pop(uid, None)

    async def restore(self, action: RestoreScratch) -> None:
        """One that exists was made by an earlier call, or is somebody else's: the next look tells by the tags."""
        try:
            await self._make(action)
        except AwsAlreadyExists:
            self._noted.pop(action.uid, None)

    async def open(self, action: OpenScratch) -> None:
        await self._make(action)
        self._asked.remember(action.uid, [("password", action.started)])
        self._forget_check(action.uid)

    async def remove(self, action: RemoveScratch) -> None:
        item = await self._live(action.name, action.region)
        found = tag_map((item or {}).get("TagList", []))
        self._inventory.expire(action.service, action.region, action.name)
        if found.get(UID) != action.uid or not found.get(DRILL):
            return
        try:
            await self._make(action)
        except (AwsConflict, AwsNotFound):
            # It is busy, or gone: the next look tells.
            self._noted.pop(action.uid, None)

    async def _make(self, action: DrillCall) -> None:
        try:
            await self._aws.call(action.service, action.operation, region=action.region, **action.parameters)
        except ReconcileError as error:
            no_source = isinstance(error, AwsNotFound) and isinstance(action, RestoreScratch)
            final = isinstance(error, TerminalError) or no_source
            self._noted[action.uid] = Noted(action.started, str(error), final)
            raise
        finally:
            self._inventory.expire(action.service, action.region, action.name)
        self._noted.pop(action.uid, None)

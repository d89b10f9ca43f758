"""The end of a DB instance, by the owner's deletionPolicy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from ...api.cloud import DriftPolicy
from ...api.conditions import Reason
from ...api.deployment import DeletionPolicy
from ...aws.ownership import UID, describe_owner, tag_map
from ...dependencies.cloud.credentials import agreed_of
from ...dependencies.cloud.ending import ASKED_AGAIN_SECONDS, Copies, Ending
from ...dependencies.cloud.fields import Item, Origin, origin_of
from ...dependencies.cloud.naming import policy_of, raw
from ...engine.errors import WaitingError
from ...engine.objects import Object
from ...kube.namespaces import is_terminating
from .fields import TABLE
from .replicas.calls import ReplicaCalls
from .replicas.found import REPLICAS

COPIES = Copies("DB snapshot", "describe_db_snapshots", "DBSnapshotIdentifier", "DBSnapshots", "Status")
_DECLARED, _BY_HAND = "spec.database.rds.deletionProtection", "somebody protected it in AWS"
_PROTECTION = next(field for field in TABLE if field.name == "deletionProtection")


async def delete(ending: Ending, replicas: ReplicaCalls, owner: Object, name: str, item: Item | None) -> str:
    """What became of the instance, `item` as AWS describes it now; called again until it returns.

    Its replicas go before it, and stay with it where it is kept. Raises WaitingError while something is under way.
    """
    if item is None:
        await ending.settled(owner, name)
        return await ending.gone(owner, name)
    metadata, theirs = owner["metadata"], tag_map(item.get("TagList", []))
    uid, namespace, policy = metadata["uid"], metadata["namespace"], policy_of(owner)
    if theirs.get(UID) != uid:
        return f"DB instance {name} is left untouched: it belongs to {describe_owner(theirs)}."
    host = str((item.get("Endpoint") or {}).get("Address", ""))
    beside = " with its read replicas" if item.get(REPLICAS) else ""
    if policy is DeletionPolicy.RETAIN:
        return await ending.kept(owner, name, host, "deletionPolicy Retain", beside)
    protection = await _protection(ending, owner, item)
    if protection:
        if await is_terminating(ending.kube, namespace):
            return await ending.kept(owner, name, host, f"{protection}, and the whole namespace goes", beside)
        raise _protected(owner, name, protection)
    region = raw(owner, "spec", "aws", "region")
    if item.get(REPLICAS):
        await replicas.let_go(item, uid, region, await is_terminating(ending.kube, namespace))
    return await ending.go(owner, name, item, host, _asking(ending, region, item), copied=True)


async def _protection(ending: Ending, owner: Object, item: Item) -> str:
    """What keeps the instance from being deleted; "" for nothing.

    Of one that AWS protects though the spec doesn't ask for that, what a tick would do to it decides: it is set back
    or left.
    """
    if raw(owner, "spec", "database", "rds", "deletionProtection") is not False:
        return _DECLARED
    if not item.get("DeletionProtection"):
        return ""
    origin = origin_of(_PROTECTION, False, agreed_of(await ending.secrets.of(owner)))
    corrected = origin is Origin.HAND and raw(owner, "spec", "driftPolicy") != DriftPolicy.REPORT
    return "" if origin is Origin.SPEC or corrected else _BY_HAND


def _protected(owner: Object, name: str, protection: str) -> WaitingError:
    copy = " after a final snapshot" if policy_of(owner) is DeletionPolicy.SNAPSHOT else ""
    command = f"aws rds modify-db-instance --db-instance-identifier {name} --no-deletion-protection"
    if protection == _DECLARED:
        patch = '\'{"spec":{"database":{"rds":{"deletionProtection":false}}}}\''
        command = f"kubectl patch ttd {owner['metadata']['name']} --type merge -p {patch}"
    return WaitingError(
        Reason.DELETION_PROTECTED,
        f"DB instance {name} is protected against deletion ({protection}). To let it go{copy}: {command}. To keep it, "
        "set spec.deletionPolicy to Retain.",
        retry_after=ASKED_AGAIN_SECONDS,
    )


def _asking(ending: Ending, region: str | None, item: Item) -> Callable[[str], Awaitable[None]]:
    name, aws = item["DBInstanceIdentifier"], ending.calls.aws

    async def ask(snapshot: str) -> None:
        final: dict[str, Any] = {"SkipFinalSnapshot": True, "DeleteAutomatedBackups": True}
        if snapshot:
            final = {"SkipFinalSnapshot": False, "FinalDBSnapshotIdentifier": snapshot}
        if item.get("DeletionProtection"):
            await aws.call(
                "rds",
                "modify_db_instance",
                region=region,
                DBInstanceIdentifier=name,
                DeletionProtection=False,
                ApplyImmediately=False,
            )
        await aws.call("rds", "delete_db_instance", region=region, DBInstanceIdentifier=name, **final)

    return ask

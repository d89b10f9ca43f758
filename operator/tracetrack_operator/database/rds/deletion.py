"""The end of a DB instance, by the owner's deletionPolicy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from ...api.conditions import Reason
from ...api.deployment import DeletionPolicy
from ...aws.ownership import UID, describe_owner, tag_map
from ...dependencies.cloud.ending import ASKED_AGAIN_SECONDS, Copies, Ending
from ...dependencies.cloud.fields import Item
from ...dependencies.cloud.naming import policy_of, raw
from ...engine.errors import WaitingError
from ...engine.objects import Object
from ...kube.namespaces import is_terminating
from .replicas.calls import ReplicaCalls
from .replicas.found import REPLICAS

COPIES = Copies("DB snapshot", "describe_db_snapshots", "DBSnapshotIdentifier", "DBSnapshots", "Status")


async def delete(ending: Ending, replicas: ReplicaCalls, owner: Object, name: str, item: Item | None) -> str:
    """What became of the instance, `item` as AWS describes it now; called again until it returns.

    Its replicas go before it, and stay with it where it is kept. Raises WaitingError while something is under way.
    """
    if item is None:
        return await ending.gone(owner, name)
    metadata, theirs = owner["metadata"], tag_map(item.get("TagList", []))
    uid, namespace, policy = metadata["uid"], metadata["namespace"], policy_of(owner)
    if theirs.get(UID) != uid:
        return f"DB instance {name} is left untouched: it belongs to {describe_owner(theirs)}."
    host = str((item.get("Endpoint") or {}).get("Address", ""))
    beside = " with its read replicas" if item.get(REPLICAS) else ""
    if policy is DeletionPolicy.RETAIN:
        return await ending.kept(owner, name, host, "deletionPolicy Retain", beside)
    if item.get("DeletionProtection") and raw(owner, "spec", "database", "rds", "deletionProtection") is not False:
        if await is_terminating(ending.kube, namespace):
            why = "spec.database.rds.deletionProtection, and the whole namespace goes"
            return await ending.kept(owner, name, host, why, beside)
        raise _protected(owner, name)
    region = raw(owner, "spec", "aws", "region")
    if item.get(REPLICAS):
        await replicas.let_go(item, uid, region, await is_terminating(ending.kube, namespace))
    return await ending.go(owner, name, item, host, _asking(ending, region, item), copied=True)


def _protected(owner: Object, name: str) -> WaitingError:
    copy = " after a final snapshot" if policy_of(owner) is DeletionPolicy.SNAPSHOT else ""
    return WaitingError(
        Reason.DELETION_PROTECTED,
        f"DB instance {name} is protected against deletion. To let it go{copy}: kubectl patch ttd "
        f"{owner['metadata']['name']} --type merge -p "
        '\'{"spec":{"database":{"rds":{"deletionProtection":false}}}}\'. To keep it, set spec.deletionPolicy to '
        "Retain.",
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

"""The end of a DB instance, by the owner's deletionPolicy."""

from __future__ import annotations

from typing import Any

from ...api.conditions import Reason
from ...api.deployment import DeletionPolicy
from ...aws.client import AwsPort
from ...aws.errors import AwsAlreadyExists, AwsConflict, AwsNotFound
from ...aws.inventory import Inventory
from ...aws.ownership import UID, describe_owner, tag_map
from ...dependencies.cloud.credentials import CredentialsSecret
from ...dependencies.cloud.fields import Item
from ...dependencies.cloud.naming import policy_of, raw
from ...engine.errors import TerminalError, WaitingError
from ...engine.objects import Object
from ...engine.ports import KubePort
from ...kube.namespaces import is_terminating
from .replicas.calls import ReplicaCalls
from .replicas.found import REPLICAS

PROTECTED_SECONDS = 60.0


async def delete(
    aws: AwsPort,
    kube: KubePort,
    inventory: Inventory,
    secrets: CredentialsSecret,
    owner: Object,
    name: str,
    item: Item | None,
    pause: float,
    replicas: ReplicaCalls,
) -> str:
    """What became of the instance, `item` as AWS describes it now; called again, after `pause` s, until it returns.

    Its replicas go before it, and stay with it where it is kept. Raises WaitingError while something is under way.
    """
    region, metadata, policy = raw(owner, "spec", "aws", "region"), owner["metadata"], policy_of(owner)
    uid = metadata["uid"]
    if item is not None and tag_map(item.get("TagList", [])).get(UID) != uid:
        theirs = describe_owner(tag_map(item.get("TagList", [])))
        return f"DB instance {name} is left untouched: it belongs to {theirs}."
    if policy is DeletionPolicy.RETAIN:
        return await _kept(item, "deletionPolicy Retain", secrets, owner) if item is not None else ""
    if item is not None and item.get("DeletionProtection") and _protected(owner):
        if await is_terminating(kube, metadata["namespace"]):
            why = "spec.database.rds.deletionProtection, and the whole namespace goes"
            return await _kept(item, why, secrets, owner)
        raise WaitingError(
            Reason.DELETION_PROTECTED,
            f"DB instance {name} is protected against deletion. To let it go"
            f"{' after a final snapshot' if policy is DeletionPolicy.SNAPSHOT else ''}: kubectl patch ttd "
            f"{metadata['name']} --type merge -p "
            '\'{"spec":{"database":{"rds":{"deletionProtection":false}}}}\'. To keep it, set spec.deletionPolicy to '
            "Retain.",
            retry_after=PROTECTED_SECONDS,
        )
    snapshot = f"{name}-final-{uid[:8]}"
    if item is not None:
        if item.get(REPLICAS):
            await replicas.let_go(item, uid, region, await is_terminating(kube, metadata["namespace"]))
        await _end(aws, inventory, item, region, snapshot if policy is DeletionPolicy.SNAPSHOT else None, pause)
    became = f"DB instance {name} is gone, without a copy (deletionPolicy Delete)."
    if policy is not DeletionPolicy.DELETE:
        became = await _final_snapshot(aws, snapshot, region, pause)
    await secrets.forget(owner)
    return became


def _protected(owner: Object) -> bool:
    return raw(owner, "spec", "database", "rds", "deletionProtection") is not False


async def _kept(item: Item, why: str, secrets: CredentialsSecret, owner: Object) -> str:
    where = await secrets.outlive(owner, (item.get("Endpoint") or {}).get("Address", ""))
    beside = " with its read replicas" if item.get(REPLICAS) else ""
    return f"DB instance {item['DBInstanceIdentifier']} is kept{beside} ({why}). {where}"


async def _end(
    aws: AwsPort, inventory: Inventory, item: Item, region: str | None, snapshot: str | None, pause: float
) -> None:
    """Ask for the deletion where it hasn't been, and wait. Raises WaitingError until the instance is gone."""
    name, state = item["DBInstanceIdentifier"], item.get("DBInstanceStatus", "")
    copy = f" after its final snapshot {snapshot}" if snapshot else " without a copy"
    waiting = WaitingError("Deleting", f"DB instance {name} is {state}; it goes{copy}.", retry_after=pause)
    if state == "deleting":
        raise waiting
    final: dict[str, Any] = {"SkipFinalSnapshot": True, "DeleteAutomatedBackups": True}
    if snapshot:
        final = {"SkipFinalSnapshot": False, "FinalDBSnapshotIdentifier": snapshot}
    try:
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
    except AwsAlreadyExists as error:
        raise TerminalError(
            "SnapshotExists",
            f"DB instance {name} can't be deleted: snapshot {snapshot} exists already.",
            "Delete or copy and delete that snapshot, if it isn't the last one you want.",
        ) from error
    except (AwsConflict, AwsNotFound):
        pass
    finally:
        inventory.expire("rds", region, name)
    raise waiting


async def _final_snapshot(aws: AwsPort, snapshot: str, region: str | None, pause: float) -> str:
    try:
        answer = await aws.call("rds", "describe_db_snapshots", region=region, DBSnapshotIdentifier=snapshot)
    except AwsNotFound:
        answer = {}
    found = answer.get("DBSnapshots", [])
    if not found:
        return ""
    state = found[0].get("Status", "")
    if state != "available":
        raise WaitingError("Deleting", f"Final DB snapshot {snapshot} is {state}.", retry_after=pause)
    return f"The data is in DB snapshot {snapshot} (deletionPolicy Snapshot); the instance is deleted."

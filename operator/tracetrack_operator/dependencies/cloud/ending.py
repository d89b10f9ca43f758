"""The end of a cloud object by its owner's deletionPolicy, as far as RDS and ElastiCache have it in common."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from ...api.conditions import Reason
from ...api.deployment import DeletionPolicy
from ...aws.errors import AwsAlreadyExists, AwsConflict, AwsError, AwsNotFound
from ...engine.errors import WaitingError
from ...engine.objects import Object
from ...engine.ports import KubePort
from ...kube.namespaces import is_terminating
from .calls import CloudCalls
from .credentials import CredentialsSecret
from .fields import Item
from .naming import Naming, policy_of, raw

ASKED_AGAIN_SECONDS = 60.0
"""After which what a person has to act on is tried again."""
_AT_REST = frozenset({"stopped"})
_KEY_UNUSABLE = frozenset({"KMSKeyNotAccessibleFault"})
_CREATIONS = ("create_", "restore_")


@dataclass(frozen=True)
class Copies:
    """How a service tells of snapshots: the call, its parameter for the name, and where the answer has the state."""

    what: str
    operation: str
    parameter: str
    items: str
    status_field: str


@dataclass(frozen=True)
class Ending:
    """`calls` are those about the objects that are named by `naming`, `copies` tells of their snapshots."""

    calls: CloudCalls
    kube: KubePort
    secrets: CredentialsSecret
    naming: Naming
    copies: Copies

    def what(self, name: str) -> str:
        return f"{self.naming.what} {name}"

    async def go(
        self, owner: Object, name: str, item: Item, host: str, ask: Callable[[str], Awaitable[object]], copied: bool
    ) -> str:
        """Have `ask` delete `item`, with the name of its final snapshot or "", where that hasn't been done.

        Gives what became of it where AWS can't do as the policy asks and the whole namespace goes: it is kept. Raises
        WaitingError else; `copied` is false for what has no data to copy.
        """
        what, state = self.what(name), str(item.get(self.naming.status_field, ""))
        snapshot = final_snapshot(owner, name) if copied else ""
        copy = f"after its final snapshot {snapshot}" if snapshot else "without a copy"
        told = f"{what} is {state}; it goes {copy}."
        waiting = WaitingError(Reason.DELETING, told, retry_after=self.calls.pause)
        if state == "deleting":
            raise waiting
        try:
            await ask(snapshot)
        except AwsNotFound:
            pass
        except AwsAlreadyExists as error:
            made = await self._state_of(owner, snapshot)
            if made in ("", "creating"):
                # Most likely by a call of ours that what is described of the object doesn't show yet.
                raise waiting from error
            refused = f"{what} can't be deleted: {self.copies.what} {snapshot} exists already, and is {made}."
            remedy = "Delete or copy and delete that snapshot, if it isn't the last one you want."
            return await self.stuck(owner, name, host, WaitingError("SnapshotExists", refused, remedy))
        except AwsError as error:
            conflict = isinstance(error, AwsConflict)
            if (conflict and state in self.naming.broken | _AT_REST) or error.code in _KEY_UNUSABLE:
                return await self.stuck(owner, name, host, self._refused(owner, what, state, snapshot, error))
            if not conflict:
                raise
            refused = f"{told} AWS doesn't take that now: {error.message}"
            raise WaitingError(Reason.DELETING, refused, retry_after=self.calls.pause) from error
        finally:
            self.calls.inventory.expire(self.naming.service, _region(owner), name)
        raise waiting

    def _refused(self, owner: Object, what: str, state: str, snapshot: str, error: AwsError) -> WaitingError:
        words = error.message.rstrip(".")
        if not snapshot:
            remedy = f"See its events in AWS. {_patch(owner, DeletionPolicy.RETAIN, 'To leave it to yourself')}"
            return WaitingError("DeletionRefused", f"{what} is {state}, and can't be deleted: {words}.", remedy)
        refused = f"{what} is {state}, and AWS makes no final snapshot of it: {words}."
        without = _patch(owner, DeletionPolicy.DELETE, "To have it go without a copy")
        kept = _patch(owner, DeletionPolicy.RETAIN, "To keep it")
        return WaitingError("FinalSnapshotRefused", refused, f"{without} {kept}")

    async def stuck(self, owner: Object, name: str, host: str, error: WaitingError) -> str:
        """Raises `error`; where the whole namespace goes, and nobody could be asked, the object is kept instead."""
        if await is_terminating(self.kube, owner["metadata"]["namespace"]):
            return await self.kept(owner, name, host, f"{error.message.rstrip('.')}, and the whole namespace goes")
        raise WaitingError(error.reason, error.message, error.remedy, retry_after=ASKED_AGAIN_SECONDS)

    async def kept(self, owner: Object, name: str, host: str, why: str, beside: str = "") -> str:
        """Save its credentials, reached at `host`; gives what became of it, `beside` told with it."""
        where = await self.secrets.outlive(owner, host)
        return f"{self.what(name)} is kept{beside} ({why}). {where}"

    async def settled(self, owner: Object, name: str) -> None:
        """Of what AWS doesn't show: raises WaitingError while it was asked for so lately that it may yet appear."""
        since = self.calls.changes.now().timestamp() - 2 * self.calls.pause
        begun = self.calls.changes.of(owner["metadata"]["uid"], {})
        asked = begun is not None and begun.operation.startswith(_CREATIONS) and begun.at.timestamp() > since
        # The answer may have been lost, with the operator that asked; the credentials are saved right before.
        saved = await self.secrets.of(owner)
        made = str((saved or {}).get("metadata", {}).get("creationTimestamp") or "")
        if asked or (made and datetime.fromisoformat(made).timestamp() > since):
            told = f"{self.what(name)} was asked for a moment ago, and AWS may not show it yet."
            raise WaitingError(Reason.DELETING, told, retry_after=self.calls.pause)

    async def gone(self, owner: Object, name: str) -> str:
        """What became of the data of what isn't there any more.

        Raises WaitingError until the final snapshot is available.
        """
        policy = policy_of(owner)
        if policy is DeletionPolicy.RETAIN:
            return ""
        if policy is DeletionPolicy.DELETE:
            became = f"{self.what(name)} is gone, without a copy (deletionPolicy Delete)."
        else:
            became = await self._copied(owner, name)
        await self.secrets.forget(owner)
        return became

    async def _copied(self, owner: Object, name: str) -> str:
        snapshot = final_snapshot(owner, name)
        copy = f"{self.copies.what} {snapshot}"
        state = await self._state_of(owner, snapshot)
        if state == "available":
            return f"The data is in {copy} (deletionPolicy Snapshot); {self._deleted()}."
        if state == "failed" and not await is_terminating(self.kube, owner["metadata"]["namespace"]):
            raise WaitingError(
                "FinalSnapshotFailed",
                f"{self.what(name)} is gone, and its final {copy} has failed.",
                "See its events in AWS. Delete it there, or "
                f"{_patch(owner, DeletionPolicy.DELETE, 'to go on without a copy')}",
                retry_after=ASKED_AGAIN_SECONDS,
            )
        if state == "failed":
            return f"{self.what(name)} is gone, and its final {copy} has failed."
        if state:
            raise WaitingError(Reason.DELETING, f"Final {copy} is {state}.", retry_after=self.calls.pause)
        if not await self.secrets.known(owner):
            # Without its credentials, nothing was ever asked for.
            return ""
        return f"{self.what(name)} is not there, and no final {copy} was found: it was removed, or never made."

    def _deleted(self) -> str:
        return f"the {self.naming.what.removeprefix('DB ').lower()} is deleted"

    async def _state_of(self, owner: Object, snapshot: str) -> str:
        """The state of a snapshot; "" where there is none."""
        copies, region = self.copies, _region(owner)
        try:
            answer = await self.calls.aws.call(
                self.naming.service, copies.operation, region=region, **{copies.parameter: snapshot}
            )
        except AwsNotFound:
            return ""
        found = answer.get(copies.items, [])
        return str(found[0].get(copies.status_field, "")) if found else ""


def final_snapshot(owner: Object, name: str) -> str:
    """The name that it has, or would have; "" where the policy asks for none."""
    asked = policy_of(owner) is DeletionPolicy.SNAPSHOT
    return f"{name}-final-{owner['metadata']['uid'][:8]}" if asked else ""


def _patch(owner: Object, policy: DeletionPolicy, purpose: str) -> str:
    patch = f'\'{{"spec":{{"deletionPolicy":"{policy}"}}}}\''
    return f"{purpose}: kubectl patch ttd {owner['metadata']['name']} --type merge -p {patch}."


def _region(owner: Object) -> str | None:
    found = raw(owner, "spec", "aws", "region")
    return str(found) if found else None

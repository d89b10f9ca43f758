"""Makes the calls about read replicas that a plan names, and lets them go with their owner."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass

from ....api.conditions import Reason
from ....aws.errors import AwsAlreadyExists, AwsConflict, AwsNotFound
from ....dependencies.cloud.calls import CloudCalls
from ....dependencies.cloud.fields import Item
from ....dependencies.cloud.refusals import CREATION
from ....engine.errors import TerminalError, WaitingError
from ....engine.plan import Executor
from .actions import AdoptReplica, CreateReplica, ModifyReplica, RemoveReplica, removal
from .found import REPLICAS, follows, own_name
from .outcome import protected

logger = logging.getLogger(__name__)
PROTECTED_SECONDS = 60.0


@dataclass(frozen=True)
class ReplicaCalls:
    """`calls` are those about DB instances."""

    calls: CloudCalls

    def register(self, executor: Executor) -> None:
        executor.register(CreateReplica, self.create)
        executor.register(AdoptReplica, self.calls.adopt)
        executor.register(ModifyReplica, self.calls.modify)
        executor.register(RemoveReplica, self.remove)

    async def create(self, action: CreateReplica) -> None:
        """Raises WaitingError when the primary gives none now, TerminalError when AWS refuses it."""
        try:
            # It may exist by an earlier call whose answer was lost: the next look tells by the tags.
            with suppress(AwsAlreadyExists):
                await self._send(action)
        except (AwsConflict, AwsNotFound) as error:
            raise WaitingError(
                Reason.PROGRESSING, f"{action.what} can't be made now: {error.message}", retry_after=self.calls.pause
            ) from error
        except TerminalError as error:
            self.calls.refusals.remember(action.uid, [CREATION], error)
            raise

    async def remove(self, action: RemoveReplica) -> None:
        """Unless it is no replica of the owner's any more, by what AWS says now."""
        item = await self.calls.live(action.name, action.region)
        self.calls.inventory.expire(action.service, action.region, action.name)
        if item is None or not own_name(item, action.primary, action.uid) or not follows(item):
            return
        if item.get("DBInstanceStatus") == "deleting" or item.get("DeletionProtection"):
            return
        with suppress(AwsConflict, AwsNotFound):
            await self._send(action)

    async def _send(self, action: CreateReplica | RemoveReplica) -> None:
        try:
            await self.calls.aws.call(action.service, action.operation, region=action.region, **action.parameters)
        finally:
            self.calls.inventory.expire(action.service, action.region, action.name)

    async def let_go(self, primary: Item, uid: str, region: str | None, whole_namespace: bool) -> None:
        """Delete those of `primary`, as AWS describes it now, that were made for the owner with `uid`.

        What isn't the owner's, and what is protected while the whole namespace goes, is left: RDS makes it a database
        of its own. Raises WaitingError until the others are gone.
        """
        name = str(primary["DBInstanceIdentifier"])
        going = []
        for each in map(str, primary.get(REPLICAS) or []):
            item = await self.calls.live(each, region)
            if item is None:
                continue
            if not own_name(item, name, uid):
                logger.info("replica is left: it is somebody else's", extra={"replica": each})
            elif item.get("DeletionProtection") and whole_namespace:
                logger.info("replica is left: it is protected", extra={"replica": each})
            elif item.get("DeletionProtection"):
                raise WaitingError(Reason.DELETION_PROTECTED, protected(each), retry_after=PROTECTED_SECONDS)
            else:
                going.append(each)
        for each in going:
            await self.remove(removal(each, name, uid, region))
        if going:
            names = ", ".join(going)
            raise WaitingError(
                Reason.DELETING, f"Read replicas go before their primary: {names}.", retry_after=self.calls.pause
            )

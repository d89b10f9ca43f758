"""The calls of an upgrade, each made after a live look at what it is about where it removes something."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ....api.conditions import Reason
from ....aws.client import AwsPort
from ....aws.errors import AwsAlreadyExists, AwsConflict, AwsNotFound
from ....aws.inventory import Inventory
from ....dependencies.cloud.actions import Modify
from ....dependencies.cloud.asked import Asked
from ....dependencies.cloud.durations import Changes
from ....dependencies.cloud.fields import Item
from ....engine.errors import TerminalError, WaitingError
from .facts import is_of, named_by, superseded_at

CREATE = "create_blue_green_deployment"
SWITCH_OVER = "switchover_blue_green_deployment"
REMOVE = "delete_blue_green_deployment"
MARK = "add_tags_to_resource"
END = "delete_db_instance"
_TIMED = frozenset({CREATE, SWITCH_OVER})
_EXISTS_SECONDS = 60.0


@dataclass(frozen=True)
class UpgradeCall(Modify):
    """A step of an upgrade of the instance `name`; `about` is the other instance that it is about."""

    about: str = ""


@dataclass(frozen=True)
class UpgradeCalls:
    """`live` is the provider's; `pause` in seconds, before another look."""

    aws: AwsPort
    inventory: Inventory
    asked: Asked
    changes: Changes
    live: Callable[[str, str | None], Awaitable[Item | None]]
    pause: float

    async def run(self, action: UpgradeCall) -> None:
        """Raises WaitingError when it can't be done now, TerminalError when AWS refuses it."""
        started = self.changes.now()
        try:
            await self._prepared(action)
            await self._call(action.operation, action.region, action.parameters)
        except AwsAlreadyExists as error:
            # Of a creation, a lost answer looks like this; whose it is, the next look tells by its tags.
            if action.operation == END:
                raise WaitingError(
                    "SnapshotExists",
                    f"The former instance {action.about} can't be deleted: its last snapshot "
                    f"{action.parameters.get('FinalDBSnapshotIdentifier')} exists already: {error.message}",
                    "Delete or copy and delete that snapshot, if it isn't the last one you want.",
                    retry_after=_EXISTS_SECONDS,
                ) from error
        except AwsConflict as error:
            raise WaitingError(
                Reason.MODIFYING, f"{action.what} takes no change now: {error.message}", retry_after=self.pause
            ) from error
        except AwsNotFound as error:
            if action.operation not in (REMOVE, END, MARK):
                raise
            raise WaitingError(Reason.MODIFYING, f"{action.what}: {error.message}", retry_after=self.pause) from error
        except TerminalError as error:
            raise TerminalError(
                error.reason, f"AWS refuses to {action.describe()}: {error.message}", error.remedy
            ) from error
        finally:
            self.expire(action.region, action.name, action.about)
        self.asked.remember(action.uid, action.asked)
        if action.operation in _TIMED:
            self.changes.begin(action.uid, action, started)

    async def _prepared(self, action: UpgradeCall) -> None:
        """What removes something looks first whether it is still ours, and takes its protection away."""
        if action.operation == REMOVE:
            await self._removable(action)
        elif action.operation in (MARK, END):
            item = await self._ours(action, action.about)
            if item is None or (superseded_at(item) is None) is not (action.operation == MARK):
                raise _changed(action, self.pause)
            if action.operation == END:
                await self._unprotect(action, item)

    async def _removable(self, action: UpgradeCall) -> None:
        identifier = action.parameters["BlueGreenDeploymentIdentifier"]
        answer = await self.aws.call(
            "rds", "describe_blue_green_deployments", region=action.region, BlueGreenDeploymentIdentifier=identifier
        )
        found = [each for each in answer.get("BlueGreenDeployments", []) if is_of(each, action.uid)]
        done = "SWITCHOVER_COMPLETED"
        if not found or (found[0].get("Status") == done) is bool(action.parameters.get("DeleteTarget")):
            raise _changed(action, self.pause)
        if action.parameters.get("DeleteTarget"):
            green = await self._ours(action, named_by(str(found[0].get("Target", ""))))
            if green is not None:
                await self._unprotect(action, green)

    async def _ours(self, action: UpgradeCall, identifier: str) -> Item | None:
        item = await self.live(identifier, action.region) if identifier else None
        return item if item is not None and is_of(item, action.uid) else None

    async def _unprotect(self, action: UpgradeCall, item: Item) -> None:
        if item.get("DeletionProtection"):
            name = item["DBInstanceIdentifier"]
            values: dict[str, Any] = {"DBInstanceIdentifier": name, "DeletionProtection": False}
            await self._call("modify_db_instance", action.region, {**values, "ApplyImmediately": False})

    async def _call(self, operation: str, region: str | None, parameters: Mapping[str, Any]) -> None:
        await self.aws.call("rds", operation, region=region, **parameters)

    def expire(self, region: str | None, *names: str) -> None:
        for name in filter(None, names):
            self.inventory.expire("rds", region, name)
            self.inventory.expire_upgrades(region, name)


def _changed(action: UpgradeCall, pause: float) -> WaitingError:
    return WaitingError(Reason.MODIFYING, f"{action.what} has just changed.", retry_after=pause)

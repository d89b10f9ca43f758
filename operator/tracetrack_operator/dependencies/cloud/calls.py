"""Makes the calls that a plan names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ...api.conditions import Reason
from ...aws.client import AwsPort
from ...aws.errors import AwsAlreadyExists, AwsConflict, AwsError, AwsNotFound, AwsThrottled
from ...aws.inventory import Inventory
from ...aws.ownership import UID, describe_owner, tag_map
from ...engine.errors import ReconcileError, TerminalError, WaitingError
from .actions import Adopt, CloudCall, Create, Modify
from .asked import Asked
from .durations import Changes
from .fields import Item
from .refusals import CREATION, Refusals

_SOURCES = frozenset({"DBSnapshotNotFound", "DBInstanceNotFound"})
"""Codes for what a new object should have begun with."""


@dataclass(frozen=True)
class CloudCalls:
    """`pause` in seconds, before another look; what can be called, and `answered`, are the provider's."""

    aws: AwsPort
    inventory: Inventory
    asked: Asked
    changes: Changes
    live: Callable[[str, str | None], Awaitable[Item | None]]
    waiting: Callable[[str, str | None], Awaitable[Mapping[str, Any]]]
    tags_of: Callable[[Item, str | None], Awaitable[Mapping[str, str]]]
    arn: Callable[[Item], str]
    pause: float
    answered: str
    refusals: Refusals = field(default_factory=Refusals)

    async def create(self, action: Create) -> None:
        """Raises TerminalError when AWS refuses it, WaitingError when what it would begin with isn't there."""
        # It may exist by an earlier call whose answer was lost, or be somebody else's: the next look tells by the tags.
        started = self.changes.now()
        with suppress(AwsAlreadyExists):
            try:
                answer = await self._call(action, known=True)
            except AwsNotFound as error:
                if error.code not in _SOURCES:
                    raise
                raise WaitingError(
                    "RestoreSourceNotFound",
                    f"{action.what} can't be made: {error.message}",
                    "Name what exists, or wait for it.",
                    retry_after=60.0,
                ) from error
            except TerminalError as error:
                self.refusals.remember(action.uid, [CREATION], error)
                raise
            self.refusals.forget(action.uid, [CREATION])
            made, tags = answer[self.answered], action.parameters["Tags"]
            self.inventory.learn(action.service, action.region, action.name, {"TagList": tags, **made}, tag_map(tags))
            self.changes.begin(action.uid, action, started)

    async def adopt(self, action: Adopt) -> None:
        """Raises WaitingError when the object has gone or was taken by another owner meanwhile."""
        item = await self.live(action.name, action.region)
        self.inventory.expire(action.service, action.region, action.name)
        if item is None or self.arn(item) != action.parameters["ResourceName"]:
            raise WaitingError(Reason.PROGRESSING, f"{action.what} has just gone.", retry_after=self.pause)
        now, wanted = await self.tags_of(item, action.region), tag_map(action.parameters["Tags"])
        if UID in now and any(now.get(key) != value for key, value in wanted.items() if key != UID):
            raise WaitingError(
                Reason.OWNERSHIP_CONFLICT, f"{action.what} has just been taken by {describe_owner(now)}."
            )
        await self._call(action)

    async def modify(self, action: Modify) -> None:
        """Raises WaitingError when the object takes no change now, or when that would set off what has come to wait in
        AWS since it was decided on; TerminalError when AWS refuses this one."""
        if action.beside is not None:
            await self._accompanied(action, action.beside)
        started = self.changes.now()
        try:
            await self._call(action)
        except AwsConflict as error:
            raise WaitingError(
                Reason.MODIFYING, f"{action.what} takes no change now: {error.message}", retry_after=self.pause
            ) from error
        except TerminalError as error:
            told = TerminalError(error.reason, f"AWS refuses to {action.describe()}: {error.message}", error.remedy)
            self.refusals.remember(action.uid, action.asked, told)
            raise told from error
        except AwsError as error:
            if isinstance(error, AwsNotFound) or error.reason == "AwsError":
                # What it names isn't there, or is used up: others' changes needn't wait for that.
                self.refusals.remember(action.uid, action.asked, error)
            raise
        self.refusals.forget(action.uid, action.asked)
        self.asked.remember(action.uid, action.asked)
        self.changes.begin(action.uid, action, started)

    async def _accompanied(self, action: Modify, known: Mapping[str, Any]) -> None:
        """A reading is old enough for somebody to have left something for the window since."""
        now = await self.waiting(action.name, action.region)
        new = sorted(name for name, value in now.items() if name not in known or known[name] != value)
        if new:
            self.inventory.expire(action.service, action.region, action.name)
            raise WaitingError(
                Reason.MODIFYING,
                f"{action.what}: somebody has just left {', '.join(new)} for the window, which is looked at first.",
                retry_after=1.0,
            )

    async def _call(self, action: CloudCall, *, known: bool = False) -> Mapping[str, Any]:
        """The answer. Whatever was read before is not good enough any more, unless it makes all `known`."""
        try:
            answer = await self.aws.call(action.service, action.operation, region=action.region, **action.parameters)
        except AwsThrottled:
            raise
        except ReconcileError:
            self.inventory.expire(action.service, action.region, action.name)
            raise
        if not known:
            self.inventory.expire(action.service, action.region, action.name)
        return answer

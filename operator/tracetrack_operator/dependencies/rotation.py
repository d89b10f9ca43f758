"""When credentials are changed, and what is kept of it beside them. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from ..api.constants import IN_FORCE_SINCE, ROTATE, ROTATE_HONOURED, ROTATING, UPGRADING
from ..api.status import LONGEST_REQUEST
from ..engine.objects import Object, annotations_of
from ..engine.plan import Action
from ..manifests.parent import CACHE, DATABASE

_COMPONENTS = (DATABASE, CACHE)
_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class ChangeCredentials(Action):
    """A login made or changed; `serving` while the application has another one that works."""

    serving: bool = False


@dataclass(frozen=True)
class Kept:
    """The annotations of a credentials Secret.

    `since` is when the application was given what the Secret has now, None while it wasn't; `rotating` that it has
    something else meanwhile; `honoured` the request (annotation `tracetrack.io/rotate`) that was granted last;
    `attempts` how often the upgrade under way was switched over, None when none is.
    """

    since: datetime | None = None
    rotating: bool = False
    honoured: str = ""
    attempts: int | None = None

    @classmethod
    def of(cls, secret: Object | None, asked: str) -> Self:
        """What is asked before there are credentials is no request to change them."""
        if secret is None:
            return cls(honoured=asked)
        found = annotations_of(secret)
        attempts = found.get(UPGRADING, "")
        return cls(
            _parse(found.get(IN_FORCE_SINCE, "")),
            ROTATING in found,
            found.get(ROTATE_HONOURED, ""),
            int(attempts) if attempts.isdigit() else None,
        )

    def annotations(self) -> dict[str, str]:
        found = {
            IN_FORCE_SINCE: told(self.since) if self.since is not None else "",
            ROTATING: "true" if self.rotating else "",
            ROTATE_HONOURED: self.honoured,
            UPGRADING: "" if self.attempts is None else str(self.attempts),
        }
        return {key: value for key, value in found.items() if value}

    def begun(self, asked: str) -> Self:
        """A rotation begins."""
        return replace(self, since=None, rotating=True, honoured=asked or self.honoured)

    def given(self, now: datetime) -> Self:
        """The application has what the Secret has."""
        return self if self.since is not None and not self.rotating else replace(self, since=now, rotating=False)


@dataclass(frozen=True)
class Schedule:
    """`asked` is the owner's annotation; `settle` is how long consumers have to go over to what they were given."""

    now: datetime
    settle: timedelta
    every: timedelta | None = None
    asked: str = ""

    def resting(self, kept: Kept) -> Self:
        """No rotation begins by it."""
        return replace(self, every=None, asked=kept.honoured)

    def settled(self, kept: Kept) -> bool:
        return kept.since is not None and self.now >= kept.since + self.settle

    def next(self, kept: Kept) -> datetime | None:
        """When the next rotation begins; None when nothing asks for one."""
        if kept.since is None:
            return None
        earliest = kept.since + self.settle
        if self.asked and self.asked != kept.honoured:
            return earliest
        return max(kept.since + self.every, earliest) if self.every is not None else None

    def due(self, kept: Kept) -> bool:
        begins = self.next(kept)
        return begins is not None and self.now >= begins


def schedule_of(
    owner: Object, every_days: int | None, settle_seconds: float, now: datetime, component: str
) -> Schedule:
    every = timedelta(days=every_days) if every_days else None
    return Schedule(now, timedelta(seconds=settle_seconds), every, asked_of(owner, component))


def request(owner: Object, components: Collection[str], value: str) -> str:
    """The annotation that asks for a rotation of these components' credentials; what is asked of another one stays."""
    if set(components) == set(_COMPONENTS):
        return value
    others = {asked_of(owner, each): None for each in _COMPONENTS if each not in components}
    return ",".join((*filter(None, others), *(f"{each}/{value}" for each in components)))


def asked_of(owner: Object, component: str) -> str:
    """The request that concerns a component: `database/x,cache/y` has one for each, `x` is for both; "" is none."""
    entries = annotations_of(owner).get(ROTATE, "").split(",")
    own = [each for each in entries if each.startswith(f"{component}/")]
    return ",".join(own or [each for each in entries if each.partition("/")[0] not in _COMPONENTS])


def published(asked: str) -> str:
    """A request as the status tells it: an annotation may be longer than anything there."""
    return asked[:LONGEST_REQUEST]


def details(schedule: Schedule, kept: Kept, user: str) -> Mapping[str, Any]:
    """`credentials` of the status."""
    following = schedule.next(kept)
    found = {
        "user": user,
        "request": published(kept.honoured),
        "rotatedAt": told(kept.since) if kept.since is not None else "",
        "nextRotation": told(following) if following is not None else "",
    }
    return {key: value for key, value in found.items() if value}


def told(moment: datetime) -> str:
    return moment.strftime(_FORMAT)


def _parse(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, _FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return None

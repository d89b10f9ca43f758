"""What the application logs in to a replication group with: another password is let in beside it, and stays alone once
nobody needs the former. It is the AUTH token, or that of the group's user.

Each step is found by looking: while the Secret has a former password, a rotation is under way. The group refuses the
new one: it is let in (ROTATE). It takes it: the binding changes. Consumers have had their time and the former is still
taken: the new one stays alone (SET). It is refused: it goes from the Secret. From the token to the user it is the same,
with the user `default` for the former.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from ...api.conditions import Reason
from ...dependencies.binding import CacheBinding
from ...dependencies.checks import Checks
from ...dependencies.cloud.access import Access, Seat
from ...dependencies.cloud.actions import Modify
from ...dependencies.generated import password
from ...dependencies.protocol import Verdict
from ...dependencies.rotation import details
from ...dependencies.vouching import vouched
from ...engine.plan import Disruption, Executor
from ...manifests.parent import CACHE
from . import users
from .fields import MODIFY

FORMER = "former"
Live = Callable[[Seat], Awaitable[Mapping[str, str]]]
"""The values of the credentials Secret as the API server has them now."""
PlaceOf = Callable[[Seat], users.Place]


class Tokens:
    """`modify` is the type of the provider's action, `place` whose users they are."""

    def __init__(self, checks: Checks, live: Live, modify: type[Modify], place: PlaceOf) -> None:
        self._checks = checks
        self._live = live
        self._modify = modify
        self._place = place

    def makers(self) -> dict[str, Callable[[], str]]:
        return {"password": password}

    def known(self, bound: Mapping[str, str]) -> dict[str, str]:
        return {"password": bound["password"]} if bound.get("password") else {}

    def register(self, executor: Executor) -> None:
        """Its steps are the provider's."""

    async def look(self, seat: Seat) -> Access:
        if not isinstance(seat.main, CacheBinding):
            raise TypeError(f"a CacheBinding is wanted, not {type(seat.main).__name__}")
        wanted, former = seat.main, seat.values.get(FORMER, "")
        user, secret = seat.bound.get("username", ""), seat.bound.get("password", "")
        other_user = bool(secret and wanted.username) and user != wanted.username
        if other_user or (former and secret != wanted.password):
            before = replace(wanted, username=user, password=secret) if other_user else replace(wanted, password=former)
            return await self._coming(seat, wanted, before)
        return await self._in_force(seat, wanted, secret == wanted.password)

    async def _in_force(self, seat: Seat, wanted: CacheBinding, bound: bool) -> Access:
        check = await self._checks.result(seat.scope.parent.uid, wanted, lambda: vouched(seat.scope, CACHE, wanted))
        kept = seat.kept.given(seat.schedule.now) if bound else seat.kept
        found = Access(
            seat.values,
            kept,
            wanted,
            check,
            status=details(seat.schedule, kept, wanted.username),
            news=_news(wanted) if bound and seat.kept.rotating else "",
        )
        refused = check.reason == Reason.AUTHENTICATION_FAILED
        if former := seat.values.get(FORMER):
            if refused:
                return self._rotating(seat, found)
            return await self._alone(seat, found, replace(wanted, password=former))
        if refused:
            return replace(found, refused=True)
        if bound and wanted.username and users.DEFAULT_USER in seat.item and seat.schedule.settled(kept):
            return replace(found, step=users.removal_of_default(self._place(seat)))
        if not bound or not check.ok or not seat.schedule.due(kept):
            return found
        live = await self._live(seat)
        if live.get("password") != wanted.password:
            return found
        values = {**seat.values, "password": password(), FORMER: wanted.password}
        return replace(found, values=values, kept=kept.begun(seat.schedule.asked), status={}, told=_told(seat))

    async def _coming(self, seat: Seat, wanted: CacheBinding, former: CacheBinding) -> Access:
        uid, kept = seat.scope.parent.uid, replace(seat.kept, since=None, rotating=True)
        check = await self._checks.result(f"{uid}/next", wanted)
        if check.ok:
            return Access(seat.values, kept, wanted, check)
        found = Access(seat.values, kept, former, await self._checks.result(uid, former))
        return self._rotating(seat, found) if check.reason == Reason.AUTHENTICATION_FAILED else found

    async def _alone(self, seat: Seat, found: Access, former: CacheBinding) -> Access:
        """The former password goes once consumers have had their time."""
        if not seat.schedule.settled(found.kept):
            return found
        check = await self._checks.result(f"{seat.scope.parent.uid}/former", former)
        if check.reason == Reason.AUTHENTICATION_FAILED:
            return replace(found, values={key: value for key, value in seat.values.items() if key != FORMER})
        if not check.ok:
            return found
        # What is remembered must not have it done twice.
        self._checks.forget(f"{seat.scope.parent.uid}/former")
        return replace(found, step=self._step(seat, "SET"))

    def _rotating(self, seat: Seat, found: Access) -> Access:
        return replace(found, told=_told(seat), step=self._step(seat, "ROTATE"))

    def _step(self, seat: Seat, strategy: str) -> Modify:
        does = "let another one in" if strategy == "ROTATE" else "drop the former one"
        if seat.main.data().get("username"):
            former = [seat.values[FORMER]] if strategy == "ROTATE" and FORMER in seat.values else []
            return users.passwords(self._place(seat), (*former, seat.values["password"]), f"password: {does}")
        name = str(seat.item["ReplicationGroupId"])
        parameters: Mapping[str, Any] = {
            "ReplicationGroupId": name,
            "AuthToken": seat.values["password"],
            "AuthTokenUpdateStrategy": strategy,
            "ApplyImmediately": True,
        }
        return self._modify(
            f"Replication group {name}",
            "elasticache",
            MODIFY,
            seat.scope.spec.aws.region,
            parameters,
            name=name,
            uid=seat.scope.parent.uid,
            changes=(f"authToken: {does}",),
            asked=frozenset({("authToken", strategy)}),
            disruption=Disruption.ONLINE,
        )


def _news(wanted: CacheBinding) -> str:
    if wanted.username:
        return f"The application logs in as {wanted.username} with another password now."
    return "The application logs in with another AUTH token now."


def _told(seat: Seat) -> Verdict:
    user = seat.main.data().get("username")
    what = f"another password of user {user}" if user else "another AUTH token"
    name = seat.item["ReplicationGroupId"]
    return Verdict.not_ready(Reason.MODIFYING, f"Replication group {name}: {what} is being let in.")

"""Two logins for the application that alternate, so that one is valid at all times; the master's is the operator's.

Each step is found by looking: the Secret names the login in force and has the passwords of both. While the application
has another one, that login is made on the server and tried; then the binding changes to it. The former stays valid
until its turn comes again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace

from ...api.conditions import Reason
from ...dependencies.binding import DatabaseBinding
from ...dependencies.checks import CheckResult, Checks
from ...dependencies.cloud.access import Access, Seat
from ...dependencies.generated import password
from ...dependencies.protocol import Verdict
from ...dependencies.rotation import ChangeCredentials, details
from ...dependencies.vouching import vouched
from ...engine.errors import WaitingError
from ...engine.plan import Disruption, Executor
from ...manifests.parent import DATABASE
from ..check import check_database
from ..roles import RolesError, make_login
from .mastersecret import ManagedSecrets, secret_arn

LOGIN = "login"
USERS = {"a": "tracetrack_a", "b": "tracetrack_b"}
_OTHER = {"a": "b", "b": "a"}
_AGAIN = 30.0

Live = Callable[[Seat], Awaitable[Mapping[str, str]]]
"""The values of the credentials Secret as the API server has them now."""


@dataclass(frozen=True)
class MakeLogin(ChangeCredentials):
    """Make a login as the Secret has it, through the master's, whose password RDS may keep: in `secret`, an ARN."""

    what: str = ""
    key: str = ""
    master: DatabaseBinding = field(kw_only=True, repr=False)
    login: DatabaseBinding = field(kw_only=True, repr=False)
    secret: str = ""
    region: str | None = None

    def describe(self) -> str:
        return f"make login {self.login.username} of {self.what}"


class Logins:
    """`master` is the user that instances are made with; `managed` reads the passwords that RDS keeps."""

    def __init__(self, master: str, checks: Checks, live: Live, managed: ManagedSecrets) -> None:
        self._master = master
        self._managed = managed
        self._checks = checks
        self._live = live
        self._suspects: set[str] = set()

    def makers(self) -> dict[str, Callable[[], str]]:
        passwords = {f"password-{each}": password for each in USERS}
        return {"username": lambda: self._master, "password": password, LOGIN: lambda: "a", **passwords}

    def known(self, bound: Mapping[str, str]) -> dict[str, str]:
        """The login of a binding made before there were two is the master's."""
        user, secret = bound.get("username", ""), bound.get("password", "")
        for login, name in USERS.items():
            if user == name:
                return {LOGIN: login, f"password-{login}": secret}
        return {"username": user, "password": secret} if user and secret else {}

    def register(self, executor: Executor) -> None:
        executor.register(MakeLogin, self.make)

    async def look(self, seat: Seat) -> Access:
        if not isinstance(seat.main, DatabaseBinding):
            raise TypeError(f"a DatabaseBinding is wanted, not {type(seat.main).__name__}")
        master, uid = seat.main, seat.scope.parent.uid
        wanted = _login(master, seat.values)
        # The password that RDS keeps is RDS's to mend.
        refusal = await self._refusal(uid, master) if not secret_arn(seat.item) else None
        found = Access(seat.values, seat.kept, refused=refusal is not None)
        bound = _is_bound(wanted, seat.bound)
        found = await (self._in_force if bound else self._coming)(seat, master, wanted, found)
        if refusal is None or found.step is None:
            return found
        # The master's password comes first, which is told with the other changes in AWS.
        waits = Verdict.not_ready(refusal.reason, f"DB instance {_identifier(seat)}: {refusal.message}")
        return replace(found, step=None, told=waits)

    async def _refusal(self, uid: str, master: DatabaseBinding) -> CheckResult | None:
        """Why the master's password has to be set anew first, if so; asked only after it was refused once."""
        if uid not in self._suspects:
            return None
        check = await self._checks.result(f"{uid}/master", master)
        if check.ok:
            self._suspects.discard(uid)
        return check if check.reason == Reason.AUTHENTICATION_FAILED else None

    async def _in_force(self, seat: Seat, master: DatabaseBinding, wanted: DatabaseBinding, found: Access) -> Access:
        kept = seat.kept.given(seat.schedule.now)
        check = await self._checks.result(seat.scope.parent.uid, wanted, lambda: vouched(seat.scope, DATABASE, wanted))
        found = replace(
            found,
            binding=wanted,
            check=check,
            kept=kept,
            status=details(seat.schedule, kept, wanted.username),
            news=f"The application logs in as {wanted.username} now." if seat.kept.rotating else "",
        )
        if check.reason == Reason.AUTHENTICATION_FAILED:
            return self._making(seat, master, wanted, found, serving=False)
        if not check.ok or not seat.schedule.due(kept):
            return found
        live = await self._live(seat)
        if any(live.get(key) != value for key, value in seat.values.items()):
            return found
        other = _OTHER[seat.values[LOGIN]]
        values = {**seat.values, LOGIN: other, f"password-{other}": password()}
        begun = replace(found, values=values, kept=kept.begun(seat.schedule.asked), status={})
        return self._making(seat, master, _login(master, values), begun, serving=True)

    async def _coming(self, seat: Seat, master: DatabaseBinding, wanted: DatabaseBinding, found: Access) -> Access:
        """The application has something else, or nothing yet."""
        uid = seat.scope.parent.uid
        made = self._checks.known(f"{uid}/next", wanted)
        if made is not None and made.ok:
            # In a rotation it is told once the application has it.
            kept = seat.kept if seat.kept.rotating else seat.kept.given(seat.schedule.now)
            status = found.status if seat.kept.rotating else details(seat.schedule, kept, wanted.username)
            return replace(found, binding=wanted, check=made, kept=kept, status=status)
        if not seat.bound.get("password"):
            return self._making(seat, master, wanted, found, serving=False)
        before = replace(master, username=seat.bound.get("username", ""), password=seat.bound["password"])
        check = await self._checks.result(uid, before)
        kept = replace(seat.kept, rotating=True)
        found = replace(found, binding=before, check=check, kept=kept, status={"user": before.username})
        return self._making(seat, master, wanted, found, serving=check.ok)

    def _making(
        self, seat: Seat, master: DatabaseBinding, wanted: DatabaseBinding, found: Access, serving: bool
    ) -> Access:
        what = f"DB instance {_identifier(seat)}"
        told = Verdict.not_ready(
            Reason.MODIFYING, f"{what}: login {wanted.username} is being made for the application."
        )
        step = MakeLogin(
            serving,
            what,
            seat.scope.parent.uid,
            master=master,
            login=wanted,
            secret=secret_arn(seat.item),
            region=seat.scope.spec.aws.region,
            disruption=Disruption.ONLINE,
        )
        return replace(found, told=told, step=step)

    async def make(self, action: MakeLogin) -> None:
        """Raises WaitingError that names what the server refused, and what to do about it."""
        check = await check_database(action.login)
        if not check.ok and check.reason != Reason.AUTHENTICATION_FAILED:
            raise _failed(action, check.message)
        if not check.ok:
            check = await self._made(action)
        for key in (action.key, f"{action.key}/next"):
            self._checks.remember(key, action.login, check)

    async def _made(self, action: MakeLogin) -> CheckResult:
        master = await self._master_of(action)
        try:
            await make_login(master, action.login.username, action.login.password)
        except RolesError as error:
            if error.refused is not None and action.secret:
                raise _failed(action, f"{error} RDS keeps that password, and may be rotating it now.") from error
            if error.refused is not None:
                self._checks.remember(f"{action.key}/master", action.master, error.refused)
                self._suspects.add(action.key)
            raise _failed(action, str(error)) from error
        check = await check_database(action.login)
        if not check.ok:
            raise _failed(action, check.message)
        return check

    async def _master_of(self, action: MakeLogin) -> DatabaseBinding:
        if not action.secret:
            return action.master
        password = await self._managed.password(action.secret, action.region)
        if not password:
            raise _failed(action, f"The secret {action.secret}, in which RDS keeps the master's password, has none.")
        return replace(action.master, password=password)


def _failed(action: MakeLogin, why: str) -> WaitingError:
    serves = "The application goes on with the former one." if action.serving else "The application waits for it."
    return WaitingError(
        Reason.CREDENTIALS_NOT_ROTATED,
        f"Login {action.login.username} of {action.what} could not be made. {why} {serves}",
        retry_after=_AGAIN,
    )


def _identifier(seat: Seat) -> str:
    return str(seat.item.get("DBInstanceIdentifier", ""))


def _login(master: DatabaseBinding, values: Mapping[str, str]) -> DatabaseBinding:
    login = values.get(LOGIN, "a")
    return replace(master, username=USERS[login], password=values[f"password-{login}"])


def _is_bound(wanted: DatabaseBinding, bound: Mapping[str, str]) -> bool:
    return (bound.get("username"), bound.get("password")) == (wanted.username, wanted.password)

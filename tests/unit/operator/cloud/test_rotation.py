"""When credentials change, and which step comes next, from what is there to be seen."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.unit.operator.deployment.factory import owner
from tracetrack_operator.api import TraceTrackDeployment
from tracetrack_operator.cache.elasticache.provider import ModifyGroup
from tracetrack_operator.cache.elasticache.tokens import Tokens
from tracetrack_operator.cache.elasticache.users import ChangeUsers, Place
from tracetrack_operator.database.rds.logins import Logins, MakeLogin
from tracetrack_operator.database.rds.mastersecret import ManagedSecrets
from tracetrack_operator.database.roles import RolesError, scram_verifier
from tracetrack_operator.dependencies.binding import Binding, CacheBinding, DatabaseBinding
from tracetrack_operator.dependencies.checks import CheckResult, Checks
from tracetrack_operator.dependencies.cloud.access import Access, Seat
from tracetrack_operator.dependencies.protocol import Scope
from tracetrack_operator.dependencies.rotation import Kept, Schedule
from tracetrack_operator.engine.errors import WaitingError
from tracetrack_operator.manifests.parent import Parent
from tracetrack_operator.manifests.secret import secret

NOBODY: Any = None
LASTING = ("tracetrack.io/cluster", "tracetrack.io/namespace", "tracetrack.io/name")
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=40)
SETTLE = timedelta(minutes=10)
GIVEN = Kept(since=LONG_AGO, honoured="one")
MASTER = DatabaseBinding("rds", "db.test", 5432, "tracetrack", "tracetrack", "pw-master")
GROUP = CacheBinding("elasticache", "cache.test", 6379, password="token-1", tls=True)
DATABASE = {"username": "tracetrack", "password": "pw-master", "login": "a", "password-a": "pw-a", "password-b": "pw-b"}
REFUSED = CheckResult(False, "AuthenticationFailed", "No.")


@pytest.mark.parametrize(
    ("kept", "every", "asked", "due", "following"),
    [
        (GIVEN, None, "one", False, None),
        (GIVEN, None, "two", True, LONG_AGO + SETTLE),
        (GIVEN, None, "", False, None),
        (GIVEN, 30, "one", True, LONG_AGO + timedelta(days=30)),
        (GIVEN, 50, "one", False, LONG_AGO + timedelta(days=50)),
        (replace(GIVEN, since=NOW - timedelta(minutes=9)), None, "two", False, NOW + timedelta(minutes=1)),
        (replace(GIVEN, since=None), 1, "two", False, None),
    ],
)
def test_when(kept: Kept, every: int | None, asked: str, due: bool, following: datetime | None) -> None:
    schedule = Schedule(NOW, SETTLE, timedelta(days=every) if every else None, asked)
    assert (schedule.due(kept), schedule.next(kept)) == (due, following)


def test_what_is_kept_outlives_the_operator() -> None:
    for kept in (GIVEN, GIVEN.begun("two"), GIVEN.begun("two").given(NOW), Kept()):
        stored = secret({"name": "s", "annotations": kept.annotations()}, {})
        assert Kept.of(stored, "") == kept
    assert GIVEN.begun("two") == Kept(None, True, "two")
    assert GIVEN.begun("") == Kept(None, True, "one"), "a rotation by schedule grants no request"
    assert Kept.of(None, "one").honoured == "one", "what is made for the first time needs no change"


@dataclass
class Server:
    """Takes these passwords; `asked` are those that were tried."""

    taken: set[str]
    asked: list[str] = field(default_factory=list)

    async def check(self, binding: Binding) -> CheckResult:
        assert isinstance(binding, DatabaseBinding | CacheBinding)
        self.asked.append(binding.password)
        return CheckResult(True) if binding.password in self.taken else REFUSED


def seat(
    values: Mapping[str, str], bound: Mapping[str, str], kept: Kept = GIVEN, asked: str = "one", **changes: Any
) -> Seat:
    obj = owner()
    scope = Scope(obj, Parent.of(obj), TraceTrackDeployment.parse(obj).spec, {})
    if "login" in values:
        item, main = {"DBInstanceIdentifier": "db"}, MASTER
        return Seat(scope, item, main, values, kept, bound, Schedule(NOW, SETTLE, None, asked), **changes)
    main_cache = replace(GROUP, password=values["password"], username=changes.get("user", ""))
    item = {"ReplicationGroupId": "g", **changes.get("item", {})}
    return Seat(scope, item, main_cache, values, kept, bound, Schedule(NOW, SETTLE, None, asked))


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def _refusing(*_: object) -> None:
    raise RolesError("PostgreSQL refuses user tracetrack.", REFUSED)


async def _same(at: Seat) -> Mapping[str, str]:
    return at.values


def logins(server: Server, **values: str) -> Logins:
    async def live(at: Seat) -> Mapping[str, str]:
        return {**at.values, **values}

    return Logins("tracetrack", Checks(server.check), live, ManagedSecrets(NOBODY))


def login(found: Access) -> tuple[str, str]:
    assert isinstance(found.step, MakeLogin)
    assert "pw-" not in repr(found) + found.step.describe()
    return found.step.login.username, found.step.login.password


BOUND_A = {"username": "tracetrack_a", "password": "pw-a"}


async def test_the_first_login_is_made_before_anything_is_bound() -> None:
    found = await logins(Server(set())).look(seat(DATABASE, {}, Kept()))
    assert (found.binding, login(found)) == (None, ("tracetrack_a", "pw-a"))
    assert isinstance(found.step, MakeLogin)
    assert not found.step.serving


async def test_a_login_in_force_is_left_alone() -> None:
    found = await logins(Server({"pw-a"})).look(seat(DATABASE, BOUND_A))
    assert (found.step, found.told, found.news, found.values, found.kept) == (None, None, "", DATABASE, GIVEN)
    assert found.status["user"] == "tracetrack_a"


async def test_a_request_has_the_other_login_made_with_a_password_that_is_saved_first() -> None:
    found = await logins(Server({"pw-a"})).look(seat(DATABASE, BOUND_A, asked="two"))
    user, password = login(found)
    assert (user, found.values["login"], found.values["password-b"]) == ("tracetrack_b", "b", password)
    assert password not in DATABASE.values()
    assert (found.values["password-a"], found.kept) == ("pw-a", Kept(None, True, "two"))
    assert isinstance(found.binding, DatabaseBinding)
    assert found.binding.username == "tracetrack_a", "the application goes on with what it has"


async def test_a_stale_view_of_the_secret_begins_nothing() -> None:
    stale = await logins(Server({"pw-a"}), login="b").look(seat(DATABASE, BOUND_A, asked="two"))
    assert (stale.step, stale.values) == (None, DATABASE)


async def test_the_binding_changes_once_the_login_was_seen_to_work() -> None:
    checks = Checks(Server({"pw-a"}).check)
    keeper = Logins("tracetrack", checks, _same, ManagedSecrets(NOBODY))
    under_way = seat({**DATABASE, "login": "b"}, BOUND_A, Kept(None, True, "two"), asked="two")
    found = await keeper.look(under_way)
    assert login(found) == ("tracetrack_b", "pw-b")
    assert isinstance(found.step, MakeLogin)
    assert found.step.serving
    checks.remember("uid-demo/next", found.step.login, CheckResult(True))
    found = await keeper.look(under_way)
    assert (found.binding, found.step) == (replace(MASTER, username="tracetrack_b", password="pw-b"), None)


async def test_it_is_told_once_that_the_application_has_it() -> None:
    bound = {"username": "tracetrack_b", "password": "pw-b"}
    values = {**DATABASE, "login": "b"}
    found = await logins(Server({"pw-b"})).look(seat(values, bound, Kept(None, True, "two"), asked="two"))
    assert (found.kept, found.step) == (Kept(NOW, False, "two"), None)
    assert "tracetrack_b" in found.news
    again = await logins(Server({"pw-b"})).look(seat(values, bound, found.kept, asked="two"))
    assert again.news == ""


async def test_an_application_that_has_the_masters_login_goes_over_to_its_own() -> None:
    bound = {"username": "tracetrack", "password": "pw-master"}
    found = await logins(Server({"pw-master"})).look(seat(DATABASE, bound, Kept()))
    assert (found.binding, login(found)[0]) == (MASTER, "tracetrack_a")


async def test_a_master_that_was_refused_is_mended_first(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server({"pw-a"})
    checks = Checks(server.check, clock := Clock())
    keeper = Logins("tracetrack", checks, _same, ManagedSecrets(NOBODY))
    under_way = seat({**DATABASE, "login": "b"}, BOUND_A, Kept(None, True, "two"))
    found = await keeper.look(under_way)
    assert "pw-master" not in server.asked, "who was never refused is not asked"
    assert isinstance(found.step, MakeLogin)
    nowhere = replace(found.step, master=MASTER, login=found.step.login)
    monkeypatch.setattr("tracetrack_operator.database.rds.logins.check_database", server.check)
    monkeypatch.setattr("tracetrack_operator.database.rds.logins.make_login", _refusing)
    with pytest.raises(WaitingError, match="goes on with the former one") as told:
        await keeper.make(nowhere)
    assert told.value.reason == "CredentialsNotRotated"
    for _ in range(3):
        clock.now += 60
        found = await keeper.look(under_way)
        assert (found.refused, found.step) == (True, None)
    server.taken.add("pw-master")
    clock.now += 60
    assert login(await keeper.look(under_way)) == ("tracetrack_b", "pw-b")


def test_what_was_lost_is_taken_from_the_binding() -> None:
    keeper = logins(Server(set()))
    assert keeper.known({"username": "tracetrack_b", "password": "x"}) == {"login": "b", "password-b": "x"}
    assert keeper.known({"username": "tracetrack", "password": "x"}) == {"username": "tracetrack", "password": "x"}
    assert keeper.known({}) == {}


def tokens(server: Server) -> Tokens:
    return Tokens(Checks(server.check), _same, ModifyGroup, _place)


def _place(at: Seat) -> Place:
    return Place("g", None, {"tracetrack.io/uid": "uid-demo", **dict.fromkeys(LASTING, "x")}, at.values["password"])


def strategy(found: Access) -> tuple[str, str]:
    assert isinstance(found.step, ModifyGroup)
    assert "token-" not in repr(found) + found.step.describe()
    return found.step.parameters["AuthTokenUpdateStrategy"], found.step.parameters["AuthToken"]


OLD, NEW = {"password": "token-1"}, {"password": "token-2", "former": "token-1"}


async def test_another_token_is_saved_with_the_former_before_the_group_hears_of_it() -> None:
    found = await tokens(Server({"token-1"})).look(seat(OLD, OLD, asked="two"))
    assert (found.values["former"], found.step, found.kept) == ("token-1", None, Kept(None, True, "two"))
    assert found.values["password"] != "token-1"
    assert isinstance(found.binding, CacheBinding)
    assert found.binding.password == "token-1"


async def test_a_token_that_is_refused_is_let_in_beside_the_one_in_use() -> None:
    found = await tokens(Server({"token-1"})).look(seat(NEW, OLD, Kept(None, True, "two")))
    assert strategy(found) == ("ROTATE", "token-2")
    assert isinstance(found.binding, CacheBinding)
    assert found.binding.password == "token-1"


async def test_a_token_that_is_taken_goes_to_the_application() -> None:
    found = await tokens(Server({"token-1", "token-2"})).look(seat(NEW, OLD, Kept(None, True, "two")))
    assert isinstance(found.binding, CacheBinding)
    assert (found.binding.password, found.step) == ("token-2", None)


@pytest.mark.parametrize(
    ("minutes", "taken", "step", "values"),
    [
        (9, {"token-1", "token-2"}, None, NEW),
        (10, {"token-1", "token-2"}, "SET", NEW),
        (10, {"token-2"}, None, {"password": "token-2"}),
    ],
)
async def test_the_former_token_goes_once_consumers_had_their_time(
    minutes: int, taken: set[str], step: str | None, values: dict[str, str]
) -> None:
    kept = Kept(NOW - timedelta(minutes=minutes), False, "two")
    found = await tokens(Server(taken)).look(seat(NEW, {"password": "token-2"}, kept, asked="three"))
    assert found.values == values, "nothing else begins before that"
    assert (strategy(found)[0] if found.step else None) == step


async def test_a_token_refused_with_no_rotation_under_way_waits_for_approval() -> None:
    found = await tokens(Server(set())).look(seat(OLD, OLD))
    assert (found.refused, found.step) == (True, None)


USER: dict[str, Any] = {"user": "tracetrack", "item": {"UserGroupIds": ["g"]}}
MOVING: dict[str, Any] = {**USER, "item": {**USER["item"], "DefaultUser": {"UserId": "g-default"}}}
AS_USER = {"username": "tracetrack"}


def given(found: Access) -> list[str]:
    assert isinstance(found.step, ChangeUsers)
    assert found.step.operation == "modify_user"
    assert "token-" not in repr(found) + found.step.describe()
    return list(found.step.parameters["Passwords"])


async def test_another_password_of_a_user_is_let_in_beside_the_former_and_then_stays_alone() -> None:
    bound = {**AS_USER, **OLD}
    found = await tokens(Server({"token-1"})).look(seat(NEW, bound, Kept(None, True, "two"), **USER))
    assert given(found) == ["token-1", "token-2"], "both are valid from here on"
    assert isinstance(found.binding, CacheBinding)
    assert (found.binding.username, found.binding.password) == ("tracetrack", "token-1")
    taken = Server({"token-1", "token-2"})
    found = await tokens(taken).look(seat(NEW, bound, Kept(None, True, "two"), **USER))
    assert isinstance(found.binding, CacheBinding)
    assert (found.binding.password, found.step) == ("token-2", None)
    bound = {**AS_USER, "password": "token-2"}
    found = await tokens(taken).look(seat(NEW, bound, Kept(None, True, "two"), **USER))
    assert (found.step, found.news) == (None, "The application logs in as tracetrack with another password now.")
    found = await tokens(taken).look(seat(NEW, bound, Kept(LONG_AGO, False, "two"), **USER))
    assert given(found) == ["token-2"]


async def test_from_the_token_to_the_user_the_former_is_let_in_until_consumers_had_their_time() -> None:
    found = await tokens(Server(set())).look(seat(OLD, OLD, GIVEN, **MOVING))
    assert given(found) == ["token-1"], "a user that is there with another password gets this one"
    keeper = tokens(Server({"token-1"}))
    found = await keeper.look(seat(OLD, OLD, GIVEN, **MOVING))
    assert isinstance(found.binding, CacheBinding)
    assert (found.binding.username, found.step) == ("tracetrack", None)
    assert found.kept == Kept(None, True, "one"), "what was given long ago was something else"
    bound = {**AS_USER, **OLD}
    found = await keeper.look(seat(OLD, bound, found.kept, **MOVING))
    assert (found.kept, found.step) == (Kept(NOW, False, "one"), None)
    assert found.status["user"] == "tracetrack"
    found = await keeper.look(seat(OLD, bound, Kept(NOW - timedelta(minutes=9), False, "one"), **MOVING))
    assert found.step is None
    found = await keeper.look(seat(OLD, bound, GIVEN, asked="two", **MOVING))
    assert isinstance(found.step, ChangeUsers)
    assert (found.step.operation, found.step.parameters) == ("delete_user", {"UserId": "g-default"})
    assert found.values == OLD, "nothing else begins before that"


async def test_a_user_that_is_refused_with_no_rotation_under_way_waits_for_approval() -> None:
    found = await tokens(Server(set())).look(seat(OLD, {**AS_USER, **OLD}, **USER))
    assert (found.refused, found.step) == (True, None)


def test_one_call_to_aws_at_a_time_and_none_twice() -> None:
    step = ModifyGroup(
        "g", "elasticache", "modify_replication_group", None, {}, name="g", asked=frozenset({("authToken", "SET")})
    )
    found = Access({}, step=step)
    assert found.steps(None, True, frozenset()) == (step,)
    assert found.steps(None, False, frozenset()) == ()
    assert found.steps(None, True, step.asked) == ()
    other = replace(step, asked=frozenset({("replicas", "2")}))
    assert found.steps(other, True, frozenset()) == (other,)


def test_a_verifier_is_that_of_the_standard() -> None:
    """The example of RFC 7677: the server's signature of the exchange is made with the key in the verifier."""
    nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    salt = "W22ZaJ0SNY7soEsUEjb6gQ=="
    exchange = f"n=user,r=rOprNGfwEbeRWgbNEkqO,r={nonce},s={salt},i=4096,c=biws,r={nonce}"
    kind, parameters, keys = scram_verifier("pencil", base64.b64decode(salt)).split("$")
    assert (kind, parameters) == ("SCRAM-SHA-256", f"4096:{salt}")
    signature = hmac.digest(base64.b64decode(keys.split(":")[1]), exchange.encode(), "sha256")
    assert base64.b64encode(signature).decode() == "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

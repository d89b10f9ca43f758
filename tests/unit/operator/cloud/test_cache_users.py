"""Which calls lead to the users of a replication group, by what is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.operator.cloud.test_elasticache import ITEM, WORKING, desired
from tracetrack_operator.cache.elasticache.provider import CreateGroup, ModifyGroup
from tracetrack_operator.cache.elasticache.users import (
    ACCESS_STRING,
    ChangeUsers,
    MakeUsers,
    Place,
    default_user_id,
    prepared,
    retagged,
    same_access,
    user_id,
)
from tracetrack_operator.dependencies.protocol import Dependency

NAME = "kind-shop-demo"
TAGS = {
    "tracetrack.io/uid": "uid-demo",
    "tracetrack.io/cluster": "kind",
    "tracetrack.io/namespace": "shop",
    "tracetrack.io/name": "demo",
}
PLACE = Place(NAME, None, TAGS, "pw-secret", "2026-11-01T00:00:00Z")
APP, DEFAULT = f"{NAME}-app", f"{NAME}-default"


def described(labels: Mapping[str, str] = TAGS, **more: Any) -> dict[str, Any]:
    listed = [{"Key": key, "Value": value} for key, value in labels.items()]
    return {"Status": "active", "ARN": "arn:x", "TagList": listed, "AccessString": ACCESS_STRING, **more}


EARLIER = {**TAGS, "tracetrack.io/uid": "uid-before"}
ANOTHER = {**EARLIER, "tracetrack.io/name": "other"}
USER = described(UserId=APP, UserName="tracetrack")
BRIDGE = described({**TAGS, "tracetrack.io/password-since": PLACE.since}, UserId=DEFAULT, UserName="default")
GROUP = described(UserGroupId=NAME, UserIds=[APP])
BOTH = {**GROUP, "UserIds": [APP, DEFAULT]}
MADE = {"User": USER, "UserGroup": GROUP}


@pytest.mark.parametrize(
    ("found", "bridge", "operations", "ready"),
    [
        ({}, False, ["create_user", "create_user_group"], False),
        ({"User": USER}, False, ["create_user_group"], False),
        (MADE, False, [], True),
        ({**MADE, "UserGroup": {**GROUP, "Status": "creating"}}, False, [], False),
        ({"User": {**USER, "Status": "modifying"}}, False, [], False),
        ({}, True, ["create_user", "create_user", "create_user_group"], False),
        ({"User": USER, "DefaultUser": BRIDGE}, True, ["create_user_group"], False),
        ({"User": USER, "DefaultUser": BRIDGE, "UserGroup": GROUP}, True, ["modify_user_group"], False),
        ({"User": USER, "DefaultUser": BRIDGE, "UserGroup": BOTH}, True, [], True),
        ({"User": USER, "DefaultUser": described(UserId=DEFAULT)}, True, ["delete_user", *["create_user"] * 1], False),
        ({"User": described(EARLIER, UserId=APP)}, False, ["delete_user"], False),
        (
            {"User": described(EARLIER, UserId=APP), "UserGroup": described(EARLIER, UserGroupId=NAME)},
            False,
            ["delete_user_group", "delete_user"],
            False,
        ),
    ],
)
def test_what_is_missing_is_made(found: dict[str, Any], bridge: bool, operations: list[str], ready: bool) -> None:
    calls = prepared(PLACE, found, bridge)
    more = ["create_user_group"] if "delete_user" in operations and "create_user" in operations else []
    assert [operation for operation, *_ in calls.calls] == [*operations, *more]
    assert (calls.ready, calls.conflict) == (ready, "")
    assert "pw-secret" not in repr(calls)


@pytest.mark.parametrize(
    "found",
    [
        {"User": described({}, UserId=APP)},
        {"User": described(ANOTHER, UserId=APP)},
        {"User": USER, "UserGroup": described(ANOTHER, UserGroupId=NAME)},
        {"User": USER, "UserGroup": described(EARLIER, UserGroupId=NAME, ReplicationGroups=["theirs"])},
    ],
    ids=["nobody's", "another's user", "another's group", "in use elsewhere"],
)
def test_what_is_somebody_elses_is_left_alone(found: dict[str, Any]) -> None:
    calls = prepared(PLACE, found, bridge=True)
    assert (calls.calls, calls.ready) == ((), False)
    assert "belongs to" in calls.conflict


def test_users_have_what_the_application_needs_the_password_and_the_tags() -> None:
    (_, user, _), (_, bridge, _), (_, group, _) = prepared(PLACE, {}, bridge=True).calls
    assert (user["UserName"], bridge["UserName"]) == ("tracetrack", "default")
    for each in (user, bridge):
        assert (each["Passwords"], each["AccessString"], each["Engine"]) == (["pw-secret"], ACCESS_STRING, "valkey")
    assert group["UserIds"] == [APP, DEFAULT]
    assert {"Key": "tracetrack.io/uid", "Value": "uid-demo"} in group["Tags"]
    assert "+@all" not in ACCESS_STRING
    assert "~*" not in ACCESS_STRING


def test_names_fit_whatever_the_groups_is() -> None:
    long = "x" * 40
    ids = {user_id(long), default_user_id(long), long, user_id("x"), default_user_id("x")}
    assert len(ids) == 5
    assert max(map(len, ids)) == 40


@pytest.mark.parametrize(
    ("actual", "same"),
    [
        (ACCESS_STRING, True),
        (f"on resetchannels {' '.join(reversed(ACCESS_STRING.split()[1:]))}", True),
        (f"{ACCESS_STRING} +flushall", False),
        (ACCESS_STRING.replace("on ", "off "), False),
    ],
)
def test_the_same_rules_in_other_words(actual: str, same: bool) -> None:
    assert same_access(actual, ACCESS_STRING) is same


def test_what_was_adopted_gets_its_owners_tags() -> None:
    found = {"User": described(EARLIER, UserId=APP), "UserGroup": GROUP}
    assert [operation for operation, *_ in retagged(PLACE, found).calls] == ["add_tags_to_resource"]
    assert retagged(PLACE, MADE).ready


def with_users(item: dict[str, Any] | None, beside: dict[str, Any], **changes: Any) -> Dependency:
    facts = replace(WORKING, item=item and {**item, **beside}, beside=beside, **changes)
    return desired(facts, {"authentication": "Users"})


def test_a_group_is_made_after_its_users() -> None:
    found = with_users(None, {})
    (first,) = found.steps
    assert isinstance(first, MakeUsers)
    later = [each.operation for each in found.later if isinstance(each, MakeUsers | CreateGroup)]
    assert [first.operation, *later] == ["create_user", "create_user_group", "create_replication_group"]
    waits = with_users(None, {**MADE, "UserGroup": {**GROUP, "Status": "creating"}})
    assert (waits.steps, len(waits.later)) == ((), 1)
    (made,) = with_users(None, MADE).steps
    assert isinstance(made, CreateGroup)
    assert made.parameters["UserGroupIds"] == [NAME]
    assert "AuthToken" not in made.parameters
    conflict = with_users(None, {"User": described(ANOTHER, UserId=APP)})
    assert (conflict.verdict.reason, conflict.steps, conflict.later) == ("OwnershipConflict", (), ())


AGREED = {**WORKING.agreed, "authentication": "Token"}
TOKEN = {**ITEM, "AuthTokenEnabled": True}
ALL = {"User": USER, "DefaultUser": BRIDGE, "UserGroup": BOTH}


def test_a_cache_in_use_gets_its_users_and_then_the_group_in_place_of_the_token() -> None:
    found = with_users(TOKEN, {}, agreed=AGREED)
    (first,) = found.steps
    assert isinstance(first, ChangeUsers)
    assert [each.operation for each in (first, *found.later) if isinstance(each, ChangeUsers | ModifyGroup)] == [
        "create_user",
        "create_user",
        "create_user_group",
        "modify_replication_group",
    ]
    assert found.verdict.status == "True"
    rotating = with_users(TOKEN, {}, agreed=AGREED, credentials={"password": "b", "former": "a"})
    assert rotating.steps == (), "a rotation comes to its end first"
    stamp = {**BRIDGE, "TagList": [*USER["TagList"], {"Key": "tracetrack.io/password-since", "Value": ""}]}
    (change,) = with_users(TOKEN, {**ALL, "DefaultUser": stamp}, agreed=AGREED).steps
    assert isinstance(change, ModifyGroup)
    assert change.parameters == {
        "ReplicationGroupId": NAME,
        "ApplyImmediately": True,
        "UserGroupIdsToAdd": [NAME],
        "AuthTokenUpdateStrategy": "DELETE",
    }


@pytest.mark.parametrize("groups", [[NAME], ["theirs"]])
def test_never_back_to_the_token(groups: list[str]) -> None:
    found = desired(replace(WORKING, item={**ITEM, "UserGroupIds": groups}, agreed=AGREED))
    assert found.sync is not None
    assert (found.sync.reason, found.steps) == ("ReplaceRequired", ())


def test_what_somebody_changed_of_the_users_is_set_back() -> None:
    item = {**ITEM, "UserGroupIds": [NAME]}
    agreed = {**AGREED, "authentication": "Users", "accessString": ACCESS_STRING, "userIds": [APP]}
    spoiled = {"User": {**USER, "AccessString": "on ~* +@all"}, "UserGroup": {**GROUP, "UserIds": [APP, "theirs"]}}
    found = with_users(item, spoiled, agreed=agreed)
    calls = [each for each in (*found.steps, *found.later) if isinstance(each, ModifyGroup)]
    assert [(each.operation, each.parameters) for each in calls] == [
        ("modify_user", {"UserId": APP, "AccessString": ACCESS_STRING}),
        ("modify_user_group", {"UserGroupId": NAME, "UserIdsToRemove": ["theirs"]}),
    ]
    bridged = with_users(item, {**MADE, "DefaultUser": BRIDGE, "UserGroup": BOTH}, agreed=agreed)
    assert bridged.steps == (), "the former token is let in for a while"

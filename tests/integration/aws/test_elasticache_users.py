"""RBAC: users with two passwords at a time, in the group that a cache has."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from tests.aws.emulator import Emulator
from tests.integration.aws.support import refused, until
from tests.integration.aws.test_elasticache import CREATE, NAME, SECURE, available, connect

TLS: dict[str, Any] = {"ssl": True, "ssl_cert_reqs": "none"}
FIRST, SECOND = "first-password-of-the-app", "second-password-of-the-app"
APP = {"UserId": "app-user", "UserName": "app", "Engine": "valkey", "AccessString": "on ~* &* +@all"}
GROUP = {"UserGroupId": "apps", "Engine": "valkey"}


@pytest.fixture
def cache(quick: Emulator) -> Any:
    return quick.client("elasticache")


def lets_in(group: Any, **login: str) -> bool:
    with connect(group, **login, **TLS) as client:
        try:
            return bool(client.ping())
        except (redis.AuthenticationError, redis.ResponseError):
            return False


def test_a_password_is_rotated_with_two_valid_at_a_time(cache: Any, quick: Emulator) -> None:
    quick.clock(modify_seconds=2)
    refused("UserNotFound", cache.create_user_group, **GROUP, UserIds=["app-user"])
    refused("InvalidParameterValue", cache.create_user, **APP, Passwords=["short"])
    made = cache.create_user(**APP, Passwords=[FIRST])
    assert (made["Status"], made["Authentication"]) == ("active", {"Type": "password", "PasswordCount": 1})
    refused("DefaultUserRequired", cache.create_user_group, UserGroupId="r", Engine="redis", UserIds=["app-user"])
    cache.create_user_group(**GROUP, UserIds=["app-user"])
    refused("UserGroupAlreadyExists", cache.create_user_group, **GROUP, UserIds=["app-user"])
    plain = {**CREATE, "UserGroupIds": ["apps"]}
    assert "encryption" in refused("InvalidParameterCombination", cache.create_replication_group, **plain)
    cache.create_replication_group(**plain, TransitEncryptionEnabled=True)
    group = available(cache)
    assert group["UserGroupIds"] == ["apps"]
    assert lets_in(group, username="app", password=FIRST)
    assert not lets_in(group)

    with quick.standstill():
        assert cache.modify_user(UserId="app-user", Passwords=[FIRST, SECOND])["Status"] == "modifying"
        refused("InvalidUserState", cache.modify_user, UserId="app-user", Passwords=[SECOND])
    assert lets_in(group, username="app", password=FIRST)
    assert lets_in(group, username="app", password=SECOND)
    until(lambda: cache.describe_users(UserId="app-user")["Users"][0]["Status"] == "active")
    cache.modify_user(UserId="app-user", Passwords=[SECOND])
    assert not lets_in(group, username="app", password=FIRST)
    assert lets_in(group, username="app", password=SECOND)


def test_users_come_and_go_with_their_group(cache: Any, quick: Emulator) -> None:
    quick.clock(modify_seconds=2)
    cache.create_user(**APP, Passwords=[FIRST])
    cache.create_user(**{**APP, "UserId": "other-user", "UserName": "other"}, NoPasswordRequired=True)
    cache.create_user_group(**GROUP, UserIds=["app-user"])
    cache.create_replication_group(**CREATE, TransitEncryptionEnabled=True, UserGroupIds=["apps"])
    group = available(cache)
    with quick.standstill():
        assert cache.modify_user_group(UserGroupId="apps", UserIdsToAdd=["other-user"])["Status"] == "modifying"
        refused("InvalidUserGroupState", cache.modify_user_group, UserGroupId="apps", UserIdsToRemove=["app-user"])
    assert lets_in(group, username="other", password="any")
    described = until(lambda: one if (one := groups(cache))["Status"] == "active" else None)
    assert described["UserIds"] == ["app-user", "other-user"]
    assert described["ReplicationGroups"] == [NAME["ReplicationGroupId"]]
    cache.delete_user(UserId="other-user")
    assert not lets_in(group, username="other", password="any")
    assert cache.describe_users(UserId="app-user")["Users"][0]["UserGroupIds"] == ["apps"]


def groups(cache: Any) -> Any:
    return cache.describe_user_groups(UserGroupId="apps")["UserGroups"][0]


def test_a_cache_moves_from_its_token_to_users_and_away(cache: Any, aws: Emulator) -> None:
    cache.create_user(**APP, Passwords=[FIRST])
    cache.create_user_group(**GROUP, UserIds=["app-user"])
    cache.create_replication_group(**SECURE)
    group = available(cache)
    move = {**NAME, "UserGroupIdsToAdd": ["apps"], "ApplyImmediately": True}
    assert "AuthStrategy" in refused("InvalidParameterCombination", cache.modify_replication_group, **move)
    with aws.standstill():
        answer = cache.modify_replication_group(**move, AuthTokenUpdateStrategy="DELETE")["ReplicationGroup"]
        assert answer["Status"] == "modifying"
    moved = available(cache)
    assert (moved["UserGroupIds"], moved["AuthTokenEnabled"], moved["PendingModifiedValues"]) == (["apps"], False, {})
    assert lets_in(group, username="app", password=FIRST)
    assert not lets_in(group, password=str(SECURE["AuthToken"]))
    cache.modify_replication_group(**NAME, RemoveUserGroups=True, ApplyImmediately=True)
    assert "UserGroupIds" not in available(cache) or not available(cache)["UserGroupIds"]
    assert not lets_in(group, username="app", password=FIRST)
    assert lets_in(group)

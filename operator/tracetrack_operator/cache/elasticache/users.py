"""The user that the application logs in as, in a user group of the replication group's own (RBAC).

A user group of engine valkey lets nobody in but its users: the user `default` is off unless the group has one of that
name. While a replication group goes over from an AUTH token it has one, whose password is the token, so that whoever
logs in with the token is let in before and after.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...aws.ownership import CLUSTER, NAME, NAMESPACE, UID, bounded_name, describe_owner, tag_list, tag_map
from ...dependencies.cloud.actions import Create, Modify
from ...dependencies.cloud.fields import Item
from ...engine.plan import Disruption

USER, DEFAULT_USER, USER_GROUP = "User", "DefaultUser", "UserGroup"
"""Where the descriptions are beside that of the replication group."""
LOGIN = "tracetrack"
ENGINE = "valkey"
LONGEST = 40
PASSWORD_SINCE = "tracetrack.io/password-since"  # noqa: S105
"""A tag of the user `default`: since when the token that is its password is in force."""

_KEYS = "~tt:* ~tracetrack:* &tt:* &tracetrack:*"
_COMMANDS = (
    *("ping", "info", "select", "client|setname", "client|setinfo"),
    *("get", "set", "del", "exists", "expire", "incr", "hincrby", "zadd", "zrangebyscore", "zremrangebyscore"),
    *("multi", "exec", "discard", "eval", "evalsha", "publish", "subscribe", "unsubscribe"),
)
ACCESS_STRING = f"on {_KEYS} -@all {' '.join(f'+{command}' for command in _COMMANDS)}"
"""What the application may do: the commands it uses, with its own keys and channels."""
_IMPLIED = frozenset({"-@all", "resetchannels", "resetkeys", "clearselectors", "sanitize-payload"})


def same_access(actual: str, wanted: str) -> bool:
    """Rules that a new user has anyway may be told or not, and in any order."""
    return set(actual.split()) - _IMPLIED == set(wanted.split()) - _IMPLIED


def user_id(group: str) -> str:
    return bounded_name((group, "app"), "-", LONGEST)


def default_user_id(group: str) -> str:
    return bounded_name((group, "default"), "-", LONGEST)


def members(item: Item) -> list[str] | None:
    """The users of the group, but for the one named `default` that goes by itself; None where there is no group."""
    if USER_GROUP not in item:
        return None
    leaving = (item.get(DEFAULT_USER) or {}).get("UserId")
    return sorted(each for each in item[USER_GROUP].get("UserIds") or [] if each != leaving)


def attached(item: Item) -> bool:
    """Whether the replication group has its own user group."""
    return item.get("ReplicationGroupId") in (item.get("UserGroupIds") or [])


@dataclass(frozen=True)
class MakeUsers(Create):
    """Make what a replication group has to have before it is there; `place` are tags that what goes has to have."""

    place: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ChangeUsers(Modify):
    """Make, change or remove users of a replication group that is there; `place` as in `MakeUsers`."""

    place: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Place:
    """Whose users they are: those of the replication group `name`, by `tags`; `since` as in `PASSWORD_SINCE`."""

    name: str
    region: str | None
    tags: Mapping[str, str]
    password: str = field(repr=False)
    since: str = ""

    @property
    def uid(self) -> str:
        return self.tags[UID]

    @property
    def lasting(self) -> Mapping[str, str]:
        """The tags that a later object of the same name has too."""
        return {key: self.tags[key] for key in (CLUSTER, NAMESPACE, NAME)}


@dataclass(frozen=True)
class Preparation:
    """The calls to be made, in order; `ready` when there is nothing to wait for; `conflict`: who has it instead."""

    calls: tuple[tuple[str, Mapping[str, Any], str], ...] = field(default=(), repr=False)
    ready: bool = False
    conflict: str = ""


def prepared(place: Place, found: Mapping[str, Item], bridge: bool) -> Preparation:
    """What leads to a user group that a replication group can be given. Pure.

    `found` are the descriptions that are there, each with its `TagList`; with `bridge`, who logs in with the AUTH token
    is let in too. What an earlier object of the same place left behind is removed and made anew.
    """
    if theirs := _conflict(place, found):
        return Preparation(conflict=theirs)
    if left := [key for key in (USER_GROUP, USER, DEFAULT_USER) if key in found and not _is_ours(place, found[key])]:
        return Preparation(tuple(_removal(found[key], key) for key in left))
    calls, wanted = [], {USER: user_id(place.name)}
    if USER not in found:
        calls.append(_user(place, wanted[USER], LOGIN, {}))
    if bridge:
        wanted[DEFAULT_USER] = default_user_id(place.name)
        former = found.get(DEFAULT_USER)
        stale = former is not None and tag_map(former["TagList"]).get(PASSWORD_SINCE) != place.since
        if former is not None and stale:
            calls.append(_removal(former, DEFAULT_USER))
        if former is None or stale:
            calls.append(_user(place, wanted[DEFAULT_USER], "default", {PASSWORD_SINCE: place.since}))
    group = found.get(USER_GROUP)
    missing = sorted(set(wanted.values()) - set((group or {}).get("UserIds") or []))
    if group is None:
        calls.append(_group(place, list(wanted.values())))
    elif missing:
        given = {"UserGroupId": place.name, "UserIdsToAdd": missing}
        calls.append(("modify_user_group", given, f"userIds: add {','.join(missing)}"))
    settled = all(found[key].get("Status") == "active" for key in (*wanted, USER_GROUP) if key in found)
    return Preparation(tuple(calls) if settled else (), ready=settled and not calls)


def retagged(place: Place, found: Mapping[str, Item]) -> Preparation:
    """What has the users of an adopted replication group carry its owner's tags."""
    if theirs := _conflict(place, found):
        return Preparation(conflict=theirs)
    calls = [
        ("add_tags_to_resource", {"ResourceName": each["ARN"], "Tags": tag_list(place.tags)}, f"adopt {key}")
        for key, each in found.items()
        if not _is_ours(place, each)
    ]
    return Preparation(tuple(calls), ready=not calls)


def making(place: Place, preparation: Preparation) -> tuple[MakeUsers, ...]:
    """The calls as actions, for a replication group that isn't there yet."""
    return tuple(
        MakeUsers(
            _what(call),
            "elasticache",
            call[0],
            place.region,
            call[1],
            name=place.name,
            uid=place.uid,
            place=place.lasting,
        )
        for call in preparation.calls
    )


def changing(place: Place, preparation: Preparation) -> tuple[ChangeUsers, ...]:
    """The calls as actions, for one that serves."""
    return tuple(change(place, *call) for call in preparation.calls)


def change(place: Place, operation: str, given: Mapping[str, Any], told: str) -> ChangeUsers:
    return ChangeUsers(
        _what((operation, given, told)),
        "elasticache",
        operation,
        place.region,
        given,
        name=place.name,
        uid=place.uid,
        changes=(told,),
        asked=frozenset({("users", told)}),
        place=place.lasting,
        disruption=Disruption.ONLINE,
    )


def removal_of_default(place: Place) -> ChangeUsers:
    """Who still has the former token is let in no more."""
    id_ = default_user_id(place.name)
    return change(place, "delete_user", {"UserId": id_}, "the former AUTH token is let in no more")


def passwords(place: Place, values: tuple[str, ...], told: str) -> ChangeUsers:
    """Have the application's user log in with these and no others."""
    given = {"UserId": user_id(place.name), "Passwords": list(dict.fromkeys(values))}
    return change(place, "modify_user", given, told)


def _what(call: tuple[str, Mapping[str, Any], str]) -> str:
    given = call[1]
    if "UserId" in given:
        return f"User {given['UserId']}"
    return f"User group {given['UserGroupId']}" if "UserGroupId" in given else str(given["ResourceName"])


def _is_ours(place: Place, found: Item) -> bool:
    return tag_map(found["TagList"]).get(UID) == place.uid


def _conflict(place: Place, found: Mapping[str, Item]) -> str:
    for key, each in found.items():
        theirs = tag_map(each["TagList"])
        earlier = all(theirs.get(tag) == value for tag, value in place.lasting.items())
        in_use = [id_ for id_ in each.get("ReplicationGroups") or [] if id_ != place.name]
        if UID not in theirs or (theirs[UID] != place.uid and not earlier) or in_use:
            kind = "User group" if key == USER_GROUP else "User"
            use = f" and is in use by replication group {', '.join(in_use)}" if in_use else ""
            return f"{kind} {each.get('UserGroupId') or each.get('UserId')} belongs to {describe_owner(theirs)}{use}."
    return ""


def _removal(found: Item, key: str) -> tuple[str, Mapping[str, Any], str]:
    if key == USER_GROUP:
        return "delete_user_group", {"UserGroupId": found["UserGroupId"]}, "left by an earlier object of the name"
    return "delete_user", {"UserId": found["UserId"]}, "left from before"


def _user(place: Place, id_: str, name: str, more: Mapping[str, str]) -> tuple[str, Mapping[str, Any], str]:
    given = {
        "UserId": id_,
        "UserName": name,
        "Engine": ENGINE,
        "AccessString": ACCESS_STRING,
        "Passwords": [place.password],
        "Tags": tag_list({**place.tags, **more}),
    }
    return "create_user", given, f"make user {name}"


def _group(place: Place, ids: list[str]) -> tuple[str, Mapping[str, Any], str]:
    given = {"UserGroupId": place.name, "Engine": ENGINE, "UserIds": ids, "Tags": tag_list(place.tags)}
    return "create_user_group", given, f"make it of {','.join(ids)}"

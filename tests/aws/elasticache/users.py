"""RBAC: users and user groups, as users of the real Redis."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from moto.core.responses import ActionResult
from moto.elasticache.exceptions import UserNotFound
from moto.elasticache.models import User
from moto.elasticache.responses import ElastiCacheResponse

from tests.aws.clock import clock
from tests.aws.elasticache.errors import combination, refusal, wrong
from tests.aws.estate import Estate
from tests.aws.lists import paged
from tests.aws.patch import add, put
from tests.backing import RedisServer

_MOST_PASSWORDS = 2
# Commands that Valkey knows since 7.2, and the Redis behind the endpoints doesn't.
_NEWER = frozenset({"+client|setinfo"})
_OPEN = ("reset", "on", "nopass", "~*", "&*", "+@all")


@dataclass
class UserGroup:
    user_group_id: str
    engine: str
    user_ids: list[str]
    arn: str
    replication_groups: list[str] = field(default_factory=list)
    minimum_engine_version: str = "6.0"
    busy_until: float = 0.0

    @property
    def status(self) -> str:
        return "modifying" if clock.now() < self.busy_until else "active"


def groups_of(backend: Any) -> dict[str, UserGroup]:
    """All user groups by name."""
    groups: dict[str, UserGroup] = backend.__dict__.setdefault("user_groups", {})
    return groups


def group_of(backend: Any, name: str) -> UserGroup:
    """The user group of that name. UserGroupNotFound."""
    group = groups_of(backend).get(name)
    if group is None:
        raise refusal("UserGroupNotFound", f"User group {name} not found.")
    return group


def check_association(backend: Any, names: list[str], engine: str, encrypted: bool) -> None:
    """Whether a replication group may have these user groups."""
    if len(names) > 1:
        raise wrong("A replication group can be associated with one user group only.")
    for name in names:
        group = group_of(backend, name)
        if not encrypted:
            raise combination("User group based access control requires encryption-in-transit to be enabled.")
        if group.engine != engine and not (group.engine == "redis" and engine == "valkey"):
            raise combination(f"User group {name} is of engine {group.engine}, the replication group of {engine}.")


def _user(backend: Any, name: str) -> Any:
    user = backend.users.get(name)
    if user is None:
        raise UserNotFound(name)
    return user


def _check_members(backend: Any, engine: str, names: list[str]) -> None:
    users = [_user(backend, name) for name in names]
    known = [user.name for user in users]
    if len(set(known)) != len(known):
        raise refusal("DuplicateUserName", "A user group can't have two users of the same user name.")
    if engine == "redis" and "default" not in known:
        raise refusal("DefaultUserRequired", "A user group needs a user with the user name default.")
    for user in users:
        if user.engine not in (engine, "redis"):
            raise combination(f"User {user.id} is of engine {user.engine}, the user group of {engine}.")


def _rules(user: Any) -> list[str]:
    return ["reset", *_access(user), *_secrets(user)]


def _access(user: Any) -> list[str]:
    return [rule for rule in str(user.access_string).split() if rule not in _NEWER]


def _secrets(user: Any) -> list[str]:
    return [f">{password}" for password in user.passwords] or ["nopass"]


def enforce(server: RedisServer, users: list[Any] | None) -> None:
    """Let these users in and nobody else; without RBAC (None) the default user, without a password."""
    wanted = {str(user.name): _rules(user) for user in users or []}
    wanted.setdefault("default", list(_OPEN) if users is None else ["reset", "off"])
    for name in server.clients - set(wanted):
        server.command("ACL", "DELUSER", name)
    for name, rules in wanted.items():
        if server.command("ACL", "SETUSER", name, *rules) != "+OK":
            raise RuntimeError(f"redis refused the access string of user {name}")
    server.clients = set(wanted) - {"default"}


def admit(server: RedisServer, users: list[Any] | None) -> None:
    """Let these users in, too, where a server is that of others as well; nobody is kept out of it.

    The user default goes on doing everything there: it is that of the others' tokens.
    """
    for user in users or []:
        name = str(user.name)
        access = [] if name == "default" else ["resetkeys", "resetchannels", *_access(user)]
        if server.command("ACL", "SETUSER", name, *access, *_secrets(user)) != "+OK":
            raise RuntimeError(f"the shared redis refused the access string of user {name}")


def users_of(backend: Any, names: list[str]) -> list[Any] | None:
    """The users of user groups; None without any group."""
    return [_user(backend, user) for name in names for user in group_of(backend, name).user_ids] if names else None


def _refresh(backend: Any, groups: list[UserGroup]) -> None:
    """Bring what has changed of user groups to the servers that have them."""
    names = {group.user_group_id for group in groups}
    for replication_group in backend.replication_groups.values():
        if names & set(replication_group.user_group_ids) and replication_group.status not in ("creating", "deleting"):
            users = users_of(backend, replication_group.user_group_ids)
            let_in = admit if replication_group.backing.shared else enforce
            replication_group.backing.use(lambda server, let_in=let_in, users=users: let_in(server, users))


def _passwords(self: Any) -> list[str] | None:
    mode = self._get_param("AuthenticationMode") or {}
    if mode.get("Type") == "iam":
        raise NotImplementedError(f"{self._get_action()} with IAM authentication")
    if self._get_bool_param("NoPasswordRequired") or mode.get("Type") == "no-password-required":
        return []
    passwords: list[str] | None = self._get_param("Passwords") or mode.get("Passwords")
    if passwords is not None and not 1 <= len(passwords) <= _MOST_PASSWORDS:
        raise wrong(f"A user can have one or {_MOST_PASSWORDS} passwords.")
    if passwords is not None and any(not 16 <= len(password) <= 128 for password in passwords):
        raise wrong("Passwords length must be between 16-128 characters.")
    return passwords


def _user_status(user: Any) -> str:
    return "modifying" if clock.now() < user.__dict__.get("busy_until", 0.0) else str(user.__dict__["_status"])


def install(estate: Estate) -> None:
    moto_create_user = ElastiCacheResponse.create_user
    cls: Any = User
    cls.status = property(_user_status, lambda self, value: self.__dict__.__setitem__("_status", value))
    cls.user_group_ids = property(
        lambda self: [name for name, group in self.__dict__.get("groups", {}).items() if self.id in group.user_ids],
        lambda self, value: None,
    )

    def create_user(self: Any) -> Any:
        _passwords(self)
        answer = moto_create_user(self)
        self.elasticache_backend.users[self._get_param("UserId")].groups = groups_of(self.elasticache_backend)
        return answer

    def describe_users(self: Any) -> ActionResult:
        backend, name = self.elasticache_backend, self._get_param("UserId")
        chosen = [_user(backend, name)] if name else backend.users.values()
        return paged(self.params, "Users", chosen, lambda user: str(user.id))

    def modify_user(self: Any) -> ActionResult:
        backend = self.elasticache_backend
        user = _user(backend, self._get_param("UserId"))
        if user.status != "active":
            raise refusal("InvalidUserState", f"User {user.id} is not in active state: {user.status}.")
        passwords, access = _passwords(self), self._get_param("AccessString")
        if passwords is not None:
            user.passwords, user.no_password_required = passwords, not passwords
            user.authentication_type = "password" if passwords else "no-password"
        if self._get_param("AppendAccessString"):
            access = f"{user.access_string} {self._get_param('AppendAccessString')}"
        user.access_string = access or user.access_string
        _refresh(backend, [group for group in groups_of(backend).values() if user.id in group.user_ids])
        user.busy_until = clock.now() + estate.settings.modify_seconds
        return ActionResult(user)

    def delete_user(self: Any) -> ActionResult:
        backend = self.elasticache_backend
        user = _user(backend, self._get_param("UserId"))
        if user.id == "default":
            raise wrong("The user default can't be deleted.")
        joined = [group for group in groups_of(backend).values() if user.id in group.user_ids]
        for group in joined:
            _check_members(backend, group.engine, [name for name in group.user_ids if name != user.id])
        for group in joined:
            group.user_ids.remove(user.id)
        del backend.users[user.id]
        backend.tagging_service.delete_all_tags_for_resource(user.arn)
        _refresh(backend, joined)
        user.status = "deleting"
        return ActionResult(user)

    put(ElastiCacheResponse, create_user)
    put(ElastiCacheResponse, describe_users)
    put(ElastiCacheResponse, delete_user)
    add(ElastiCacheResponse, modify_user)
    _install_groups(estate)


def _install_groups(estate: Estate) -> None:
    def create_user_group(self: Any) -> ActionResult:
        backend, name, engine = self.elasticache_backend, self._get_param("UserGroupId"), self._get_param("Engine")
        if name in groups_of(backend):
            raise refusal("UserGroupAlreadyExists", f"User group {name} already exists.")
        users = list(self._get_param("UserIds") or [])
        _check_members(backend, engine.lower(), users)
        arn = f"arn:aws:elasticache:{backend.region_name}:{backend.account_id}:usergroup:{name}"
        groups_of(backend)[name] = UserGroup(name, engine.lower(), users, arn)
        backend.tagging_service.tag_resource(arn, self._get_param("Tags", []))
        return ActionResult(groups_of(backend)[name])

    def describe_user_groups(self: Any) -> ActionResult:
        backend, name = self.elasticache_backend, self._get_param("UserGroupId")
        for group in groups_of(backend).values():
            group.replication_groups = [
                one.replication_group_id
                for one in backend.replication_groups.values()
                if group.user_group_id in one.user_group_ids
            ]
        chosen = [group_of(backend, name)] if name else groups_of(backend).values()
        return paged(self.params, "UserGroups", chosen, lambda group: str(group.user_group_id))

    def modify_user_group(self: Any) -> ActionResult:
        backend = self.elasticache_backend
        group = group_of(backend, self._get_param("UserGroupId"))
        if group.status != "active":
            raise refusal("InvalidUserGroupState", f"User group {group.user_group_id} is not active: {group.status}.")
        joining, leaving = self._get_param("UserIdsToAdd") or [], self._get_param("UserIdsToRemove") or []
        if not set(leaving) <= set(group.user_ids) or set(joining) & set(group.user_ids):
            raise wrong("UserIdsToRemove must be members of the user group, and UserIdsToAdd must not.")
        users = [name for name in group.user_ids if name not in leaving] + joining
        _check_members(backend, group.engine, users)
        group.user_ids = users
        _refresh(backend, [group])
        group.busy_until = clock.now() + estate.settings.modify_seconds
        return ActionResult(group)

    def delete_user_group(self: Any) -> ActionResult:
        backend = self.elasticache_backend
        group = group_of(backend, self._get_param("UserGroupId"))
        if any(group.user_group_id in one.user_group_ids for one in backend.replication_groups.values()):
            raise NotImplementedError("DeleteUserGroup of a group that a replication group has")
        backend.tagging_service.delete_all_tags_for_resource(group.arn)
        return ActionResult(groups_of(backend).pop(group.user_group_id))

    for function in (create_user_group, describe_user_groups, modify_user_group, delete_user_group):
        add(ElastiCacheResponse, function)

"""Cache parameter groups: parameters checked, and really set on the servers of their groups."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.elasticache.responses import ElastiCacheResponse

from tests.aws.elasticache.errors import combination, refusal, wrong
from tests.aws.elasticache.rules import family
from tests.aws.lists import paged
from tests.aws.patch import add
from tests.backing import RedisServer

FAMILIES = ("redis5.0", "redis6.x", "redis7", "valkey7", "valkey8")
_POLICIES = "volatile-lru,allkeys-lru,volatile-lfu,allkeys-lfu,volatile-random,allkeys-random,volatile-ttl,noeviction"
# name: (type, allowed values, default, applied at once, set on the real server)
_PARAMETERS: dict[str, tuple[str, str, str, bool, bool]] = {
    "activedefrag": ("string", "yes,no", "no", True, False),
    "cluster-enabled": ("string", "yes,no", "no", False, False),
    "databases": ("integer", "1-1200000", "16", False, False),
    "lazyfree-lazy-eviction": ("string", "yes,no", "no", True, True),
    "maxmemory-policy": ("string", _POLICIES, "volatile-lru", True, True),
    "maxmemory-samples": ("integer", "1-2147483647", "3", True, True),
    "notify-keyspace-events": ("string", "", "", True, True),
    "reserved-memory-percent": ("integer", "0-100", "25", True, False),
    "slowlog-log-slower-than": ("integer", "-1-2147483647", "10000", True, True),
    "slowlog-max-len": ("integer", "0-2147483647", "128", True, True),
    "tcp-keepalive": ("integer", "0-2147483647", "300", True, True),
    "timeout": ("integer", "0-2147483647", "0", True, True),
}


@dataclass
class CacheParameterGroup:
    cache_parameter_group_name: str
    cache_parameter_group_family: str
    description: str
    arn: str
    values: dict[str, str] = field(default_factory=dict)
    is_global: bool = False


def _groups(backend: Any) -> dict[str, CacheParameterGroup]:
    groups: dict[str, CacheParameterGroup] = backend.__dict__.setdefault("cache_parameter_groups", {})
    for known in FAMILIES:
        name = f"default.{known}"
        if name not in groups:
            groups[name] = CacheParameterGroup(name, known, f"Default parameter group for {known}", _arn(backend, name))
    return groups


def _arn(backend: Any, name: str) -> str:
    return f"arn:aws:elasticache:{backend.region_name}:{backend.account_id}:parametergroup:{name}"


def group_of(backend: Any, name: str) -> CacheParameterGroup:
    """The group of that name. CacheParameterGroupNotFound."""
    group = _groups(backend).get(name.lower())
    if group is None:
        raise refusal("CacheParameterGroupNotFound", f"CacheParameterGroup {name} not found.")
    return group


def is_default(name: str) -> bool:
    return name.startswith("default.")


def name_of(group: Any) -> str:
    """The name of the parameter group that a replication group has."""
    return str(group.cache_parameter_group_name or f"default.{family(group.engine, group.engine_version)}").lower()


def check(backend: Any, name: str | None, engine: str, version: str) -> None:
    """Refuse a group that is of another family than the version."""
    wanted = family(engine, version)
    found = group_of(backend, name).cache_parameter_group_family if name else wanted
    if found != wanted:
        raise combination(f"Expected a parameter group of family {wanted} but found one of family {found}")


def wanted(group: Any) -> dict[str, str]:
    """The values that a group has once nothing waits for a restart, and begins with."""
    chosen = group_of(group.backend, name_of(group)).values
    return {name: chosen.get(name, default) for name, (_, _, default, _, _) in _PARAMETERS.items()}


def status(group: Any) -> str:
    return "in-sync" if group.in_force == wanted(group) else "pending-reboot"


def start_with(server: RedisServer, group: Any) -> None:
    """Give a server that is about to start the values of its group."""
    group.in_force = wanted(group)
    server.next_start = tuple(f'{name} "{value}"' for name, value in group.in_force.items() if _PARAMETERS[name][4])


def apply(group: Any) -> None:
    """Put what needs no reboot into force on the running server."""
    changed = {name: value for name, value in wanted(group).items() if group.in_force.get(name) != value}
    at_once = {name: value for name, value in changed.items() if _PARAMETERS[name][3]}

    def configure(server: RedisServer) -> None:
        for name, value in at_once.items():
            if _PARAMETERS[name][4] and server.command("CONFIG", "SET", name, value) != "+OK":
                raise RuntimeError(f"redis refused {name} {value}")

    if at_once:
        group.backing.use(configure)
    group.in_force = {**group.in_force, **at_once}


def _check_value(name: str, value: str | None) -> None:
    if name not in _PARAMETERS:
        raise wrong(f"Could not find parameter with name: {name}")
    kind, allowed, _, _, _ = _PARAMETERS[name]
    fits = value is not None
    if fits and kind == "integer":
        low, high = re.fullmatch(r"(-?\d+)-(\d+)", allowed).groups()  # type: ignore[union-attr]
        fits = bool(re.fullmatch(r"-?\d+", str(value))) and int(low) <= int(str(value)) <= int(high)
    elif fits and allowed:
        fits = value in allowed.split(",")
    if not fits:
        raise wrong(f"The parameter {name} has the invalid value {value}. Allowed values: {allowed}")


def _changeable(backend: Any, name: str) -> CacheParameterGroup:
    if is_default(name):
        raise wrong(f"The parameter group {name} is a default one and can't be modified or deleted.")
    return group_of(backend, name)


def _members(backend: Any, name: str) -> list[Any]:
    return [group for group in backend.replication_groups.values() if name_of(group) == name]


def install() -> None:
    def create_cache_parameter_group(self: Any) -> ActionResult:
        backend, name = self.elasticache_backend, self._get_param("CacheParameterGroupName").lower()
        kind = self._get_param("CacheParameterGroupFamily")
        if kind not in FAMILIES:
            raise wrong(f"The parameter CacheParameterGroupFamily is invalid: {kind}")
        if not re.fullmatch(r"[a-z](?!.*--)[a-z0-9-]{0,254}", name) or name.endswith("-"):
            raise wrong("The parameter CacheParameterGroupName is not a valid identifier.")
        if name in _groups(backend):
            raise refusal("CacheParameterGroupAlreadyExists", f"Cache parameter group {name} already exists.")
        made = CacheParameterGroup(name, kind, self._get_param("Description"), _arn(backend, name))
        _groups(backend)[name] = made
        backend.tagging_service.tag_resource(made.arn, self._get_param("Tags", []))
        return ActionResult({"CacheParameterGroup": made})

    def describe_cache_parameter_groups(self: Any) -> ActionResult:
        backend, name = self.elasticache_backend, self._get_param("CacheParameterGroupName")
        chosen = [group_of(backend, name)] if name else _groups(backend).values()
        return paged(self.params, "CacheParameterGroups", chosen, lambda group: str(group.cache_parameter_group_name))

    def modify_cache_parameter_group(self: Any) -> ActionResult:
        backend = self.elasticache_backend
        group = _changeable(backend, self._get_param("CacheParameterGroupName"))
        asked = {each["ParameterName"]: each.get("ParameterValue") for each in self._get_param("ParameterNameValues")}
        for name, value in asked.items():
            _check_value(name, value)
        group.values.update(asked)
        return _changed(backend, group)

    def reset_cache_parameter_group(self: Any) -> ActionResult:
        backend = self.elasticache_backend
        group = _changeable(backend, self._get_param("CacheParameterGroupName"))
        named = [each["ParameterName"] for each in self._get_param("ParameterNameValues", [])]
        for name in list(group.values) if self._get_bool_param("ResetAllParameters") else named:
            group.values.pop(name, None)
        return _changed(backend, group)

    def describe_cache_parameters(self: Any) -> ActionResult:
        group, source = group_of(self.elasticache_backend, self._get_param("CacheParameterGroupName")), "Source"
        every = [
            {
                "ParameterName": name,
                "ParameterValue": group.values.get(name, default),
                "Source": "user" if name in group.values else "system",
                "DataType": kind,
                "AllowedValues": allowed,
                "IsModifiable": True,
                "ChangeType": "immediate" if at_once else "requires-reboot",
            }
            for name, (kind, allowed, default, at_once, _) in _PARAMETERS.items()
        ]
        chosen = [one for one in every if self._get_param(source) in (None, one[source])]
        return paged(self.params, "Parameters", chosen, lambda one: str(one["ParameterName"]))

    def delete_cache_parameter_group(self: Any) -> Any:
        backend = self.elasticache_backend
        group = _changeable(backend, self._get_param("CacheParameterGroupName"))
        name = group.cache_parameter_group_name
        if _members(backend, name):
            raise refusal(
                "InvalidCacheParameterGroupState",
                f"One or more cache clusters are still members of this parameter group {name}, "
                "so the group cannot be deleted",
            )
        del _groups(backend)[name]
        return EmptyResult()

    for function in (
        create_cache_parameter_group,
        describe_cache_parameter_groups,
        modify_cache_parameter_group,
        reset_cache_parameter_group,
        describe_cache_parameters,
        delete_cache_parameter_group,
    ):
        add(ElastiCacheResponse, function)


def _changed(backend: Any, group: CacheParameterGroup) -> ActionResult:
    for member in _members(backend, group.cache_parameter_group_name):
        if member.status not in ("creating", "deleting"):
            apply(member)
    return ActionResult({"CacheParameterGroupName": group.cache_parameter_group_name})

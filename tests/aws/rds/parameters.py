"""DB parameter groups: parameters checked, static or dynamic, and really set on the servers of their instances."""

from __future__ import annotations

import re
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.rds.exceptions import DBParameterGroupNotFoundError
from moto.rds.models import DBInstance, DBParameterGroup, RDSBackend
from moto.rds.responses import RDSResponse

from tests.aws.estate import Estate, accept, literal
from tests.aws.lists import paged
from tests.aws.patch import add, put
from tests.aws.rds.catalogue import FORCE_SSL, PARAMETERS, default
from tests.aws.rds.errors import combination, wrong
from tests.aws.rds.versions import families, family
from tests.backing import PostgresServer

_MOST_AT_ONCE = 20


def group_of(backend: Any, name: str) -> Any:
    """The group of that name; a family's default group is there without being made. DBParameterGroupNotFound."""
    group = backend.db_parameter_groups.get(name.lower())
    if group is None and name.lower() in {f"default.{known}" for known in families()}:
        kind = name.lower().removeprefix("default.")
        group = DBParameterGroup(backend, name.lower(), f"Default parameter group for {kind}", kind, [])
        backend.db_parameter_groups[name.lower()] = group
    if group is None:
        raise DBParameterGroupNotFoundError(name)
    return group


def name_of(instance: Any) -> str:
    """The name of the group that an instance has."""
    return str(instance.db_parameter_group_name or f"default.{family(instance.engine_version)}").lower()


def is_default(name: str) -> bool:
    return name.startswith("default.")


def check_group(backend: Any, name: str | None, version: str) -> None:
    """Refuse a group that is of another family than the version."""
    kind = group_of(backend, name).family if name else family(version)
    if kind != family(version):
        raise combination(
            f"The Parameter Group {name} with DBParameterGroupFamily {kind} can't be used for this instance. "
            f"Please use a Parameter Group with DBParameterGroupFamily {family(version)}"
        )


def wanted(instance: Any) -> dict[str, str]:
    """The values that an instance has after its next reboot."""
    group = group_of(instance.backend, name_of(instance))
    values = {name: default(name, group.family) for name in PARAMETERS}
    values |= {name: entry["ParameterValue"] for name, entry in group.parameters.items()}
    return {name: value for name, value in values.items() if value is not None}


def status(instance: Any) -> str:
    due = instance.reboot_due or instance.in_force != wanted(instance)
    return "pending-reboot" if due else "in-sync"


def come_into_force(instance: Any) -> None:
    """Have an instance show all values of its group as in force, as after a reboot; no server is told."""
    instance.in_force, instance.reboot_due = wanted(instance), False


def start_with(server: PostgresServer, instance: Any) -> None:
    """Give a server that is about to start the values that its instance has then."""
    come_into_force(instance)
    _write(server, instance.in_force)
    server.next_start = tuple(
        f"{name}={value}" for name, value in _real(instance.in_force).items() if not PARAMETERS[name].dynamic
    )
    if instance.in_force.get("rds.logical_replication") == "1":
        server.next_start += ("wal_level=logical",)


def _real(values: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if PARAMETERS[name].real and "{" not in value}


def _write(server: PostgresServer, values: dict[str, str]) -> None:
    lines = [f"{name} = {literal(value)}" for name, value in _real(values).items() if PARAMETERS[name].dynamic]
    path = server.directory / "parameters.conf"
    path.write_text("\n".join(lines) + "\n")
    path.chmod(0o644)
    accept(server, plain=values.get(FORCE_SSL) == "0")


def _apply(instance: Any, names: set[str]) -> None:
    """Put dynamic parameters into force on the running server."""
    values = wanted(instance)
    kept = {name: value for name, value in instance.in_force.items() if name not in names}
    instance.in_force = {**kept, **{name: values[name] for name in names if name in values}}

    def reload(server: PostgresServer) -> None:
        _write(server, instance.in_force)
        server.sql("select pg_reload_conf()", "postgres")

    instance.backing.use(reload)


def _members(backend: Any, group: Any) -> list[Any]:
    return [instance for instance in backend.databases.values() if name_of(instance) == group.name]


def _check_change(change: dict[str, Any], *, reset: bool) -> None:
    name, value, method = change.get("ParameterName"), change.get("ParameterValue"), change.get("ApplyMethod")
    parameter = PARAMETERS.get(name or "")
    if parameter is None:
        raise wrong(f"Could not find parameter with name: {name}")
    if method not in ("immediate", "pending-reboot"):
        raise wrong(f"The parameter ApplyMethod of {name} must be immediate or pending-reboot.")
    if method == "immediate" and not parameter.dynamic:
        raise combination("cannot use immediate apply method for static parameter")
    if not reset and (value is None or not parameter.accepts(value)):
        raise wrong(f"Invalid parameter value: {value} for: {name} allowed values are: {parameter.allowed}")


def _changeable(backend: Any, name: str, changes: list[dict[str, Any]]) -> Any:
    if is_default(name):
        raise wrong(
            "The parameter DBParameterGroupName is not a valid identifier. Identifiers must begin with a letter; must "
            "contain only ASCII letters, digits, and hyphens; and must not end with a hyphen or contain two "
            "consecutive hyphens."
        )
    if len(changes) > _MOST_AT_ONCE:
        raise wrong(f"A maximum of {_MOST_AT_ONCE} parameters can be modified in a single request.")
    return group_of(backend, name)


def _changed(backend: Any, group: Any, changes: list[dict[str, Any]]) -> None:
    at_once = {change["ParameterName"] for change in changes if change.get("ApplyMethod") == "immediate"}
    for instance in _members(backend, group):
        if at_once and instance.status not in ("creating", "deleting"):
            _apply(instance, at_once)


def _shown(group: Any) -> list[dict[str, Any]]:
    return [
        {
            "ParameterName": name,
            "ParameterValue": group.parameters[name]["ParameterValue"] if name in group.parameters else value,
            "Description": parameter.description,
            "Source": "user" if name in group.parameters else "engine-default" if value is None else "system",
            "ApplyType": "dynamic" if parameter.dynamic else "static",
            "DataType": parameter.kind,
            "AllowedValues": parameter.allowed,
            "IsModifiable": True,
            "ApplyMethod": group.parameters.get(name, {}).get("ApplyMethod", "pending-reboot"),
        }
        for name, parameter in PARAMETERS.items()
        for value in [default(name, group.family)]
    ]


def install(estate: Estate) -> None:
    cls: Any = DBInstance
    cls.db_parameter_group_status_list = property(
        lambda self: [{"DBParameterGroupName": name_of(self), "ParameterApplyStatus": status(self)}]
    )

    def create_db_parameter_group(self: Any) -> ActionResult:
        kind, name = self.params["DBParameterGroupFamily"], self.params["DBParameterGroupName"]
        if not re.fullmatch(r"[a-zA-Z](?!.*--)[a-zA-Z0-9-]{0,254}", name) or name.endswith("-"):
            raise wrong("The parameter DBParameterGroupName is not a valid identifier.")
        if kind not in families():
            raise wrong(f"ParameterGroupFamily {kind} is not a valid parameter group family")
        return ActionResult({"DBParameterGroup": self.backend.create_db_parameter_group(self.params)})

    def describe_db_parameter_groups(self: Any) -> ActionResult:
        for known in families():
            group_of(self.backend, f"default.{known}")
        name = self.params.get("DBParameterGroupName")
        every = [group_of(self.backend, name)] if name else self.backend.db_parameter_groups.values()
        return paged(self.params, "DBParameterGroups", every, lambda group: str(group.name))

    def modify_db_parameter_group(self: Any) -> ActionResult:
        changes = [each.original_dict() for each in self.params.get("Parameters", [])]
        group = _changeable(self.backend, self.params["DBParameterGroupName"], changes)
        for change in changes:
            _check_change(change, reset=False)
        group.update_parameters(changes)
        _changed(self.backend, group, changes)
        return ActionResult({"DBParameterGroupName": group.name})

    def reset_db_parameter_group(self: Any) -> ActionResult:
        changes = [each.original_dict() for each in self.params.get("Parameters", [])]
        group = _changeable(self.backend, self.params["DBParameterGroupName"], changes)
        if self.params.get("ResetAllParameters"):
            methods = {True: "immediate", False: "pending-reboot"}
            changes = [
                {"ParameterName": name, "ApplyMethod": methods[PARAMETERS[name].dynamic]} for name in group.parameters
            ]
        for change in changes:
            _check_change(change, reset=True)
            group.parameters.pop(change["ParameterName"], None)
        _changed(self.backend, group, changes)
        return ActionResult({"DBParameterGroupName": group.name})

    def describe_db_parameters(self: Any) -> ActionResult:
        source = self.params.get("Source")
        every = _shown(group_of(self.backend, self.params["DBParameterGroupName"]))
        chosen = [parameter for parameter in every if source in (None, parameter["Source"])]
        return paged(self.params, "Parameters", chosen, lambda parameter: str(parameter["ParameterName"]))

    def delete_db_parameter_group(self: Any) -> Any:
        name = self.params["DBParameterGroupName"]
        group = _changeable(self.backend, name, [])
        if _members(self.backend, group):
            raise wrong(
                "One or more database instances are still members of this parameter group "
                f"{group.name}, so the group cannot be deleted",
                "InvalidDBParameterGroupState",
            )
        RDSBackend.delete_db_parameter_group(self.backend, group.name)
        return EmptyResult()

    for function in (
        create_db_parameter_group,
        describe_db_parameter_groups,
        modify_db_parameter_group,
        describe_db_parameters,
        delete_db_parameter_group,
    ):
        put(RDSResponse, function)
    add(RDSResponse, reset_db_parameter_group)

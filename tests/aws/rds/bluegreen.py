"""Blue/green deployments: a standby of another version or class, which takes the place of its source on request."""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.rds.exceptions import BlueGreenDeploymentAlreadyExistsFault, BlueGreenDeploymentNotFoundFault
from moto.rds.responses import RDSResponse

from tests.aws.estate import Estate, Step, await_primary
from tests.aws.lists import paged
from tests.aws.patch import put
from tests.aws.rds import parameters
from tests.aws.rds.errors import OPERATIONAL, combination, operational, wrong
from tests.aws.rds.instances import make
from tests.aws.rds.replicas import follow, promote
from tests.aws.rds.restore import inherited
from tests.aws.rds.versions import major, upgraded
from tests.backing import PostgresServer

_TASKS = ("CREATING_READ_REPLICA_OF_SOURCE", "DB_ENGINE_VERSION_UPGRADE", "CONFIGURE_BACKUPS")
_ASKED = ("BlueGreenDeploymentName", "Source", "TargetEngineVersion", "TargetDBParameterGroupName", "Tags")
_TARGETS = {
    "TargetDBInstanceClass": "db_instance_class",
    "TargetAllocatedStorage": "allocated_storage",
    "TargetStorageType": "storage_type",
    "TargetIops": "iops",
    "TargetStorageThroughput": "storage_throughput",
}
_COPIED = (
    *("auto_minor_version_upgrade", "copy_tags_to_snapshot", "enable_iam_database_authentication", "multi_az"),
    *("backup_retention_period", "publicly_accessible", "tags", "vpc_security_group_ids"),
)


@dataclass
class Deployment:
    blue_green_deployment_identifier: str
    blue_green_deployment_name: str
    blue: Any
    green: Any
    tag_list: list[dict[str, str]]
    create_time: datetime = field(default_factory=utcnow)
    phase: str = "AVAILABLE"

    @property
    def source(self) -> str:
        return str(self.blue.db_instance_arn)

    @property
    def target(self) -> str:
        return str(self.green.db_instance_arn)

    @property
    def status(self) -> str:
        if self.phase != "AVAILABLE" or self.green.status in OPERATIONAL:
            return self.phase
        return "INVALID_CONFIGURATION" if self.green.status == "failed" else "PROVISIONING"

    @property
    def tasks(self) -> list[dict[str, str]]:
        done = self.status != "PROVISIONING"
        return [{"Name": name, "Status": "COMPLETED" if done else "IN_PROGRESS"} for name in _TASKS]

    @property
    def switchover_details(self) -> list[dict[str, str]]:
        return [{"SourceMember": self.source, "TargetMember": self.target, "Status": self.status}]


def _unsupported(blue: Any, why: str) -> Exception:
    message = f"The source DB instance {blue.db_instance_arn} isn't supported for a blue/green deployment: {why}"
    return wrong(message, "SourceDatabaseNotSupportedFault")


def _check_source(blue: Any, version: str) -> None:
    if blue.manage_master_user_password:
        raise _unsupported(blue, "its master password is managed in Secrets Manager.")
    if not blue.backup_retention_period:
        raise _unsupported(blue, "automated backups are not enabled.")
    if blue.replicas or blue.read_replica_source_db_instance_identifier:
        raise NotImplementedError("CreateBlueGreenDeployment of a source with read replicas")
    if major(version) != major(blue.engine_version) and blue.in_force.get("rds.logical_replication") != "1":
        raise _unsupported(blue, "rds.logical_replication must be 1 and in sync for a major version upgrade.")


def _group(blue: Any, version: str, asked: str | None) -> str | None:
    present = parameters.name_of(blue)
    if asked is not None:
        return asked
    if major(version) == major(blue.engine_version):
        return None if parameters.is_default(present) else present
    if not parameters.is_default(present):
        raise combination(f"TargetDBParameterGroupName must be specified, as {present} is custom.")
    return None


def _green(estate: Estate, backend: Any, blue: Any, asked: dict[str, Any]) -> Any:
    version = blue.engine_version
    if asked.get("TargetEngineVersion"):
        version = upgraded(version, asked["TargetEngineVersion"], True)
    _check_source(blue, version)
    chosen = {attribute: asked[name] for name, attribute in _TARGETS.items() if asked.get(name) is not None}
    given = inherited("CreateBlueGreenDeployment", blue, chosen, ())
    given |= {name: getattr(blue, name) for name in _COPIED}
    suffix = "".join(secrets.choice(string.ascii_lowercase) for _ in range(6))
    given |= {"engine_version": version, "db_instance_identifier": f"{blue.db_instance_identifier}-green-{suffix}"}
    given["db_parameter_group_name"] = _group(blue, version, asked.get("TargetDBParameterGroupName"))
    given["max_allocated_storage"] = blue.max_allocated_storage
    return make(estate, backend, given, follow(blue))


def _swap(estate: Estate, blue: PostgresServer, green: PostgresServer) -> None:
    """The green server, with all that the blue one has, answers where the blue one did."""
    blue.stop()
    promote(estate, green)
    green.stop()
    blue.port, green.port = green.port, blue.port
    green.start(60)
    blue.start(60)
    await_primary(green)


def _rename(backend: Any, instance: Any, name: str) -> None:
    backend.databases.pop(instance.db_instance_identifier, None)
    instance.db_instance_identifier = name
    backend.databases[name] = instance


def _old_name(backend: Any, name: str) -> str:
    number = 1
    while f"{name}-old{number}" in backend.databases:
        number += 1
    return f"{name}-old{number}"


def _of(backend: Any, identifier: str) -> Deployment:
    deployment: Deployment | None = backend.blue_green_deployments.get(identifier)
    if deployment is None:
        raise BlueGreenDeploymentNotFoundFault(identifier)
    return deployment


def _invalid(deployment: Deployment) -> Exception:
    return wrong(
        f"The blue/green deployment {deployment.blue_green_deployment_identifier} is {deployment.status}.",
        "InvalidBlueGreenDeploymentStateFault",
    )


def install(estate: Estate) -> None:
    def create_blue_green_deployment(self: Any) -> ActionResult:
        asked, backend = self.params.original_dict(), self.backend
        for name in asked:
            if name not in _ASKED and name not in _TARGETS:
                raise NotImplementedError(f"CreateBlueGreenDeployment with {name}")
        name = asked["BlueGreenDeploymentName"]
        with estate.lock:
            if any(one.blue_green_deployment_name == name for one in backend.blue_green_deployments.values()):
                raise BlueGreenDeploymentAlreadyExistsFault(name)
            blue = operational(backend.databases, asked["Source"])
            green = _green(estate, backend, blue, asked)
            letters = string.ascii_lowercase + string.digits
            identifier = "bgd-" + "".join(secrets.choice(letters) for _ in range(16))
            made = Deployment(identifier, name, blue, green, asked.get("Tags", []))
            backend.blue_green_deployments[identifier] = made
        return ActionResult({"BlueGreenDeployment": made})

    def describe_blue_green_deployments(self: Any) -> ActionResult:
        backend, identifier = self.backend, self.params.get("BlueGreenDeploymentIdentifier")
        chosen = [_of(backend, identifier)] if identifier else list(backend.blue_green_deployments.values())
        for asked in self.params.get("Filters", []):
            attribute = asked["Name"].replace("-", "_")
            if not hasattr(Deployment, attribute) and attribute not in Deployment.__dataclass_fields__:
                raise wrong(f"Unrecognized filter name: {asked['Name']}")
            chosen = [one for one in chosen if getattr(one, attribute) in asked["Values"]]
        return paged(self.params, "BlueGreenDeployments", chosen, lambda one: str(one.blue_green_deployment_identifier))

    def switchover_blue_green_deployment(self: Any) -> ActionResult:
        backend = self.backend
        with estate.lock:
            deployment = _of(backend, self.params["BlueGreenDeploymentIdentifier"])
            blue, green = deployment.blue, deployment.green
            if deployment.status != "AVAILABLE" or blue.status not in OPERATIONAL:
                raise _invalid(deployment)
            deployment.phase = "SWITCHOVER_IN_PROGRESS"

            def switch(server: PostgresServer) -> None:
                try:
                    green.backing.use(lambda other: _swap(estate, server, other))
                except BaseException:
                    deployment.phase = "SWITCHOVER_FAILED"
                    raise

            def done() -> None:
                with estate.lock:
                    name = blue.db_instance_identifier
                    _rename(backend, blue, _old_name(backend, name))
                    _rename(backend, green, name)
                    deployment.phase = "SWITCHOVER_COMPLETED"

            blue.backing.change(Step("modifying", estate.settings.modify_seconds, switch), done=done)
        return ActionResult({"BlueGreenDeployment": deployment})

    def delete_blue_green_deployment(self: Any) -> ActionResult:
        backend = self.backend
        with estate.lock:
            deployment = _of(backend, self.params["BlueGreenDeploymentIdentifier"])
            if deployment.status in ("PROVISIONING", "SWITCHOVER_IN_PROGRESS"):
                raise _invalid(deployment)
            target = bool(self.params.get("DeleteTarget"))
            if deployment.phase == "SWITCHOVER_COMPLETED" and target:
                raise combination("You can't specify DeleteTarget after a switchover is completed.")
            if deployment.phase == "AVAILABLE" and not target:
                raise NotImplementedError("DeleteBlueGreenDeployment that keeps its green instance")
            if target and deployment.green.deletion_protection:
                raise combination(f"Cannot delete protected DB instance {deployment.green.db_instance_identifier}.")
            del backend.blue_green_deployments[deployment.blue_green_deployment_identifier]
            if target:
                backend.delete_db_instance(deployment.green.db_instance_identifier, None, True)
            deployment.phase = "DELETING"
        return ActionResult({"BlueGreenDeployment": deployment})

    for function in (
        create_blue_green_deployment,
        describe_blue_green_deployments,
        switchover_blue_green_deployment,
        delete_blue_green_deployment,
    ):
        put(RDSResponse, function)

"""An Amazon RDS for PostgreSQL instance: created with tags, awaited, bound, deleted by policy."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..api.database import RDSDatabase
from ..api.deployment import DeletionPolicy
from ..aws.client import AwsPort
from ..aws.errors import AwsAlreadyExists, AwsConflict, AwsNotFound
from ..aws.inventory import IN_TRANSITION_SECONDS, STEADY_SECONDS, Inventory
from ..aws.ownership import UID, describe_owner, tag_list, tag_map, tags
from ..dependencies.binding import DatabaseBinding
from ..dependencies.checks import Checks
from ..dependencies.cloud import (
    CreateCloudObject,
    Facts,
    Naming,
    authorities,
    compare,
    credentials_lost,
    dependency,
    identifier,
    policy_of,
    raw,
)
from ..dependencies.generated import GeneratedSecrets, password
from ..dependencies.protocol import Dependency, Scope
from ..engine.errors import TerminalError, WaitingError
from ..engine.objects import Object
from ..engine.plan import Executor
from ..manifests.parent import DATABASE
from ..manifests.secret import secret, values
from ..settings import Settings

NAME = "tracetrack"
LONGEST = 63
CREDENTIALS = "database-credentials"
_NAMING = Naming(
    provider="RDS",
    what="DB instance",
    status_field="DBInstanceStatus",
    patience="RDS takes 10 to 20 minutes to make one.",
    identifier_field="spec.database.rds.instanceIdentifier",
    broken=frozenset(
        {
            "failed",
            "storage-full",
            "restore-error",
            "inaccessible-encryption-credentials",
            "incompatible-network",
            "incompatible-option-group",
            "incompatible-parameters",
            "incompatible-restore",
        }
    ),
)


@dataclass(frozen=True)
class CreateInstance(CreateCloudObject):
    """Create a DB instance."""


class RDS:
    makes_cloud_objects = True

    def __init__(
        self, aws: AwsPort, inventory: Inventory, generated: GeneratedSecrets, checks: Checks, settings: Settings
    ) -> None:
        self._aws = aws
        self._inventory = inventory
        self._generated = generated
        self._checks = checks
        self._settings = settings

    def register(self, executor: Executor) -> None:
        executor.register(CreateInstance, self._create)

    async def observe(self, scope: Scope) -> Facts:
        region = scope.spec.aws.region
        name = self._identifier(scope.owner)
        item = (await self._inventory.db_instances(region, STEADY_SECONDS)).get(name)
        if item is None or item.get("DBInstanceStatus") != "available":
            item = (await self._inventory.db_instances(region, IN_TRANSITION_SECONDS)).get(name)
        found = tag_map(item.get("TagList", [])) if item is not None else {}
        ours = found.get(UID) == scope.parent.uid
        credentials = await self._credentials(scope, name, ours)
        asked = scope.children.get(("Secret", scope.parent.child(CREDENTIALS)))
        binding = self._binding(item, credentials) if item is not None and ours else None
        check = await self._checks.result(scope.parent.uid, binding) if binding is not None else None
        asked_at = asked["metadata"].get("creationTimestamp", "") if asked else ""
        return Facts(item, found, credentials, binding, check, asked_at)

    def desired(self, scope: Scope, facts: Facts) -> Dependency:
        name = self._identifier(scope.owner)
        manifest = secret(scope.parent.metadata(CREDENTIALS, DATABASE), facts.credentials)
        create = CreateInstance(
            f"DB instance {name}",
            "rds",
            "create_db_instance",
            scope.spec.aws.region,
            self._parameters(scope, name, facts.credentials),
        )
        differences = _differences(_section(scope), facts.item) if facts.item is not None else []
        return dependency(_NAMING, scope, name, facts, manifest, create, differences)

    async def delete(self, owner: Object) -> str:
        region = raw(owner, "spec", "aws", "region")
        uid, name, policy = owner["metadata"]["uid"], self._identifier(owner), policy_of(owner)
        item = await self._live(name, region)
        if item is not None and tag_map(item.get("TagList", [])).get(UID) != uid:
            return f"DB instance {name} is left untouched: it belongs to {_owner_of(item)}."
        if policy is DeletionPolicy.RETAIN:
            kept = f"DB instance {name} is kept (deletionPolicy Retain). Its password went with Secret {CREDENTIALS}: "
            return kept + "set a new one with modify-db-instance to use it." if item is not None else ""
        snapshot = f"{name}-final-{uid[:8]}"
        if item is not None:
            await self._delete_instance(item, region, snapshot if policy is DeletionPolicy.SNAPSHOT else None)
        if policy is DeletionPolicy.DELETE:
            return f"DB instance {name} is gone, without a copy (deletionPolicy Delete)."
        return await self._final_snapshot(snapshot, region)

    def _identifier(self, owner: Object) -> str:
        explicit = raw(owner, "spec", "database", "rds", "instanceIdentifier")
        return identifier(self._settings.cluster, owner, explicit, LONGEST)

    async def _credentials(self, scope: Scope, name: str, instance_exists: bool) -> dict[str, str]:
        bound = scope.children.get(("Secret", scope.parent.child("database-binding")))

        def new_password() -> str:
            if instance_exists:
                credentials_lost(
                    scope.parent.child(CREDENTIALS),
                    f"Restore the Secret, or set a new password for {name} with modify-db-instance and put it there "
                    "(keys username and password).",
                )
            return password()

        return await self._generated.ensure(
            scope.parent,
            CREDENTIALS,
            {"username": lambda: NAME, "password": new_password},
            values(bound) if bound else None,
        )

    def _binding(self, item: Mapping[str, Any], credentials: Mapping[str, str]) -> DatabaseBinding | None:
        at = item.get("Endpoint") or {}
        if not at.get("Address") or not at.get("Port"):
            return None
        authority = authorities(self._settings.aws_ca_file)
        return DatabaseBinding(
            provider="rds",
            host=at["Address"],
            port=int(at["Port"]),
            database=NAME,
            username=credentials["username"],
            password=credentials["password"],
            sslmode="verify-full" if authority else "require",
            ca_crt=authority,
        )

    def _parameters(self, scope: Scope, name: str, credentials: Mapping[str, str]) -> dict[str, Any]:
        wanted = _section(scope)
        optional = {
            "MaxAllocatedStorage": wanted.max_allocated_storage_gib,
            "DBSubnetGroupName": wanted.subnet_group_name or self._settings.rds_subnet_group or None,
            "VpcSecurityGroupIds": wanted.security_group_ids or list(self._settings.rds_security_groups) or None,
            "KmsKeyId": wanted.kms_key_id,
        }
        return {
            "DBInstanceIdentifier": name,
            "DBInstanceClass": wanted.instance_class,
            "Engine": "postgres",
            "EngineVersion": wanted.engine_version,
            "AllocatedStorage": wanted.allocated_storage_gib,
            "StorageType": "gp3",
            "StorageEncrypted": True,
            "DBName": NAME,
            "MasterUsername": credentials["username"],
            "MasterUserPassword": credentials["password"],
            "MultiAZ": wanted.multi_az,
            "PubliclyAccessible": False,
            "AutoMinorVersionUpgrade": True,
            "BackupRetentionPeriod": wanted.backup_retention_days,
            "DeletionProtection": wanted.deletion_protection,
            "CopyTagsToSnapshot": True,
            "Tags": tag_list(tags(scope.owner, self._settings.cluster)),
            **{key: value for key, value in optional.items() if value is not None},
        }

    async def _create(self, action: CreateInstance) -> None:
        self._inventory.expire("rds", action.region)
        try:
            await self._aws.call("rds", "create_db_instance", region=action.region, **action.parameters)
        except AwsAlreadyExists:
            # An earlier call whose answer was lost, or somebody else's: the next look tells by the tags.
            pass
        finally:
            self._inventory.expire("rds", action.region)

    async def _live(self, name: str, region: str | None) -> Mapping[str, Any] | None:
        try:
            answer = await self._aws.call("rds", "describe_db_instances", region=region, DBInstanceIdentifier=name)
        except AwsNotFound:
            return None
        found: list[Mapping[str, Any]] = answer.get("DBInstances", [])
        return found[0] if found else None

    async def _delete_instance(self, item: Mapping[str, Any], region: str | None, snapshot: str | None) -> None:
        """Ask for the deletion where it hasn't been, and wait. Raises WaitingError until the instance is gone."""
        name, state = item["DBInstanceIdentifier"], item.get("DBInstanceStatus", "")
        copy = f" after its final snapshot {snapshot}" if snapshot else " without a copy"
        waiting = WaitingError(
            "Deleting", f"DB instance {name} is {state}; it goes{copy}.", retry_after=IN_TRANSITION_SECONDS
        )
        if state == "deleting":
            raise waiting
        final = {"SkipFinalSnapshot": False, "FinalDBSnapshotIdentifier": snapshot} if snapshot else {}
        try:
            if item.get("DeletionProtection"):
                await self._aws.call(
                    "rds",
                    "modify_db_instance",
                    region=region,
                    DBInstanceIdentifier=name,
                    DeletionProtection=False,
                    ApplyImmediately=True,
                )
            await self._aws.call(
                "rds",
                "delete_db_instance",
                region=region,
                DBInstanceIdentifier=name,
                **(final or {"SkipFinalSnapshot": True, "DeleteAutomatedBackups": True}),
            )
        except AwsAlreadyExists as error:
            raise TerminalError(
                "SnapshotExists",
                f"DB instance {name} can't be deleted: snapshot {snapshot} exists already.",
                "Delete or copy and delete that snapshot, if it isn't the last one you want.",
            ) from error
        except (AwsConflict, AwsNotFound):
            pass
        finally:
            self._inventory.expire("rds", region)
        raise waiting

    async def _final_snapshot(self, snapshot: str, region: str | None) -> str:
        try:
            answer = await self._aws.call("rds", "describe_db_snapshots", region=region, DBSnapshotIdentifier=snapshot)
        except AwsNotFound:
            answer = {}
        found = answer.get("DBSnapshots", [])
        if not found:
            return ""
        state = found[0].get("Status", "")
        if state != "available":
            raise WaitingError(
                "Deleting", f"Final DB snapshot {snapshot} is {state}.", retry_after=IN_TRANSITION_SECONDS
            )
        return f"The data is in DB snapshot {snapshot} (deletionPolicy Snapshot); the instance is deleted."


def _section(scope: Scope) -> RDSDatabase:
    return scope.spec.database.rds or RDSDatabase()


def _owner_of(item: Mapping[str, Any]) -> str:
    return describe_owner(tag_map(item.get("TagList", [])))


def _differences(wanted: RDSDatabase, item: Mapping[str, Any]) -> list[str]:
    """Fields in which the instance isn't as declared; a major version stands for all its minor ones."""
    version = str(item.get("EngineVersion", ""))
    if "." not in wanted.engine_version:
        version = version.partition(".")[0]
    return compare(
        {
            "instanceClass": (item.get("DBInstanceClass"), wanted.instance_class),
            "engineVersion": (version, wanted.engine_version),
            # RDS may have grown it by itself up to maxAllocatedStorageGiB.
            "allocatedStorageGiB": (
                max(int(item.get("AllocatedStorage", 0)), wanted.allocated_storage_gib)
                if wanted.max_allocated_storage_gib
                else item.get("AllocatedStorage"),
                wanted.allocated_storage_gib,
            ),
            "multiAZ": (bool(item.get("MultiAZ")), wanted.multi_az),
            "backupRetentionDays": (item.get("BackupRetentionPeriod"), wanted.backup_retention_days),
            "deletionProtection": (bool(item.get("DeletionProtection")), wanted.deletion_protection),
        }
    )

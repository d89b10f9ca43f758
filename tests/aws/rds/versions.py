"""The engine versions that RDS offers, what each may become, and on which classes."""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult
from moto.rds.responses import RDSResponse

from tests.aws.lists import paged
from tests.aws.patch import add, put
from tests.aws.rds.errors import combination

# The newest minor of each major that RDS offers; a request may name the major only.
_NEWEST = {"14": 19, "15": 14, "16": 10, "17": 6, "18": 1}
_DEFAULT_MAJOR = "17"
# A major upgrade leads to minors that came out no earlier than the version it starts from: the last few.
_MINORS_WITHIN_REACH = 3
_SIZES = ("micro", "small", "medium", "large", "xlarge", "2xlarge")
_FAMILIES = {"t4g": _SIZES, "m6g": _SIZES[3:], "m7g": _SIZES[3:], "r6g": _SIZES[3:], "r7g": _SIZES[3:]}


def major(version: str) -> str:
    return version.partition(".")[0]


def minor(version: str) -> int:
    return int(version.partition(".")[2])


def _rank(version: str) -> str:
    return f"{int(major(version)):03}.{minor(version):03}"


def family(version: str) -> str:
    """The parameter group family of a version."""
    return f"postgres{major(version)}"


def families() -> list[str]:
    return [f"postgres{number}" for number in _NEWEST]


def newest(version: str) -> str:
    """The newest minor of the same major."""
    return f"{major(version)}.{_NEWEST[major(version)]}"


def full_version(version: str | None) -> str:
    """major.minor for a requested engine version. InvalidParameterCombination when RDS has no such version."""
    number, _, rest = (version or _DEFAULT_MAJOR).partition(".")
    last = _NEWEST.get(number)
    if last is None or (rest and not (rest.isdigit() and 1 <= int(rest) <= last)):
        raise combination(f"Cannot find version {version} for postgres")
    return f"{number}.{rest or last}"


def targets(version: str) -> list[str]:
    """What a version can be upgraded to, oldest first."""
    own = [f"{major(version)}.{number}" for number in range(minor(version) + 1, _NEWEST[major(version)] + 1)]
    later = [number for number in _NEWEST if int(number) > int(major(version))]
    return own + [
        f"{number}.{last}"
        for number in later
        for last in range(max(1, _NEWEST[number] - _MINORS_WITHIN_REACH + 1), _NEWEST[number] + 1)
    ]


def upgraded(present: str, asked: str, major_allowed: bool) -> str:
    """The version that an upgrade leads to; the present one if there is nothing to do. InvalidParameterCombination."""
    target = full_version(asked)
    if target == present:
        return present
    if major(target) != major(present) and not major_allowed and int(major(target)) > int(major(present)):
        raise combination("The AllowMajorVersionUpgrade flag must be present when upgrading to a new major version.")
    if target not in targets(present):
        raise combination(f"Cannot upgrade postgres from {present} to {target}")
    return target


def _described(version: str) -> dict[str, Any]:
    return {
        "Engine": "postgres",
        "MajorEngineVersion": major(version),
        "EngineVersion": version,
        "DBParameterGroupFamily": family(version),
        "DBEngineDescription": "PostgreSQL",
        "DBEngineVersionDescription": f"PostgreSQL {version}",
        "ValidUpgradeTarget": [
            {
                "Engine": "postgres",
                "EngineVersion": target,
                "Description": f"PostgreSQL {target}",
                "AutoUpgrade": target == newest(version),
                "IsMajorVersionUpgrade": major(target) != major(version),
            }
            for target in targets(version)
        ],
        "ExportableLogTypes": ["postgresql", "upgrade", "iam-db-auth-error"],
        "SupportsLogExportsToCloudwatchLogs": True,
        "SupportsReadReplica": True,
        "SupportsCertificateRotationWithoutRestart": True,
        "Status": "available",
    }


def _options() -> list[dict[str, Any]]:
    return [
        {
            "Engine": "postgres",
            "EngineVersion": f"{number}.{last}",
            "DBInstanceClass": f"db.{kind}.{size}",
            "LicenseModel": "postgresql-license",
            "MultiAZCapable": True,
            "ReadReplicaCapable": True,
            "Vpc": True,
            "SupportsStorageEncryption": True,
            "StorageType": storage,
            "SupportsIops": storage != "gp2",
            "SupportsStorageThroughput": storage == "gp3",
            "SupportsIAMDatabaseAuthentication": True,
            "SupportsPerformanceInsights": True,
            "SupportsStorageAutoscaling": True,
            "MinStorageSize": 100 if storage == "io1" else 20,
            "MaxStorageSize": 65536,
        }
        for number, last in _NEWEST.items()
        for kind, sizes in _FAMILIES.items()
        for size in sizes
        for storage in ("gp2", "gp3", "io1")
    ]


def install() -> None:
    def describe_db_engine_versions(self: Any) -> ActionResult:
        engine, version = self.params.get("Engine", "postgres"), self.params.get("EngineVersion")
        group = self.params.get("DBParameterGroupFamily")
        if engine != "postgres":
            raise NotImplementedError(f"DescribeDBEngineVersions with Engine={engine}: only postgres is real here")
        every = [f"{number}.{last}" for number, most in _NEWEST.items() for last in range(1, most + 1)]
        if self.params.get("DefaultOnly"):
            every = [newest(number) for number in _NEWEST]
            every = every if version or group else [newest(_DEFAULT_MAJOR)]
        chosen = [one for one in every if version in (None, one, major(one)) and group in (None, family(one))]
        described = [_described(one) for one in chosen]
        return paged(self.params, "DBEngineVersions", described, lambda one: _rank(str(one["EngineVersion"])))

    def describe_orderable_db_instance_options(self: Any) -> ActionResult:
        asked = self.params.original_dict()
        chosen = [
            option
            for option in _options()
            if all(asked.get(name) in (None, option[name]) for name in ("Engine", "EngineVersion", "DBInstanceClass"))
        ]
        return paged(
            self.params,
            "OrderableDBInstanceOptions",
            chosen,
            lambda option: " ".join((_rank(option["EngineVersion"]), option["DBInstanceClass"], option["StorageType"])),
        )

    add(RDSResponse, describe_db_engine_versions)
    put(RDSResponse, describe_orderable_db_instance_options)

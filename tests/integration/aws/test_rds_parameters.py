"""DB parameter groups, versions and tags."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg

from tests.aws.emulator import Emulator
from tests.integration.aws.databases import CREATE, NAME, available, connect, created, described, query
from tests.integration.aws.support import TAGS, refused
from tracetrack_operator.database.check import check_database
from tracetrack_operator.dependencies.binding import DatabaseBinding
from tracetrack_operator.dependencies.checks import CheckResult

OWN = {"DBParameterGroupName": "own"}
GROUP = {**OWN, "DBParameterGroupFamily": "postgres17", "Description": "own"}


def set_to(name: str, value: str, method: str = "immediate") -> dict[str, str]:
    return {"ParameterName": name, "ParameterValue": value, "ApplyMethod": method}


def modify(rds: Any, *parameters: dict[str, str]) -> None:
    rds.modify_db_parameter_group(**OWN, Parameters=list(parameters))


async def eventually(look: Callable[[], Awaitable[bool]]) -> bool:
    """Whether it comes true: a reload reaches a connection after the statement that asked for it."""
    for _ in range(50):
        if await look():
            return True
    return False


def status(rds: Any) -> str:
    group = described(rds)["DBParameterGroups"][0]
    return f"{group['DBParameterGroupName']} {group['ParameterApplyStatus']}"


async def test_a_dynamic_parameter_applies_at_once_and_a_static_one_at_the_reboot(rds: Any, quick: Emulator) -> None:
    rds.create_db_parameter_group(**GROUP)
    instance = created(rds)
    assert status(rds) == "default.postgres17 in-sync"
    modify(rds, set_to("work_mem", "8192"))
    rds.modify_db_instance(**NAME, **OWN)
    assert status(rds) == "own pending-reboot"
    assert described(rds)["DBInstanceStatus"] == "available"
    assert await query(instance, "first-password", "show work_mem") == "4MB"
    rds.reboot_db_instance(**NAME)
    instance = available(rds)
    assert status(rds) == "own in-sync"
    assert await query(instance, "first-password", "show work_mem") == "8MB"

    async def applied() -> bool:
        return bool(await query(instance, "first-password", "show statement_timeout") == "7s")

    modify(rds, set_to("statement_timeout", "7000"))
    assert status(rds) == "own in-sync"
    assert await eventually(applied)
    modify(rds, set_to("max_connections", "60", "pending-reboot"))
    assert status(rds) == "own pending-reboot"
    assert await query(instance, "first-password", "show max_connections") == "100"
    rds.reboot_db_instance(**NAME)
    instance = available(rds)
    assert status(rds) == "own in-sync"
    assert await query(instance, "first-password", "show max_connections") == "60"
    rds.reset_db_parameter_group(**OWN, ResetAllParameters=True)
    assert status(rds) == "own pending-reboot"
    assert rds.describe_db_parameters(**OWN, Source="user")["Parameters"] == []
    refused("InvalidDBParameterGroupState", rds.delete_db_parameter_group, **OWN)


async def test_tls_is_forced_by_its_parameter(rds: Any, quick: Emulator) -> None:
    rds.create_db_parameter_group(**GROUP)
    modify(rds, set_to("rds.force_ssl", "0"))
    instance = created(rds, **OWN)
    assert status(rds) == "own in-sync"
    connection = await connect(instance, ssl=False)
    await connection.close()
    at = instance["Endpoint"]["Address"], instance["Endpoint"]["Port"]
    login = DatabaseBinding("rds", *at, instance["DBName"], instance["MasterUsername"], "first-password")
    assert await check_database(login) == CheckResult(True, plain=True), "as the operator sees it"
    modify(rds, set_to("rds.force_ssl", "1"))

    async def refused_without_tls() -> bool:
        try:
            await (await connect(instance, ssl=False)).close()
        except asyncpg.InvalidAuthorizationSpecificationError:
            return True
        return False

    assert await eventually(refused_without_tls)
    assert await check_database(login) == CheckResult(True)


def test_groups_are_checked(rds: Any, quick: Emulator) -> None:
    refused("InvalidParameterValue", rds.create_db_parameter_group, **{**GROUP, "DBParameterGroupFamily": "mysql8.0"})
    refused("DBParameterGroupNotFound", rds.describe_db_parameter_groups, **OWN)
    arn = rds.create_db_parameter_group(**GROUP, Tags=TAGS)["DBParameterGroup"]["DBParameterGroupArn"]
    assert rds.list_tags_for_resource(ResourceName=arn)["TagList"] == TAGS
    refused("DBParameterGroupAlreadyExists", rds.create_db_parameter_group, **GROUP)
    names = {group["DBParameterGroupName"] for group in rds.describe_db_parameter_groups()["DBParameterGroups"]}
    assert {"own", "default.postgres16", "default.postgres17"} <= names
    for code, wrong in (
        ("InvalidParameterValue", set_to("no_such_thing", "1")),
        ("InvalidParameterValue", set_to("max_connections", "5", "pending-reboot")),
        ("InvalidParameterValue", set_to("log_statement", "some")),
        ("InvalidParameterCombination", set_to("max_connections", "100")),
    ):
        refused(code, rds.modify_db_parameter_group, **OWN, Parameters=[wrong])
    work = set_to("work_mem", "8192")
    refused(
        "InvalidParameterValue",
        rds.modify_db_parameter_group,
        DBParameterGroupName="default.postgres17",
        Parameters=[work],
    )
    refused("InvalidParameterValue", rds.modify_db_parameter_group, **OWN, Parameters=[work] * 21)
    refused("InvalidParameterCombination", rds.create_db_instance, **{**CREATE, "EngineVersion": "16", **OWN})
    parameters = {one["ParameterName"]: one for one in rds.describe_db_parameters(**OWN)["Parameters"]}
    assert parameters["work_mem"]["ApplyType"] == "dynamic"
    assert parameters["max_connections"]["ApplyType"] == "static"
    assert parameters["rds.force_ssl"]["ParameterValue"] == "1"
    assert "ParameterValue" not in parameters["work_mem"]
    rds.delete_db_parameter_group(**OWN)
    refused("DBParameterGroupNotFound", rds.describe_db_parameters, **OWN)


def test_what_is_deleted_between_two_pages_shifts_nothing(rds: Any) -> None:
    names = [f"own-{number:02}" for number in range(20)]
    for name in names:
        rds.create_db_parameter_group(**{**GROUP, "DBParameterGroupName": name})
    refused("InvalidParameterValue", rds.describe_db_parameter_groups, MaxRecords=19)
    refused("InvalidParameterValue", rds.describe_db_parameter_groups, Marker="nonsense")
    first = rds.describe_db_parameter_groups(MaxRecords=20)
    rds.delete_db_parameter_group(DBParameterGroupName="own-00")
    second = rds.describe_db_parameter_groups(MaxRecords=20, Marker=first["Marker"])
    assert "Marker" not in second
    pages = [*first["DBParameterGroups"], *second["DBParameterGroups"]]
    listed = [group["DBParameterGroupName"] for group in pages]
    assert [name for name in listed if name.startswith("own-")] == names
    assert len(set(listed)) == len(listed) == 25


def test_versions_and_classes_on_offer(rds: Any) -> None:
    paginator = rds.get_paginator("describe_db_engine_versions")
    pages = paginator.paginate(Engine="postgres", PaginationConfig={"PageSize": 20})
    versions = [version["EngineVersion"] for page in pages for version in page["DBEngineVersions"]]
    assert "17.6" in versions
    assert len(versions) == len(set(versions)) > 20
    default = rds.describe_db_engine_versions(Engine="postgres", DefaultOnly=True)["DBEngineVersions"]
    assert [version["EngineVersion"] for version in default] == ["17.6"]
    options = rds.describe_orderable_db_instance_options(
        Engine="postgres", EngineVersion="17.6", DBInstanceClass="db.t4g.micro"
    )["OrderableDBInstanceOptions"]
    assert {option["StorageType"] for option in options} == {"gp2", "gp3", "io1"}


def test_tags_are_of_objects_that_exist(rds: Any) -> None:
    missing = "arn:aws:rds:eu-central-1:123456789012:db:another"
    refused("DBInstanceNotFound", rds.list_tags_for_resource, ResourceName=missing)
    refused("DBInstanceNotFound", rds.add_tags_to_resource, ResourceName=missing, Tags=TAGS)
    arn = rds.create_db_parameter_group(**GROUP, Tags=TAGS)["DBParameterGroup"]["DBParameterGroupArn"]
    refused("InvalidParameterValue", rds.add_tags_to_resource, ResourceName=arn, Tags=[{"Key": "aws:x", "Value": "1"}])
    rds.remove_tags_from_resource(ResourceName=arn, TagKeys=[TAGS[0]["Key"]])
    assert rds.list_tags_for_resource(ResourceName=arn)["TagList"] == []

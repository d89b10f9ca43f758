"""What the tests of the emulated RDS have in common."""

from __future__ import annotations

from typing import Any

import asyncpg

from tests.integration.aws.support import TAGS, until

CREATE = {
    "DBInstanceIdentifier": "kind-default-demo",
    "Engine": "postgres",
    "EngineVersion": "17",
    "DBInstanceClass": "db.t4g.micro",
    "AllocatedStorage": 20,
    "MasterUsername": "tracetrack",
    "MasterUserPassword": "first-password",
    "DBName": "tracetrack",
    "CopyTagsToSnapshot": True,
    "Tags": TAGS,
}
NAME = {"DBInstanceIdentifier": CREATE["DBInstanceIdentifier"]}


def described(rds: Any, name: str = str(CREATE["DBInstanceIdentifier"])) -> Any:
    return rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]


def available(rds: Any, name: str = str(CREATE["DBInstanceIdentifier"])) -> Any:
    """The instance as soon as it is at rest; 60 s, for a busy machine."""

    def look() -> Any:
        instance = described(rds, name)
        assert instance["DBInstanceStatus"] != "failed"
        return instance if instance["DBInstanceStatus"] == "available" else None

    return until(look, 60)


def created(rds: Any, **others: Any) -> Any:
    """An available instance; `others` in place of what CREATE says, or left out where None."""
    asked = {name: value for name, value in {**CREATE, **others}.items() if value is not None}
    rds.create_db_instance(**asked)
    return available(rds, asked["DBInstanceIdentifier"])


async def connect(instance: Any, password: str = "first-password", **tls: Any) -> Any:
    endpoint = instance["Endpoint"]
    return await asyncpg.connect(
        host=endpoint["Address"],
        port=endpoint["Port"],
        user="tracetrack",
        password=password,
        database="tracetrack",
        **(tls or {"ssl": "require"}),
    )


async def query(instance: Any, password: str, statement: str, **tls: Any) -> Any:
    connection = await connect(instance, password, **tls)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()

"""One PostgreSQL and one Redis behind all endpoints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest
import redis

from tests.aws.emulator import Emulator
from tests.integration.aws.support import until

INSTANCE = {
    "DBInstanceClass": "db.t4g.medium",
    "Engine": "postgres",
    "AllocatedStorage": 20,
    "MasterUsername": "tracetrack",
    "DBName": "tracetrack",
}
GROUP = {
    "ReplicationGroupDescription": "demo",
    "Engine": "valkey",
    "CacheNodeType": "cache.t4g.micro",
    "NumCacheClusters": 1,
    "TransitEncryptionEnabled": True,
}


@pytest.fixture(scope="module")
def shared() -> Iterator[Emulator]:
    with Emulator(create_seconds=0, delete_seconds=0, backing="shared") as emulator:
        yield emulator


def available(shared: Emulator, name: str) -> Any:
    client = shared.client("rds")

    def look() -> Any:
        found = client.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
        return found if found["DBInstanceStatus"] == "available" else None

    return until(look)


async def test_instances_share_a_server_that_takes_any_password(shared: Emulator) -> None:
    rds = shared.client("rds")
    for name in ("one", "two"):
        rds.create_db_instance(DBInstanceIdentifier=name, MasterUserPassword=f"password-of-{name}", **INSTANCE)
    ports = {available(shared, name)["Endpoint"]["Port"] for name in ("one", "two")}
    assert len(ports) == 1
    rds.delete_db_instance(DBInstanceIdentifier="one", SkipFinalSnapshot=True)
    login = {"host": "127.0.0.1", "port": ports.pop(), "user": "tracetrack", "database": "tracetrack"}
    connection = await asyncpg.connect(password="any", ssl="require", **login)
    assert await connection.fetchval("select current_user") == "tracetrack"
    await connection.close()
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        await asyncpg.connect(password="any", ssl="disable", **login)


def test_caches_share_a_server_that_takes_the_token_of_each(shared: Emulator) -> None:
    client = shared.client("elasticache")
    for name in ("one", "two"):
        client.create_replication_group(ReplicationGroupId=name, AuthToken=f"the-token-of-{name}-cache", **GROUP)

    def endpoint(name: str) -> Any:
        group = client.describe_replication_groups(ReplicationGroupId=name)["ReplicationGroups"][0]
        return group["NodeGroups"][0]["PrimaryEndpoint"]["Port"] if group["Status"] == "available" else None

    ports = {until(lambda name=name: endpoint(name)) for name in ("one", "two")}
    assert len(ports) == 1
    address = {"host": "127.0.0.1", "port": ports.pop(), "ssl": True, "ssl_cert_reqs": "none"}
    for name in ("one", "two"):
        with redis.Redis(password=f"the-token-of-{name}-cache", **address) as cache:
            assert cache.ping()
    with redis.Redis(password="no-token-of-any-cache", **address) as cache, pytest.raises(redis.AuthenticationError):
        cache.ping()
    members = client.describe_cache_clusters()["CacheClusters"]
    assert {each["CacheParameterGroup"]["ParameterApplyStatus"] for each in members} == {"in-sync"}


def test_a_cache_that_shares_its_server_moves_to_users_and_keeps_nobody_out(shared: Emulator) -> None:
    client, token = shared.client("elasticache"), "the-token-of-another-cache"
    client.create_replication_group(ReplicationGroupId="mover", AuthToken=token, **GROUP)

    def group() -> Any:
        found = client.describe_replication_groups(ReplicationGroupId="mover")["ReplicationGroups"][0]
        return found if found["Status"] == "available" else None

    until(group)
    access = {"Engine": "valkey", "AccessString": "on ~own:* &own:* -@all +ping +info"}
    client.create_user(UserId="mover-app", UserName="app", Passwords=["first-password-of-the-app"], **access)
    client.create_user(UserId="mover-default", UserName="default", Passwords=[token], **access)
    client.create_user_group(UserGroupId="movers", Engine="valkey", UserIds=["mover-app", "mover-default"])
    change = {"UserGroupIdsToAdd": ["movers"], "AuthTokenUpdateStrategy": "DELETE", "ApplyImmediately": True}
    client.modify_replication_group(ReplicationGroupId="mover", **change)
    moved = until(lambda: found if (found := group()) and found.get("UserGroupIds") == ["movers"] else None)
    assert not moved["AuthTokenEnabled"]
    address = {"host": "127.0.0.1", "port": moved["NodeGroups"][0]["PrimaryEndpoint"]["Port"]}
    client.modify_user(UserId="mover-app", Passwords=["second-password-of-the-app"])
    client.modify_user_group(UserGroupId="movers", UserIdsToRemove=["mover-default"])
    for login in ({"username": "app", "password": "second-password-of-the-app"}, {"password": token}):
        with redis.Redis(ssl=True, ssl_cert_reqs="none", **address, **login) as cache:
            assert cache.ping()


def test_a_snapshot_is_a_record_without_the_data_of_all(shared: Emulator) -> None:
    rds = shared.client("rds")
    rds.create_db_instance(DBInstanceIdentifier="three", MasterUserPassword="password-of-three", **INSTANCE)
    available(shared, "three")
    rds.create_db_snapshot(DBInstanceIdentifier="three", DBSnapshotIdentifier="by-hand")
    available(shared, "three")
    rds.delete_db_instance(DBInstanceIdentifier="three", FinalDBSnapshotIdentifier="last")
    for name in ("by-hand", "last"):

        def ready(name: str = name) -> bool:
            found = rds.describe_db_snapshots(DBSnapshotIdentifier=name)["DBSnapshots"]
            return bool(found[0]["Status"] == "available")

        assert until(ready)

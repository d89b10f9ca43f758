"""Logins on a real PostgreSQL, made through a master that is no superuser, as on RDS."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import asyncpg
import pytest

from tests.backing import PostgresServer
from tracetrack_app.store.migrate import migrate, migrations
from tracetrack_operator.database.check import check_database
from tracetrack_operator.database.roles import OWNER, RolesError, make_login
from tracetrack_operator.dependencies.binding import DatabaseBinding


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        server.sql("create role master login createdb createrole password 'master-password'", "postgres")
        server.sql("create database shop owner master", "postgres")
        yield server


@pytest.fixture
def master(server: PostgresServer) -> DatabaseBinding:
    return DatabaseBinding("rds", server.host, server.port, "shop", "master", "master-password", "disable")


async def _connect(binding: DatabaseBinding) -> asyncpg.Connection:
    return await asyncpg.connect(
        host=binding.host,
        port=binding.port,
        user=binding.username,
        password=binding.password,
        database=binding.database,
    )


async def test_what_was_the_masters_goes_to_the_owner_while_the_master_is_at_work(master: DatabaseBinding) -> None:
    before = await _connect(master)
    await migrate(before, migrations())
    stop = asyncio.Event()
    errors: list[Exception] = []

    async def work() -> None:
        connection = await _connect(master)
        while not stop.is_set():
            try:
                async with connection.transaction():
                    await connection.execute("UPDATE settings SET value = value")
                    await connection.fetch("SELECT * FROM bags")
                    await asyncio.sleep(0.005)
            except Exception as error:
                errors.append(error)
        await connection.close()

    tasks = [asyncio.create_task(work()) for _ in range(4)]
    await asyncio.sleep(0.2)
    await make_login(master, "tracetrack_a", "first-password")
    await asyncio.sleep(0.2)
    stop.set()
    await asyncio.gather(*tasks)
    assert errors == []
    owners = await before.fetch("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'")
    assert [row[0] for row in owners] == [OWNER]
    # What is revoked from whoever made a table is revoked from the owner.
    login = replace(master, username="tracetrack_a", password="first-password")
    connection = await _connect(login)
    assert tuple(await connection.fetchrow("SELECT session_user::text, current_user::text")) == ("tracetrack_a", OWNER)
    await connection.execute("CREATE TABLE made_later (id integer)")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("DELETE FROM audit_log")
    await make_login(master, "tracetrack_b", "second-password")
    other = await _connect(replace(master, username="tracetrack_b", password="second-password"))
    await other.execute("ALTER TABLE made_later ADD COLUMN more integer")
    await other.execute("DROP TABLE made_later")
    for each in (before, connection, other):
        await each.close()


async def test_again_is_as_good_as_once_and_another_password_takes_the_place_of_the_former(
    master: DatabaseBinding,
) -> None:
    for password in ("first-password", "first-password", "another-password"):
        await asyncio.gather(*(make_login(master, "tracetrack_a", password) for _ in range(3)))
        assert (await check_database(replace(master, username="tracetrack_a", password=password))).ok
    refused = await check_database(replace(master, username="tracetrack_a", password="first-password"))
    assert refused.reason == "AuthenticationFailed"


async def test_a_database_of_somebody_else_keeps_its_owner(server: PostgresServer, master: DatabaseBinding) -> None:
    server.sql("create role theirs nologin", "postgres")
    server.sql("grant theirs to master with admin option", "postgres")
    server.sql("create database adopted owner theirs", "postgres")
    binding = replace(master, database="adopted")
    await make_login(binding, "tracetrack_c", "some-password")
    connection = await _connect(replace(binding, username="tracetrack_c", password="some-password"))
    assert await connection.fetchval("SELECT current_user") == "theirs"
    await connection.close()


async def test_what_is_refused_is_told_with_the_remedy(server: PostgresServer, master: DatabaseBinding) -> None:
    with pytest.raises(RolesError, match="refuses user master") as refused:
        await make_login(replace(master, password="wrong-password"), "tracetrack_a", "x")
    assert refused.value.refused is not None
    server.sql("create role weak login password 'weak-password'", "postgres")
    with pytest.raises(RolesError, match="Grant it CREATEROLE") as weak:
        await make_login(replace(master, username="weak", password="weak-password"), "tracetrack_d", "x")
    assert weak.value.refused is None

"""How far a real standby is behind, as it is told by itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.backing import PostgresServer
from tests.integration.operator.conftest import eventually
from tracetrack_operator.database.lag import check_replica
from tracetrack_operator.dependencies.binding import DatabaseBinding
from tracetrack_operator.dependencies.checks import CheckResult


@pytest.fixture
def servers() -> Iterator[tuple[PostgresServer, PostgresServer]]:
    with PostgresServer() as primary:
        primary.sql("create role app login password 'app-password'", "postgres")
        primary.sql("create database shop owner app", "postgres")
        primary.sql("create table beats (at timestamptz)", "shop")
        standby = primary.standby(settings=("wal_retrieve_retry_interval=200ms",))
        try:
            yield primary, standby.start()
        finally:
            standby.close()


def lag(binding: DatabaseBinding) -> float:
    found = asyncio.run(check_replica(binding))
    assert found.ok, found
    assert found.lag is not None
    return found.lag


def caught_up(primary: PostgresServer, standby: PostgresServer) -> None:
    here = primary.sql("select pg_current_wal_lsn()", "postgres")
    eventually(lambda: standby.sql(f"select pg_last_wal_replay_lsn() >= '{here}'", "postgres") == "t")


def test_lag_is_what_is_not_replayed_yet(servers: tuple[PostgresServer, PostgresServer]) -> None:
    primary, standby = servers
    # The application's own login is enough, which is no member of any monitoring role.
    binding = DatabaseBinding("rds", standby.host, standby.port, "shop", "app", "app-password", "disable")
    primary.sql("insert into beats values (now())", "shop")
    caught_up(primary, standby)
    time.sleep(1.5)
    assert lag(binding) < 1.0, "an idle primary makes nobody late"

    standby.sql("select pg_wal_replay_pause()", "postgres")
    eventually(lambda: standby.sql("select pg_get_wal_replay_pause_state()", "postgres") == "paused")
    primary.sql("insert into beats values (now())", "shop")
    eventually(lambda: lag(binding) > 1.0)
    standby.sql("select pg_wal_replay_resume()", "postgres")
    eventually(lambda: lag(binding) < 1.0)

    # Without a connection to the primary nobody knows what there is to replay.
    primary.stop()
    eventually(lambda: lag(binding) > 2.0)
    wrong = asyncio.run(check_replica(replace(binding, password="another")))
    assert (wrong.ok, wrong.reason) == (False, "AuthenticationFailed")

    standby.sql("select pg_promote(true, 30)", "postgres")
    assert asyncio.run(check_replica(binding)).reason == "ReplicaPromoted"
    standby.stop()
    assert asyncio.run(check_replica(binding)) == CheckResult(
        False,
        "EndpointUnreachable",
        asyncio.run(check_replica(binding)).message,
    )

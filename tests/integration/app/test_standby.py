"""Lists and reports from a real streaming standby. What reaches it is read in its own log, which has every statement.

Two apps: one reads from it while it is at most two seconds behind, the other while it is five minutes behind, so that a
standby that stands still is too old for the one and is used by the other. The last test promotes it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from tests.backing import PostgresServer, RedisServer
from tests.integration.app import conftest
from tests.integration.app.accounts import STRONG, logged_in, make_user
from tests.integration.app.caches import metric
from tests.integration.app.conftest import device_key
from tests.integration.app.http import http_client
from tests.integration.app.process import ADMIN, PASSWORD, AppProcess, scan_body
from tests.integration.app.test_cli import command
from tests.integration.app.wire import Wire
from tracetrack_app.cli.exports import _Export
from tracetrack_app.cli.output import Progress
from tracetrack_app.settings import Settings
from tracetrack_app.store.audit import Who, acting
from tracetrack_app.store.coherence import Coherence
from tracetrack_app.store.database import Connector
from tracetrack_app.store.exports import Export, Range
from tracetrack_app.store.standby import Standby

AGE = "x-tracetrack-data-age"
ASKED = "pg_is_in_recovery"
NEAR, FAR = 2, 300
# What asyncpg does with a connection besides: when it is opened, and when it goes back to the pool.
_OWN = ("UNLISTEN", "pg_advisory_unlock_all", "CLOSE ALL", "RESET ALL", "pg_type", "typeinfo", "jit")


@dataclass(frozen=True)
class Stage:
    primary: PostgresServer
    standby: PostgresServer
    near: AppProcess
    far: AppProcess
    environment: dict[str, str]

    def read_there(self, since: int, application: str = "tracetrack-reports") -> list[str]:
        """What was asked of the standby since its log was so long, but for what tells how it is."""
        lines = self.standby.log.read_text(errors="replace")[since:].split("\n<")
        mine = [line for line in lines if line.lstrip("<").startswith(f"{application}>") and "LOG:  " in line]
        said = [line for line in mine if "execute " in line or "statement: " in line]
        return [line for line in said if ASKED not in line and not any(own in line for own in _OWN)]

    @property
    def mark(self) -> int:
        return len(self.standby.log.read_text(errors="replace"))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("standby")
    with PostgresServer() as primary, RedisServer() as redis:
        primary.sql("create role app login password 'app-password'")
        primary.sql("create database reports owner app")
        standby = primary.standby(settings=("log_statement=all", "log_line_prefix=<%a> "))
        try:
            standby.start()
            _wait_for_readers(standby, "100ms")
            environment = conftest._environment(conftest._as_app(primary, "reports"), redis, conftest._fleets(folder))
            environment |= {"TRACETRACK_LOGIN_LIMIT": "500", "TRACETRACK_ADDRESS_LOGIN_LIMIT": "500"}
            environment["DATABASE_REPLICA_URL"] = conftest._as_app(standby, "reports")
            near, far = ({**environment, "DATABASE_REPLICA_MAX_LAG": str(limit)} for limit in (NEAR, FAR))
            with AppProcess(near, folder) as a, AppProcess(far, folder) as b:
                a.wait_ready()
                b.wait_ready()
                yield Stage(primary, standby, a, b, near)
        finally:
            standby.close()


def _wait_for_readers(standby: PostgresServer, delay: str) -> None:
    """What the standby replays waits so long for what is read there, before it breaks that off."""
    standby.sql(f"alter system set max_standby_streaming_delay = '{delay}'")
    standby.sql("select pg_reload_conf()")


@pytest.fixture
def undisturbed(stage: Stage) -> Iterator[None]:
    """Nothing that is read from the standby conflicts with what it replays, as an autovacuum of the primary."""
    _wait_for_readers(stage.standby, "-1")
    yield
    _wait_for_readers(stage.standby, "100ms")


async def until(what: Callable[[], Awaitable[Any]], seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not await what():
            await asyncio.sleep(0.05)


async def served(client: httpx.AsyncClient, path: str = "/api/bags") -> bool:
    """Whether the standby answers this client."""
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return AGE in answer.headers


async def codes(client: httpx.AsyncClient) -> set[str]:
    return {bag["qr_id"] for bag in (await client.get("/api/bags", params={"limit": 500})).json()["bags"]}


@pytest.fixture
async def admin(stage: Stage) -> AsyncIterator[httpx.AsyncClient]:
    """Who works with the near app, once the standby answers him."""
    async with stage.near.logged_in() as client:
        await until(lambda: served(client))
        yield client


@asynccontextmanager
async def onlooker(stage: Stage, admin: httpx.AsyncClient, name: str) -> AsyncIterator[httpx.AsyncClient]:
    """Someone who changes nothing, at the far app, once the standby answers him."""
    await make_user(admin, name, "admin")
    async with stage.far.logged_in(name, STRONG) as client:
        await until(lambda: served(client))
        yield client


@asynccontextmanager
async def standing_still(stage: Stage) -> AsyncIterator[None]:
    """The standby replays nothing meanwhile; it has all that was there before."""
    here = stage.primary.sql("select pg_current_wal_insert_lsn()")
    conftest.eventually(lambda: stage.standby.sql(f"select pg_last_wal_replay_lsn() >= '{here}'") == "t")
    stage.standby.sql("select pg_wal_replay_pause()")
    conftest.eventually(lambda: stage.standby.sql("select pg_get_wal_replay_pause_state()") == "paused")
    try:
        yield
    finally:
        stage.standby.sql("select pg_wal_replay_resume()")


@pytest.mark.parametrize(
    ("path", "table"),
    [
        ("/api/bags", "FROM bags"),
        ("/api/bags/parent/list", "FROM bags"),
        ("/api/bags/search?q=SB0", "FROM bags"),
        ("/api/stats", "daily_counts"),
        ("/api/dashboard/analytics", "FROM scan_ledger"),
        ("/api/scans/recent", "FROM scan_ledger"),
        ("/api/my/productivity", "daily_counts"),
        ("/bills", "FROM bills"),
        ("/api/bills", "FROM bills"),
        ("/api/bill_summary/eod", "FROM bills"),
        ("/ipt", "FROM return_tickets"),
        ("/export/bags/csv", "FROM bags"),
        ("/export/reports/user-activity/excel", "FROM daily_counts"),
        ("/api/v1/bags", "FROM bags"),
        ("/api/v1/bills", "FROM bills"),
        ("/api/v1/ledger", "FROM scan_ledger"),
        ("/api/v1/statistics", "FROM daily_counts"),
        ("/api/v1/lookup?q=SB0", "FROM bags"),
        ("/api/v1/returns", "FROM return_tickets"),
        ("/api/v1/audit/rows", "FROM audit_log"),
    ],
)
async def test_lists_reports_and_exports_are_read_from_the_standby(
    stage: Stage, admin: httpx.AsyncClient, path: str, table: str
) -> None:
    since = 0

    async def there() -> bool:
        nonlocal since
        since = stage.mark
        return await served(admin, path)

    await until(there)
    assert any(table in line for line in stage.read_there(since))


async def test_an_audit_export_has_its_own_row_and_comes_from_the_standby(
    stage: Stage, admin: httpx.AsyncClient
) -> None:
    since = stage.mark
    lines = (await admin.get("/api/v1/audit")).text.splitlines()
    assert '"audit.export"' in lines[-1]
    assert any("FROM audit_log" in line for line in stage.read_there(since))


async def test_the_metrics_and_admins_are_told(stage: Stage, admin: httpx.AsyncClient) -> None:
    health = (await admin.get("/api/system_health")).json()["read_replica"]
    assert (health["in_use"], health["max_lag_seconds"], health["message"]) == (True, NEAR, None)
    assert 0 <= health["lag_seconds"] <= NEAR
    before = await metric(stage.near, 'tracetrack_reports_total{source="standby"}')
    await until(lambda: served(admin))
    assert await metric(stage.near, 'tracetrack_reports_total{source="standby"}') > before
    assert 0 < await metric(stage.near, "tracetrack_standby_lag_seconds") < NEAR + 1
    assert stage.near.log.count("read from the read replica at") == 1
    assert "app-password" not in stage.near.log


async def test_scans_devices_logins_and_what_a_change_depends_on_never_touch_it(
    stage: Stage, admin: httpx.AsyncClient
) -> None:
    since = stage.mark
    headers = {"Authorization": f"Bearer {device_key()}"}
    async with http_client(base_url=stage.near.url, headers=headers, timeout=20) as device:
        assert (await device.post("/api/v1/scans", json=scan_body("SB10001"))).status_code == 201
        assert (await device.post("/api/v1/scans", json=scan_body("DEVICECHILD1", "SB10001"))).status_code == 201
        many = {"scans": [scan_body(f"DEVICECHILD{number}", "SB10001") for number in range(2, 6)]}
        answer = await device.post("/api/v1/scans/bulk", json=many)
        assert [each["status"] for each in answer.json()["results"]] == [201] * 4
        for path in ("/api/v1/bags/SB10001", "/api/v1/bags", "/api/v1/lookup?q=SB10001"):
            assert (await device.get(path)).status_code == 200
    async with logged_in(stage.near, ADMIN, PASSWORD) as worker:
        for code in ("SB10002", "SB10003"):
            assert (await worker.post("/api/fast_parent_scan", data={"qr_code": code})).json()["success"]
        body = {"parent_qr": "SB10003", "qr_code": "PEOPLECHILD1"}
        assert (await worker.post("/process_child_scan_fast", data=body)).json()["success"]
        assert (await worker.post("/bill/create", data={"bill_id": "B-standby"})).status_code == 302
        for path in ("/api/scanned-children", "/api/parent-children/SB10003", "/api/v1/bags/SB10003/children",
                     "/api/v1/bills/B-standby", "/api/v1/products", "/api/users", "/api/v1/profile"):  # fmt: skip
            answer = await worker.get(path)
            assert (answer.status_code, AGE in answer.headers) == (200, False), answer.text
    assert not stage.read_there(since)
    # A page that continues another may not be older than it.
    page = (await admin.get("/api/bags", params={"limit": 1})).json()
    await until(lambda: served(admin))
    for path in (f"/api/v1/bags?after={page['after']}", "/api/scans?before=2", "/api/v1/audit/rows?after=2"):
        assert not await served(admin, path)


async def test_who_changed_something_finds_it_at_once_whichever_app_he_asks(
    stage: Stage, admin: httpx.AsyncClient
) -> None:
    async with onlooker(stage, admin, "onlooker") as other, stage.far.logged_in() as far:
        await until(lambda: served(far))
        async with standing_still(stage):
            made = await admin.post("/api/bags", json={"qr_id": "SB20001"})
            assert made.status_code == 201, made.text
            assert "SB20001" in await codes(admin)
            assert "SB20001" in await codes(far)
            token = (await far.post("/api/v1/profile/tokens", json={"name": "t", "scopes": ["lookup"]})).json()["token"]
            async with http_client(base_url=stage.far.url, timeout=20) as script:
                script.headers["Authorization"] = f"Bearer {token}"
                found = (await script.get("/api/v1/bags", params={"limit": 200})).json()
                assert "SB20001" in {bag["code"] for bag in found["items"]}
            # Who changed nothing is answered from a standby that does not have it: it does stand still.
            # A slow moment may have sent him to the primary: the standby is taken again by itself.
            await until(lambda: served(other))
            assert "SB20001" not in await codes(other)
        await until(lambda: served(far))
        assert "SB20001" in await codes(far)
        async with asyncio.timeout(20):
            while "SB20001" not in await codes(other):
                await asyncio.sleep(0.05)


async def test_totals_shared_with_others_have_ones_own_changes(stage: Stage, admin: httpx.AsyncClient) -> None:
    async def parents(client: httpx.AsyncClient) -> int:
        statistics = (await client.get("/api/stats")).json()["statistics"]
        return int(statistics["total_parent_bags"])

    async with onlooker(stage, admin, "counter") as other, stage.far.logged_in() as far:
        await until(lambda: served(far))
        async with standing_still(stage):
            before = await parents(other)
            assert (await far.post("/api/bags", json={"qr_id": "SB20002"})).status_code == 201
            askers = [other, other, far, other, far, far] * 4
            counts = await asyncio.gather(*(parents(each) for each in askers))
            assert {count for each, count in zip(askers, counts, strict=True) if each is other} == {before}
            assert {count for each, count in zip(askers, counts, strict=True) if each is far} == {before + 1}


async def test_past_the_limit_the_primary_answers_until_it_has_caught_up(
    stage: Stage, admin: httpx.AsyncClient
) -> None:
    await make_user(admin, "patient", "admin")
    async with stage.near.logged_in("patient", STRONG) as patient:
        await until(lambda: served(patient))
        told = stage.near.log.count("behind the primary")
        async with standing_still(stage):
            assert (await admin.post("/api/bags", json={"qr_id": "SB20003"})).status_code == 201

            async def primary() -> bool:
                return not await served(patient)

            await until(primary)
            assert "SB20003" in await codes(patient)
            began = time.monotonic()
            assert (await patient.get("/export/bags/csv")).text.count("SB20003") == 1
            assert time.monotonic() - began < 10
            await until(lambda: _says(admin, f"DATABASE_REPLICA_MAX_LAG is {NEAR} s"))
        await until(lambda: served(patient))
    assert stage.near.log.count("behind the primary") == told + 1


async def _says(admin: httpx.AsyncClient, words: str) -> bool:
    health = (await admin.get("/api/system_health")).json()["read_replica"]
    return not health["in_use"] and words in (health["message"] or "")


async def test_killed_in_the_middle_of_a_read_the_answer_comes_from_the_primary(
    stage: Stage, admin: httpx.AsyncClient
) -> None:
    locker = await asyncpg.connect(stage.primary.dsn_for("reports"))
    try:
        transaction = locker.transaction()
        await transaction.start()
        # The lock is replayed on the standby, where a reader waits for it.
        await locker.execute("LOCK TABLE return_tickets IN ACCESS EXCLUSIVE MODE")
        waits = (
            "select count(*) from pg_stat_activity where application_name = 'tracetrack-reports'"
            " and wait_event_type = 'Lock' and query like '%FROM return_tickets%'"
        )
        locks = "select count(*) from pg_locks where mode = 'AccessExclusiveLock' and relation is not null"
        conftest.eventually(lambda: stage.standby.sql(locks, "reports") != "0")
        await until(lambda: served(admin))
        asking = asyncio.create_task(admin.get("/api/v1/returns"))
        await until(lambda: asyncio.to_thread(lambda: stage.standby.sql(waits) == "1"))
        await asyncio.to_thread(stage.standby.kill)
        await transaction.rollback()
        answer = await asking
    finally:
        await locker.close()
    assert (answer.status_code, AGE in answer.headers) == (200, False), answer.text
    for _ in range(5):
        assert not await served(admin)
        assert (await admin.get("/export/bags/csv")).status_code == 200
    await until(lambda: _says(admin, "cannot be reached"))
    assert stage.near.status("/ready") == 200
    stage.standby.start()
    await until(lambda: served(admin))


@asynccontextmanager
async def reader(stage: Stage, replica: str, *, caches: bool = True) -> AsyncIterator[Standby]:
    """A standby of this process' own, as the app has it, for one without changes. Never in use without `caches`."""
    settings = Settings.load({**stage.environment, "DATABASE_REPLICA_URL": replica})
    coherence = Coherence(Connector(settings.bindings.database), settings.bindings.cache)
    standby = Standby(settings.bindings.database_replica, 60, coherence)
    acting.set(lambda: Who(1, "admin"))
    if caches:
        coherence.start()
    standby.start()
    try:
        yield standby
    finally:
        await standby.stop()
        await coherence.stop()


class LongRead:
    """A report that takes twelve seconds on the standby. `sources` tells for each run whether it was there."""

    def __init__(self, stage: Stage) -> None:
        self._dsn = stage.environment["DATABASE_URL"]
        self.sources: list[bool] = []
        self.under_way = asyncio.Event()

    async def work(self, connection: Any) -> int:
        self.sources.append(await connection.fetchval("SELECT pg_is_in_recovery()"))
        self.under_way.set()
        sleep = "SELECT CASE WHEN pg_is_in_recovery() THEN pg_sleep(12) END"
        return int(await connection.fetchval(f"SELECT count(*) FROM return_tickets, ({sleep}) s"))

    async def primary(self, again: Callable[[Any], Awaitable[int]]) -> int:
        connection = await asyncpg.connect(self._dsn)
        try:
            return await again(connection)
        finally:
            await connection.close()


async def test_a_conflict_with_recovery_and_a_dead_network_are_made_good_by_the_primary(stage: Stage) -> None:
    with Wire(stage.standby.host, stage.standby.port) as wire:
        url = stage.environment["DATABASE_REPLICA_URL"].replace(f":{stage.standby.port}/", f":{wire.port}/")
        async with reader(stage, url) as standby:
            await until(lambda: _serves(standby))
            long = LongRead(stage)
            asking = asyncio.create_task(standby.report(long.work, long.primary))
            await long.under_way.wait()
            stage.primary.sql("begin; lock table return_tickets in access exclusive mode; commit", "reports")
            assert await asyncio.wait_for(asking, 10) == 0
            assert long.sources == [True, False]
            assert "canceling statement due to conflict with recovery" in stage.standby.log.read_text(errors="replace")

            await until(lambda: _serves(standby))
            long = LongRead(stage)
            asking = asyncio.create_task(standby.report(long.work, long.primary))
            await long.under_way.wait()
            wire.silence()
            assert await asyncio.wait_for(asking, 10) == 0
            assert long.sources == [True, False]
            await until(lambda: _refuses(standby, "does not answer"))
            wire.restore()
            await until(lambda: _serves(standby))


async def _serves(standby: Standby) -> bool:
    return standby.serves()


async def test_servers_that_are_no_standby_of_this_database_are_not_used(stage: Stage) -> None:
    replica = stage.environment["DATABASE_REPLICA_URL"]
    wrong = {
        stage.environment["DATABASE_URL"]: "takes writes",
        replica.replace("/reports", "/postgres"): "has not the app's schema",
        replica.replace("/reports", "/nothing"): "no such database",
        replica.replace("app-password", "another"): "check the database-replica binding's Secret",
    }
    for url, words in wrong.items():
        async with reader(stage, url, caches=False) as standby:
            await until(lambda standby=standby, words=words: _refuses(standby, words))  # type: ignore[misc]
            assert not standby.serves()
            assert await standby.whole() is None


async def _refuses(standby: Standby, words: str) -> bool:
    vitals = standby.vitals()
    return vitals is not None and not vitals["in_use"] and words in (vitals["message"] or "")


async def test_the_command_exports_from_it(stage: Stage) -> None:
    since = stage.mark
    done = await asyncio.to_thread(command, stage.environment, "export", "bags")
    assert (done.returncode, "not from the read replica" in done.stderr) == (0, False), done.stderr
    assert "SB10001" in done.stdout
    assert any("FROM bags" in line for line in stage.read_there(since, "tracetrack"))


@pytest.mark.usefixtures("undisturbed")
async def test_an_export_by_the_command_that_breaks_off_there_begins_anew_on_the_primary(
    stage: Stage, tmp_path: Path
) -> None:
    stage.primary.sql(
        "insert into daily_counts (actor, day, accepted) select 'scanner:x/' || n, '2020-01-01', n"
        " from generate_series(1, 20000) n",
        "reports",
    )

    class Breaking(Progress):
        ended = 0

        def advance(self, count: int = 1, note: str | None = None) -> None:
            if not self.ended:
                mine = "from pg_stat_activity where application_name = 'tracetrack'"
                self.ended += int(stage.standby.sql(f"select count(pg_terminate_backend(pid)) {mine}"))

    settings = Settings.load(stage.environment)
    source = Connector(settings.bindings.database, "tracetrack")
    path, progress = tmp_path / "activity.csv", Breaking("export", None)
    with path.open("wb") as file:
        rows = await _Export(settings, Export.USER_ACTIVITY, Range(), False, file, progress).run(None, source)
    assert progress.ended == 1
    lines = path.read_text().splitlines()
    assert len(lines) == rows + 1 > 20_000
    assert len(set(lines)) == len(lines)
    assert lines[0].endswith("children_deleted")


async def test_promoted_it_is_not_used(stage: Stage, admin: httpx.AsyncClient) -> None:
    stage.standby.sql("select pg_promote()")

    async def primary() -> bool:
        return not await served(admin)

    await until(primary)
    await until(lambda: _says(admin, "takes writes"))
    async with stage.far.logged_in() as far:
        assert not await served(far)
        assert (await far.post("/api/bags", json={"qr_id": "SB30001"})).status_code == 201
        assert "SB30001" in await codes(admin)
    since = stage.mark
    assert (await admin.get("/export/bags/csv")).text.count("SB30001") == 1
    done = await asyncio.to_thread(command, stage.environment, "export", "bags")
    assert (done.returncode, done.stdout.count("SB30001")) == (0, 1)
    assert "not from the read replica" in done.stderr
    assert "takes writes" in done.stderr
    assert not stage.read_there(since)
    assert not stage.read_there(since, "tracetrack")

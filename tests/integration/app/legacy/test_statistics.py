"""Totals, histories, the day's work and the health of the service, row by row of the old contract."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import httpx
import pytest

from tests.integration.app.legacy.making import bill, parent
from tests.integration.app.process import ADMIN

ZONE = ZoneInfo("Asia/Kolkata")


@pytest.fixture
async def history(app: Any, stage: Any) -> AsyncIterator[Any]:
    """A connection that may write what is past."""
    connection = await asyncpg.connect(stage.superuser_dsn)
    await connection.execute("SET session_replication_role = replica")
    yield connection
    await connection.close()


async def test_stats_are_of_things_that_are_there(worker: httpx.AsyncClient, dispatcher: httpx.AsyncClient) -> None:
    await parent(worker, "SB00001", "CHILD1", "CHILD2")
    await parent(dispatcher, "SB00002", "CHILD3")
    await worker.post("/process_child_scan_fast", json={"qr_code": "CHILD1", "parent_qr": "SB00001"})
    await bill(worker, "B-1", "SB00001")
    gone = await bill(worker, "B-2")
    await worker.post(f"/bill/{gone}/delete")
    await worker.post("/api/bags", json={"qr_id": "SB00003"})
    await worker.post("/api/delete_bag", json={"qr_code": "SB00003"})
    for path in ("/api/stats", "/api/v2/stats"):
        body = (await worker.get(path)).json()
        assert (body["success"], body["cached"]) == (True, False)
        assert datetime.fromisoformat(body["statistics"].pop("cache_updated")).tzinfo
        assert body["statistics"] == {
            "total_parent_bags": 2,
            "total_child_bags": 3,
            "total_scans": 8,
            "total_bills": 1,
            "total_products": 5,
            "active_dispatchers": 1,
            "status_counts": {"pending": 0, "in_progress": 2, "completed": 0},
        }
    mine = (await dispatcher.get("/api/stats")).json()["statistics"]
    mine.pop("cache_updated")
    assert mine == {
        "total_parent_bags": 1,
        "total_child_bags": 1,
        "total_scans": 2,
        "total_bills": 0,
        "total_products": 2,
        "active_dispatchers": 1,
        "status_counts": {"pending": 0, "in_progress": 1, "completed": 0},
    }


async def test_an_areas_scans_are_counted_on(
    dispatcher: httpx.AsyncClient, history: Any, worker: httpx.AsyncClient
) -> None:
    """What is older than an hour is counted once and remembered: the sum stays right as more is scanned."""

    async def total() -> int:
        return int((await dispatcher.get("/api/stats")).json()["statistics"]["total_scans"])

    before = await total()
    await parent(dispatcher, "SB00001", "CHILD1", "CHILD2")
    await history.execute("UPDATE scan_ledger SET recorded_at = recorded_at - interval '2 hours'")
    assert await total() == before + 3
    assert await total() == before + 3
    await parent(worker, "SB00009", "CHILD9")
    await parent(dispatcher, "SB00002", "CHILD3")
    assert await total() == before + 5
    assert await total() == before + 5


async def test_many_who_ask_at_once_get_what_was_there_before_they_asked(
    worker: httpx.AsyncClient, dispatcher: httpx.AsyncClient
) -> None:
    for number in range(3):
        await parent(dispatcher, f"SB0000{number}")
        answers = await asyncio.gather(*[client.get("/api/stats") for client in (worker, dispatcher) * 10])
        bodies = [answer.json() for answer in answers]
        assert [body["statistics"]["total_parent_bags"] for body in bodies] == [number + 1] * 20


async def test_the_old_statistics_need_a_session(worker: httpx.AsyncClient, anonymous: httpx.AsyncClient) -> None:
    await parent(worker, "SB00001", "CHILD1")
    assert (await worker.get("/api/statistics")).json() == {
        "success": True,
        "total_bags": 2,
        "total_scans": 2,
        "total_bills": 0,
        "total_users": 1,
        "status": "ok",
    }
    for path in (
        "/api/statistics",
        "/api/stats",
        "/api/v2/stats",
        "/api/scans",
        "/api/scans/recent",
        "/api/activity/7",
        "/api/dashboard/analytics",
        "/api/my/productivity",
        "/api/system_health",
        "/api/slow_queries",
    ):
        answer = await anonymous.get(path)
        assert (answer.status_code, answer.json()["auth_required"]) == (401, True), path


async def test_the_newest_scans_are_listed(worker: httpx.AsyncClient, dispatcher: httpx.AsyncClient) -> None:
    await parent(worker, "SB00001", "CHILD1")
    await parent(dispatcher, "SB00002", "CHILD2")
    await worker.post("/api/unlink_child", json={"qr_code": "CHILD1"})
    await worker.post("/process_child_scan", json={"qr_code": "CHILD2", "parent_qr": "SB00001"})
    await bill(worker, "B-1", "SB00001")
    body = (await worker.get("/api/scans")).json()
    assert (body["success"], body["count"]) == (True, 5)
    assert [scan["product_qr"] for scan in body["scans"]] == ["SB00001", "CHILD2", "SB00002", "CHILD1", "SB00001"]
    assert set(body["scans"][0]) == {"id", "timestamp", "product_qr", "product_name", "type", "username"}
    newest = (await worker.get("/api/scans/recent", params={"limit": 2})).json()
    assert (newest["success"], newest["count"]) == (True, 2)
    assert (newest["scans"][0]["outcome"], newest["scans"][0]["bill_id"]) == ("bill_linked", "B-1")
    assert (newest["scans"][1]["user"], newest["scans"][1]["bag_qr"]) == ("dispatcher-lucknow", "CHILD2")
    further = await worker.get("/api/scans", params={"limit": 2, "before": newest["scans"][1]["id"]})
    assert [scan["product_qr"] for scan in further.json()["scans"]] == ["SB00002", "CHILD1"]
    for path in ("/api/scans", "/api/scans/recent"):
        mine = (await dispatcher.get(path)).json()
        assert [scan["product_qr"] for scan in mine["scans"]] == ["CHILD2", "SB00002"]
        for query in ({"limit": "0"}, {"limit": "many"}, {"before": "x"}):
            assert (await worker.get(path, params=query)).status_code == 400


async def test_activity_counts_the_days_of_the_services_zone(
    worker: httpx.AsyncClient, dispatcher: httpx.AsyncClient, sql: Any
) -> None:
    await parent(worker, "SB00001", "CHILD1")
    await parent(dispatcher, "SB00002")
    today = await sql.fetchval("SELECT (now() AT TIME ZONE 'Asia/Kolkata')::date")
    admin = await sql.fetchval("SELECT id FROM users WHERE username = $1", ADMIN)
    await sql.execute(
        "INSERT INTO daily_counts (actor, day, accepted) VALUES ($1, $2, 5), ($1, $3, 9)",
        f"user:{admin}",
        today - timedelta(days=1),
        today - timedelta(days=7),
    )
    body = (await worker.get("/api/activity/7")).json()
    assert (body["success"], len(body["activity"])) == (True, 7)
    assert body["start_date"] == body["activity"][0]["date"] == (today - timedelta(days=6)).isoformat()
    assert body["end_date"] == body["activity"][-1]["date"] == today.isoformat()
    assert [line["scan_count"] for line in body["activity"]] == [0, 0, 0, 0, 0, 5, 3]
    mine = (await dispatcher.get("/api/activity/2")).json()
    assert [line["scan_count"] for line in mine["activity"]] == [0, 1]
    for days in ("0", "367", "-1", "week"):
        answer = await worker.get(f"/api/activity/{days}")
        assert (answer.status_code, answer.json()["message"][:4]) == (400, "days"), days


async def test_the_day_begins_at_midnight_of_the_services_zone(
    worker: httpx.AsyncClient, dispatcher: httpx.AsyncClient, history: Any
) -> None:
    await parent(dispatcher, "SB00001", "CHILD1", "CHILD2", "CHILD3")
    today: date = datetime.now(ZONE).date()
    midnight = datetime.combine(today, datetime.min.time(), ZONE)
    for code, at in (
        ("SB00001", midnight - timedelta(seconds=1)),
        ("CHILD1", midnight),
        ("CHILD2", midnight + timedelta(minutes=59)),
        ("CHILD3", midnight - timedelta(days=1)),
    ):
        await history.execute("UPDATE scan_ledger SET recorded_at = $2 WHERE code = $1", code, at.astimezone(UTC))
    for client in (worker, dispatcher):
        body = (await client.get("/api/dashboard/analytics")).json()
        assert (body["date"], body["timezone"]) == (today.isoformat(), "Asia/Kolkata")
        assert (body["scans_today"], body["hourly_scans"]) == (2, [2] + [0] * 23)
        assert body["peak_hour"] == 0
    days = (await dispatcher.get("/api/activity/3")).json()["activity"]
    assert [line["scan_count"] for line in days] == [0, 2, 2]


async def test_analytics_come_from_the_ledger(
    worker: httpx.AsyncClient, biller: httpx.AsyncClient, dispatcher: httpx.AsyncClient, device: httpx.AsyncClient
) -> None:
    empty = (await worker.get("/api/dashboard/analytics")).json()
    assert (empty["success"], empty["scans_today"], empty["peak_hour"]) == (True, 0, None)
    assert empty["hourly_scans"] == [0] * 24
    await parent(worker, "SB00001", "CHILD1")
    await parent(biller, "SB00003")
    await parent(dispatcher, "SB00002", "CHILD2", "CHILD3")
    body = (await worker.get("/api/dashboard/analytics")).json()
    assert body["scans_today"] == sum(body["hourly_scans"]) == 6
    assert body["hourly_scans"][body["peak_hour"]] == max(body["hourly_scans"])
    assert body["by_role"] == {"admin": 2, "biller": 1, "dispatcher": 3, "scanner": 0}
    assert body["totals"]["total_parent_bags"] == 3
    assert len(body["recent_activity"]) == 6
    assert body["user"] == {"username": "admin", "role": "admin", "dispatch_area": None}
    mine = (await dispatcher.get("/api/dashboard/analytics")).json()
    assert (mine["scans_today"], mine["totals"]["total_child_bags"]) == (3, 2)
    assert mine["by_role"] == {"admin": 0, "biller": 0, "dispatcher": 3, "scanner": 0}
    assert {scan["product_qr"] for scan in mine["recent_activity"]} == {"SB00002", "CHILD2", "CHILD3"}
    assert mine["user"]["dispatch_area"] == "lucknow"


async def test_everybody_sees_his_own_work(worker: httpx.AsyncClient, dispatcher: httpx.AsyncClient, sql: Any) -> None:
    await parent(worker, "SB00009")
    await parent(dispatcher, "SB00001", "CHILD1")
    await dispatcher.post("/process_child_scan", json={"qr_code": "CHILD1", "parent_qr": "SB00001"})
    user = await sql.fetchval("SELECT id FROM users WHERE username = 'dispatcher-lucknow'")
    today = await sql.fetchval("SELECT (now() AT TIME ZONE 'Asia/Kolkata')::date")
    yesterday = today - timedelta(days=1)
    await sql.execute("INSERT INTO daily_counts (actor, day, accepted) VALUES ($1, $2, 5)", f"user:{user}", yesterday)
    body = (await dispatcher.get("/api/my/productivity")).json()
    assert (body["success"], body["username"], len(body["days"])) == (True, "dispatcher-lucknow", 7)
    assert body["today"] == {
        "date": today.isoformat(),
        "scans": 2,
        "refused": 1,
        "parents_created": 1,
        "children_created": 1,
    }
    assert (body["total_scans"], body["total_refused"], body["days_worked"]) == (7, 1, 2)
    assert (body["average_per_day"], body["best_day"]) == (3.5, yesterday.isoformat())
    assert [scan["product_qr"] for scan in body["recent_scans"]] == ["CHILD1", "SB00001"]
    assert len((await dispatcher.get("/api/my/productivity", params={"days": 30})).json()["days"]) == 30
    assert (await dispatcher.get("/api/my/productivity", params={"days": "0"})).status_code == 400


async def test_admins_see_the_health_of_the_service(
    worker: httpx.AsyncClient, biller: httpx.AsyncClient, sql: Any
) -> None:
    body = (await worker.get("/api/system_health")).json()
    assert (body["success"], body["status"]) == (True, "healthy")
    assert 0 < body["pool"]["size"] <= body["pool"]["max"]
    assert body["database"]["size_bytes"] > 1_000_000
    assert body["database"]["connections"] >= 1
    assert "scan_ledger" in {table["name"] for table in body["database"]["tables"]}
    assert body["cache"]["redis_reachable"] is True
    assert 10_000_000 < body["memory"]["resident_bytes"] <= body["memory"]["peak_bytes"] * 1.1
    assert set(body["errors"]) == {"server_errors", "refused_requests", "database_errors", "scans_waiting"}
    for path in ("/api/system_health", "/api/slow_queries"):
        assert (await biller.get(path)).status_code == 403


async def test_slow_queries_say_where_they_come_from_and_show_no_values(
    worker: httpx.AsyncClient, sql: Any, stage: Any
) -> None:
    other = await asyncpg.connect(stage.dsn)
    transaction = other.transaction()
    await transaction.start()
    await other.execute("SELECT 'a-value-that-is-nobodys-business', length('12')")
    body = (await worker.get("/api/slow_queries")).json()
    await transaction.rollback()
    await other.close()
    assert (body["success"], body["source"]) == (True, "pg_stat_activity")
    assert "pg_stat_statements is not there" in body["analysis"]
    texts = [query["query"] for query in body["queries"]]
    assert "SELECT '?', length('?')" in texts
    assert body["count"] == len(texts)
    assert all(query["running_ms"] >= 0 for query in body["queries"])

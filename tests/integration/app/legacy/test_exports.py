"""Exports: whole, safe to open, and good to import again."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from tests.integration.app.http import http_client
from tests.integration.app.legacy.lists import (
    CHILD_PARENT,
    agrees,
    as_csv,
    cli,
    counts,
    packed,
    read_csv,
    read_xlsx,
    send,
)
from tests.integration.app.legacy.test_imports import ready
from tests.integration.app.process import ADMIN, AppProcess
from tests.integration.app.test_cli import command

__all__ = ["ready"]
PATHS = [
    "/export/bags",
    "/export/bills",
    "/export/batch_child_parent",
    "/export/batch_parent_bill",
    "/export/reports/user-activity",
    "/export/reports/system-stats",
]
CONTENT = """
SELECT array_agg(s ORDER BY s) FROM (
    SELECT concat_ws('/', 'bag', b.code, b.kind, b.name, b.area, b.status, b.child_count, b.capacity) AS s FROM bags b
    UNION ALL SELECT concat_ws('/', 'link', c.code, p.code) FROM links k JOIN bags c ON c.id = k.child_id
        JOIN bags p ON p.id = k.parent_id
    UNION ALL SELECT concat_ws('/', 'bill', code, destination, vehicle_number, capacity, bag_count, description)
        FROM bills
    UNION ALL SELECT concat_ws('/', 'on', x.code, g.code) FROM bill_bags h JOIN bags g ON g.id = h.bag_id
        JOIN bills x ON x.id = h.bill_id
) t
"""


async def fill(worker: httpx.AsyncClient) -> None:
    await send(worker, "/import/batch_child_parent", ("a.csv", as_csv(CHILD_PARENT, packed(1250))))
    extra = [["SB09999", "parent", "=1+1", "jaipur"], ["LOOSE1", "child", "", ""]]
    await send(worker, "/import/bags", ("b.csv", as_csv(["QR", "Type", "Name", "Area"], extra)))
    header = ["Bill", "Parent", "Destination", "Vehicle", "Capacity", "Remarks"]
    loads = [["B-1", "SB00001", "-Delhi", "RJ14", 3, "=x"], ["b 2", "SB00002", "Agra", "", "", 'हिन्दी, "quoted"']]
    await send(worker, "/import/batch_parent_bill", ("c.csv", as_csv(header, loads)))


async def test_exports_are_whole_and_import_to_the_same_again(
    worker: httpx.AsyncClient, sql: Any, ready: dict[str, str], tmp_path: Path
) -> None:
    await fill(worker)
    for index, path in enumerate(PATHS[:4]):
        for form in ("csv", "excel"):
            answer = await worker.get(f"{path}/{form}")
            assert answer.status_code == 200, answer.text
            suffix = "csv" if form == "csv" else "xlsx"
            assert f'.{suffix}"' in answer.headers["content-disposition"]
            (tmp_path / f"{index}.{suffix}").write_bytes(answer.content)
    order = ("bags", "bills", "child-parent", "parent-bill")
    # The links come before the empty parents would be taken as they are: whatever order the files come in will do.
    for index, kind in enumerate(order):
        suffix = "csv" if index % 2 else "xlsx"
        done = await asyncio.to_thread(cli, ready, "import", kind, str(tmp_path / f"{index}.{suffix}"))
        assert done[0] == 0, (kind, done)
    connection = await asyncpg.connect(ready["DATABASE_URL"])
    try:
        assert await connection.fetchval(CONTENT) == await sql.fetchval(CONTENT)
        await agrees(connection)
    finally:
        await connection.close()
    again = await send(worker, "/import/bags", ("again.csv", (tmp_path / "0.csv").read_bytes()))
    assert counts(again)[2:] == (await sql.fetchval("SELECT count(*) FROM bags"), 0)


async def test_csv_and_excel_say_the_same_and_no_cell_is_a_formula(worker: httpx.AsyncClient) -> None:
    await fill(worker)
    text = (await worker.get("/export/bills/csv")).content
    assert b",'-Delhi," in text
    rows = read_csv(text)
    assert [(row["bill_id"], row["linked_parents"], row["total_weight_kg"]) for row in rows] == [
        ("B-1", "1", "30.000"),
        ("b 2", "1", "30.000"),
    ]
    assert rows[1]["description"] == 'हिन्दी, "quoted"'
    [table] = read_xlsx((await worker.get("/export/bills/excel")).content).values()
    assert table[0] == tuple(rows[0])
    assert (table[1][0], table[1][1], table[1][3]) == ("B-1", "-Delhi", 3)
    bags = {row["qr_id"]: row for row in read_csv((await worker.get("/export/bags/csv")).content)}
    assert len(bags) == 1250 + 42 + 2
    assert (bags["10000031"]["parent"], bags["SB00001"]["bill"]) == ("SB00001", "B-1")
    assert bags["SB09999"]["name"] == "'=1+1"


async def test_reports_count_by_day_and_user(worker: httpx.AsyncClient, sql: Any) -> None:
    await fill(worker)
    [row] = read_csv((await worker.get("/export/reports/user-activity/csv")).content)
    assert (row["username"], row["role"], row["children_created"]) == (ADMIN, "admin", "1251")
    entries = await sql.fetchval("SELECT count(*) FROM scan_ledger WHERE refusal IS NULL")
    assert int(row["scans"]) == entries
    day = row["date"]
    for query, found in (({"date_from": day, "date_to": day}, 1), ({"date_to": "2020-01-01"}, 0), ({"user_id": 0}, 0)):
        assert len(read_csv((await worker.get("/export/reports/user-activity/csv", params=query)).content)) == found
    bad = await worker.get("/export/reports/user-activity/csv", params={"date_from": "yesterday"})
    assert (bad.status_code, bad.json()["success"]) == (400, False)
    stats = {
        row["statistic"]: row["value"]
        for row in read_csv((await worker.get("/export/reports/system-stats/csv")).content)
    }
    assert (stats["child bags"], stats["children in parents"], stats["parents on bills"]) == ("1251", "1250", "2")
    assert stats["bills, processing"] == "2"


async def test_a_table_without_rows_is_a_file_with_its_header(worker: httpx.AsyncClient) -> None:
    for path in PATHS[:5]:
        assert read_csv((await worker.get(f"{path}/csv")).content) == []
        [table] = read_xlsx((await worker.get(f"{path}/excel")).content).values()
        assert len(table) == 1


@pytest.mark.parametrize("path", PATHS)
async def test_only_an_admin_may_export_and_it_is_in_the_audit_log(
    path: str, worker: httpx.AsyncClient, biller: httpx.AsyncClient, anonymous: httpx.AsyncClient, sql: Any
) -> None:
    assert (await anonymous.get(f"{path}/csv")).status_code == 401
    assert (await biller.get(f"{path}/csv")).status_code == 403
    before = await sql.fetchval("SELECT coalesce(max(seq), 0) FROM audit_log")
    assert (await worker.get(f"{path}/excel")).status_code == 200
    log = await sql.fetch("SELECT username, action, details FROM audit_log WHERE seq > $1", before)
    assert [(row["username"], row["action"]) for row in log] == [(ADMIN, "export")]
    assert (await worker.get(f"{path}/pdf")).status_code == 404


async def test_rows_leave_while_they_are_read_and_who_goes_away_leaves_no_connection(
    app: AppProcess, worker: httpx.AsyncClient, sql: Any
) -> None:
    await sql.execute(
        "INSERT INTO bags (code, kind, name) SELECT 'C' || lpad(n::text, 7, '0'), 'child', repeat(md5(n::text), 3)"
        " FROM generate_series(1, 60000) n"
    )
    open_now = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%AS qr_id, b.kind%'"
        " AND pid <> pg_backend_pid()"
    )
    # A client that takes little at a time: else all of it would be on the way before this looks.
    narrow = httpx.AsyncHTTPTransport(socket_options=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)])
    async with (
        http_client(base_url=app.url, transport=narrow, cookies=worker.cookies, timeout=20) as client,
        client.stream("GET", "/export/bags/csv") as answer,
    ):
        assert "content-length" not in answer.headers
        # Held by a name: one that nobody holds is closed by the event loop, and the connection with it.
        pieces = answer.aiter_bytes()
        received = 0
        while received <= 50_000:
            received += len(await anext(pieces))
        assert await sql.fetchval(open_now) == 1
    async with asyncio.timeout(20):
        while await sql.fetchval(open_now):
            await asyncio.sleep(0.05)


async def test_the_command_writes_a_file_or_to_standard_output(ready: dict[str, str], tmp_path: Path) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.xlsx"
    source.write_bytes(as_csv(CHILD_PARENT, packed(700)))
    assert (await asyncio.to_thread(cli, ready, "import", "child-parent", str(source)))[0] == 0
    done = await asyncio.to_thread(cli, ready, "export", "child-parent", str(target))
    assert done == (0, f"700 rows in {target}\n", "")
    assert sorted(os.listdir(tmp_path)) == ["fleets", "in.csv", "out.xlsx"]
    [table] = read_xlsx(target.read_bytes()).values()
    assert table[1][:2] == ("SB00000", "10000000")
    printed = await asyncio.to_thread(command, ready, "export", "bags")
    assert printed.stdout.startswith("\ufeffqr_id,type,name")
    assert printed.stdout.count("\n") == 1 + 700 + 24
    status, _, err = await asyncio.to_thread(cli, ready, "export", "bags", str(tmp_path / "no" / "x.csv"))
    assert (status, err.strip().endswith("No such file or directory")) == (2, True)

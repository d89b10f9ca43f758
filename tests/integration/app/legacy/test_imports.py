"""Packing lists through the addresses of the existing system and the command line, with their errors mended."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from tests.integration.app.legacy.lists import (
    CHILD_PARENT,
    agrees,
    as_csv,
    as_xlsx,
    cli,
    counts,
    packed,
    read_csv,
    read_xlsx,
    send,
)
from tests.integration.app.process import ADMIN, AppProcess
from tests.integration.app.test_cli import command

CHILDREN, LOADS, MULTI = "/import/batch_child_parent", "/import/batch_parent_bill", "/import/batch_multi"
PATHS = ["/import/bags", "/import/bills", CHILDREN, LOADS, MULTI]


async def test_five_thousand_rows_are_recorded_and_count_once(worker: httpx.AsyncClient, sql: Any) -> None:
    file = ("packing.csv", as_csv(CHILD_PARENT, packed(5000)))
    assert counts(await send(worker, CHILDREN, file)) == (5000, 0, 0, 0)
    assert await sql.fetchval("SELECT count(*) FROM links") == 5000
    assert await sql.fetchval("SELECT count(*) FROM bags WHERE kind = 'parent' AND status = 'completed'") == 166
    entry = await sql.fetchrow("SELECT * FROM scan_ledger WHERE code = '10000031'")
    assert (entry["source"], entry["outcome"], entry["parent"]) == ("import", "child_linked", "SB00001")
    assert entry["station"] == "row 33 of packing.csv"
    entries = await sql.fetchval("SELECT count(*) FROM scan_ledger")
    again = await send(worker, CHILDREN, file)
    assert counts(again) == (0, 5000, 0, 0)
    assert again["success"] is True
    assert await sql.fetchval("SELECT count(*) FROM scan_ledger") == entries
    await agrees(sql)


async def test_refused_rows_name_sheet_row_reason_and_holder_and_can_be_mended(
    worker: httpx.AsyncClient, sql: Any
) -> None:
    await send(worker, CHILDREN, ("first.csv", as_csv(["Parent", "Child"], [["SB00009", "C0009"]])))
    rows = [
        ["sb00001", "label no.:1234", "fine"],
        ["SB00001", "C0009", "held elsewhere"],
        ["SB00001", "C!", "no code"],
        ["SB1", "C0001", "no parent's code"],
        [None, "C0002", "no parent"],
        ["SB00001", "SB00002", "a parent as a child"],
        ["SB00001", "LABEL NO.1234", "twice in the list"],
        *[["SB00002", f"D{number:04d}", ""] for number in range(31)],
    ]
    file = ("list.xlsx", as_xlsx(Notes=[["see the other sheet"]], Packing=[["Parent QR", "Label", "why"], *rows]))
    body = await send(worker, CHILDREN, file)
    assert counts(body) == (31, 0, 1, 6)
    assert body["success"] is True
    assert "list.xlsx, sheet Notes: none of its first 25 rows" in body["message"]
    found = {row["row"]: (row["sheet"], row["reason"], row["holder"]) for row in body["rows"]}
    assert found[3] == ("Packing", "DUPLICATE: C0009 is already linked to SB00009.", "SB00009")
    assert found[4][1].startswith("Label “C!”: Not a bag code")
    assert found[5][1].startswith("Parent QR “SB1”: Not a parent bag's code")
    assert found[6][1] == "Parent QR is empty."
    assert found[7][1] == "SB00002 is the code of a parent bag: it does not fit here."
    assert found[39][1] == "Maximum 30 child bags reached for SB00002."
    assert sorted(found) == [3, 4, 5, 6, 7, 39]

    errors = await worker.get(body["errors_url"])
    assert errors.headers["content-disposition"] == 'attachment; filename="list-errors.xlsx"'
    [header, *refused] = read_xlsx(errors.content)["Packing"]
    assert header == ("Parent QR", "Label", "why", "reason")
    assert [row[2] for row in refused] == [
        "held elsewhere", "no code", "no parent's code", "no parent", "a parent as a child", None,
    ]  # fmt: skip
    mended = [["SB00003", f"E{number:04d}", row[2], row[3]] for number, row in enumerate(refused)]
    body = await send(worker, CHILDREN, ("mended.xlsx", as_xlsx(Packing=[header, *mended])))
    assert counts(body) == (6, 0, 0, 0)
    assert body["errors_url"] is None
    assert await sql.fetchval("SELECT child_count FROM bags WHERE code = 'SB00003'") == 6
    await agrees(sql)


async def test_a_row_that_was_refused_is_looked_at_anew_when_the_file_is_sent_again(
    worker: httpx.AsyncClient, sql: Any
) -> None:
    await send(worker, CHILDREN, ("a.csv", as_csv(["Parent", "Child"], [["SB00009", "C0001"]])))
    file = ("b.csv", as_csv(["Parent", "Child"], [["SB00001", "C0001"], ["SB00001", "C0002"]]))
    assert counts(await send(worker, CHILDREN, file)) == (1, 0, 0, 1)
    assert (await worker.post("/api/unlink_child", json={"qr_code": "C0001", "parent_qr": "SB00009"})).json()["success"]
    assert counts(await send(worker, CHILDREN, file)) == (1, 1, 0, 0)
    assert counts(await send(worker, CHILDREN, file)) == (0, 1, 1, 0)
    await agrees(sql)


async def test_parents_go_on_bills_that_are_made_when_new(worker: httpx.AsyncClient, sql: Any) -> None:
    rows = [[f"SB{number:05d}", "parent"] for number in range(64)]
    assert counts(await send(worker, "/import/bags", ("bags.csv", as_csv(["QR", "Type"], rows)))) == (64, 0, 0, 0)
    header = ["Truck No", "Bill No", "SB No", "Destination"]
    loads = [["RJ14 1", " b1 ", number, "Delhi"] for number in range(60)] + [["", "B2", "SB00060", "Agra"]]
    bad = [["", "B2", "SB00001", ""], ["", "B2", "SB09999", ""], ["", "x" * 51, "SB00061", ""]]
    body = await send(worker, LOADS, ("loads.csv", as_csv(header, [*loads, *bad])))
    assert counts(body) == (61, 0, 0, 3)
    assert [row["reason"] for row in body["rows"]] == [
        "SB00001 is already on bill b1.",
        "Parent bag SB09999 does not exist: scan the parent first.",
        "The bill's id is longer than 50 characters.",
    ]
    bill = await sql.fetchrow("SELECT * FROM bills WHERE code = 'b1'")
    assert (bill["destination"], bill["vehicle_number"], bill["bag_count"], bill["capacity"]) == (
        "Delhi", "RJ14 1", 60, 60,
    )  # fmt: skip
    again = [["", "B1", "SB00000"], ["", "B1", "SB00062"]]
    body = await send(worker, LOADS, ("more.csv", as_csv(header[:3], again)))
    assert (counts(body), body["rows"][0]["reason"]) == ((0, 0, 1, 1), "Bill b1 is full (60 parent bags).")
    await agrees(sql)


async def test_bills_and_bags_are_made_once_and_differences_are_told(worker: httpx.AsyncClient, sql: Any) -> None:
    header = ["Bill ID", "Destination", "Vehicle", "Capacity"]
    rows = [["T-1", "Delhi", "RJ14", 40], ["t-1", "Delhi", "", ""], ["T-2", "", "", "many"], ["T-1", "Agra", "", 41]]
    body = await send(worker, "/import/bills", ("bills.xlsx", as_xlsx(Bills=[header, *rows])))
    assert counts(body) == (1, 0, 1, 2)
    assert [row["reason"] for row in body["rows"]] == [
        "The bill's capacity is many: it must be a whole number from 1 to 500.",
        "Bill T-1 exists already, with destination Delhi, capacity 40: change it on its page.",
    ]
    header = ["Bag", "Type", "Name", "Area"]
    rows = [
        ["SB00001", "Parent", "big", "Lucknow"], ["c0001", "", "", ""], ["C0002", "parent", "", ""],
        ["C0003", "box", "", ""], ["C0004", "child", "", "paris"], ["C0001", "child", "", ""],
    ]  # fmt: skip
    body = await send(worker, "/import/bags", ("bags.xlsx", as_xlsx(Bags=[header, *rows])))
    assert counts(body) == (2, 0, 1, 3)
    assert [row["reason"] for row in body["rows"]] == [
        "C0002 is the code of a child bag: it does not fit here.",
        "Type is box: it must be parent or child.",
        "Area: there is no area paris.",
    ]
    bag = await sql.fetchrow("SELECT * FROM bags WHERE code = 'SB00001'")
    assert (bag["name"], bag["area"], bag["capacity"]) == ("big", "lucknow", 30)
    await agrees(sql)


async def test_several_files_and_sheets_of_every_kind_at_once(worker: httpx.AsyncClient, sql: Any) -> None:
    whole = [["Bill", "Parent", "Child", "Destination"], ["B1", "SB00001", "C0001", "Delhi"],
             ["B1", "SB00001", "C0002", "Delhi"], ["B1", "SB00002", "C0001", "Delhi"]]  # fmt: skip
    book = as_xlsx(Bags=[["QR", "Type"], ["SB00008", "parent"]], Trucks=[["Bill", "Vehicle"], ["B9", "RJ14"]])
    more = as_csv(["Label", "SB"], [["LABEL NO.5555", "3"], ["!", "3"]])
    body = await send(worker, MULTI, ("whole.xlsx", as_xlsx(All=whole)), ("book.xlsx", book), ("more.csv", more))
    assert counts(body) == (2 + 2 + 1 + 1 + 1, 0, 1, 2)
    assert await sql.fetchval("SELECT bag_count FROM bills WHERE code = 'B1'") == 2
    errors = read_xlsx((await worker.get(body["errors_url"])).content)
    assert errors["whole All"][1][:3] == ("B1", "SB00002", "C0001")
    assert errors["more"][1][:2] == ("!", "3")
    same = as_csv(["Parent", "Child"], [["SB00001", "C0099"]])
    body = await send(worker, MULTI, ("one.csv", same), ("two.csv", same))
    assert (counts(body), body["message"]) == ((1, 0, 0, 0), "1 row imported. two.csv is the same file as one.csv.")
    await agrees(sql)


async def test_a_dry_run_tells_what_comes_of_it_and_records_nothing(worker: httpx.AsyncClient, sql: Any) -> None:
    await send(worker, CHILDREN, ("a.csv", as_csv(["Parent", "Child"], [["SB00009", "C0009"], ["SB00008", "C0008"]])))
    await send(worker, "/import/bills", ("b.csv", as_csv(["Bill", "Capacity"], [["B1", 2]])))
    await sql.execute("UPDATE bags SET status = 'completed' WHERE code = 'SB00008'")
    children = [
        ["SB00001", "C0001"], ["SB00001", "C0001"], ["SB00002", "C0001"], ["SB00001", "C0009"], ["SB00008", "C0002"],
        ["SB00009", "C0009"], ["SB00001", "?"], *[["SB00003", f"D{number:04d}"] for number in range(33)],
        ["SB00004", "SB00001"],
    ]  # fmt: skip
    loads = [["SB00001", "B1"], ["SB00001", "B2"], ["SB00002", "b1"], ["SB00003", "B1"], ["SB07777", "B2"],
             ["SB00001", "B1"], ["C0001", "B1"]]  # fmt: skip
    bags = [["C0001", "child"], ["X0001", ""], ["X0001", "child"], ["SB00001", "child"]]
    book = as_xlsx(A=[["Parent", "Child"], *children], B=[["Parent", "Bill"], *loads], C=[["QR", "Type"], *bags])
    before = await sql.fetchrow("SELECT (SELECT count(*) FROM scan_ledger), (SELECT count(*) FROM bags)")
    rehearsed = await send(worker, MULTI, ("book.xlsx", book), dry_run="1")
    assert "would be imported" in rehearsed["message"]
    assert await sql.fetchrow("SELECT (SELECT count(*) FROM scan_ledger), (SELECT count(*) FROM bags)") == before
    done = await send(worker, MULTI, ("book.xlsx", book))
    assert done["refused"] > 8
    assert counts(rehearsed) == counts(done)
    assert rehearsed["rows"] == done["rows"]
    await agrees(sql)


@pytest.mark.parametrize("path", PATHS)
async def test_only_an_admin_with_the_token_may_import(
    path: str, app: AppProcess, worker: httpx.AsyncClient, biller: httpx.AsyncClient, anonymous: httpx.AsyncClient
) -> None:
    files = {"file": ("a.csv", b"QR\nC0001\n")}
    assert (await anonymous.post(path, files=files)).status_code == 401
    assert (await anonymous.get(path)).status_code == 401
    assert (await biller.post(path, files=files)).status_code == 403
    token = worker.headers.pop("X-CSRFToken")
    assert (await worker.post(path, files=files)).json()["error_code"] == "csrf"
    page = await worker.get(path, headers={"Accept": "text/html"})
    assert 'type="file"' in page.text
    assert (await worker.post(path, files=files, data={"csrf_token": token})).status_code == 200


async def test_uploads_that_cannot_be_taken_are_refused_in_the_old_shape(worker: httpx.AsyncClient) -> None:
    large = await worker.post(CHILDREN, files={"file": ("large.csv", b"x" * ((16 << 20) + 1))})
    assert large.status_code == 413
    assert large.json()["error_code"] == "too_large"
    assert "large.csv is larger than 16 MB" in large.json()["message"]
    assert large.json()["success"] is False
    larger = await worker.post(CHILDREN, files={"file": ("larger.csv", b"x" * (33 << 20))})
    assert (larger.status_code, larger.json()["success"]) == (413, False)
    none = await worker.post(CHILDREN, data={"csrf_token": "x"})
    assert none.status_code == 400
    empty = await worker.post(CHILDREN, files={"other": ("", b"")})
    assert (empty.status_code, empty.json()["success"]) == (400, False)
    for name, data, words in (
        ("a.csv", b"Item,Weight\n1,2\n", "none of its first 25 rows names the columns"),
        ("a.xlsx", b"PK\x03\x04damaged", "damaged"),
        ("a.csv", b"", "is empty"),
    ):
        body = await send(worker, CHILDREN, (name, data))
        assert (body["success"], body["error_type"], body["state"]) == (False, "invalid_format", "failed")
        assert words in body["message"]


async def test_an_import_is_asked_after_by_who_sent_it_only(
    worker: httpx.AsyncClient, app: AppProcess, sql: Any, password_hash: str
) -> None:
    body = await send(worker, CHILDREN, ("a.csv", as_csv(["Parent", "Child"], [["SB00001", "!"]])))
    page = await worker.get(body["status_url"], headers={"Accept": "text/html"})
    assert "Not a bag code" in page.text
    await sql.execute("INSERT INTO users (username, password_hash, role) VALUES ('other', $1, 'admin')", password_hash)
    async with app.logged_in("other") as other:
        for path in (body["status_url"], body["errors_url"]):
            assert (await worker.get(path)).status_code == 200
            assert (await other.get(path)).status_code == 404
    assert (await worker.get(f"/import/status/{uuid4()}")).status_code == 404
    log = await sql.fetch("SELECT action, details FROM audit_log WHERE entity_id = $1 ORDER BY seq", body["import_id"])
    assert [row["action"] for row in log] == ["import", "import_ended"]
    assert "a.csv" in log[0]["details"]


async def test_an_import_that_its_replica_left_is_gone_on_with(worker: httpx.AsyncClient, sql: Any) -> None:
    rows = packed(1200)
    first = await send(worker, CHILDREN, ("packing.csv", as_csv(CHILD_PARENT, rows[:600])))
    # As a replica killed half-way leaves it: the file is there, nobody has been seen for a while.
    number = first["import_id"]
    await sql.execute("UPDATE import_files SET content = $2 WHERE job_id = $1", number, as_csv(CHILD_PARENT, rows))
    await sql.execute(
        "UPDATE import_jobs SET state = 'running', finished_at = NULL, seen_at = now() - interval '1 minute',"
        " message = '' WHERE id = $1",
        number,
    )
    body: dict[str, Any] = {"complete": False}
    async with asyncio.timeout(60):
        while not body["complete"]:
            body = (await worker.get(first["status_url"])).json()
            await asyncio.sleep(0.05)
    assert (body["imported"] + body["unchanged"], body["refused"], body["state"]) == (1200, 0, "done")
    assert await sql.fetchval("SELECT count(*) FROM links") == 1200
    assert await sql.fetchval("SELECT content FROM import_files WHERE job_id = $1", number) is None
    await agrees(sql)


async def test_scans_go_on_while_a_list_is_imported(worker: httpx.AsyncClient, app: AppProcess, sql: Any) -> None:
    async with app.logged_in() as station:
        task = asyncio.create_task(send(worker, CHILDREN, ("packing.csv", as_csv(CHILD_PARENT, packed(3000)))))
        await station.post("/api/fast_parent_scan", data={"qr_code": "SB90000"})
        scanned = 0
        while not task.done() or scanned < 5:
            child = {"qr_code": f"S{scanned:04d}", "parent_qr": f"SB{90000 + scanned // 30}"}
            if scanned % 30 == 0:
                await station.post("/api/fast_parent_scan", data={"qr_code": child["parent_qr"]})
            answer = await station.post("/process_child_scan_fast", json=child)
            assert answer.json()["success"], answer.text
            scanned += 1
        assert counts(await task) == (3000, 0, 0, 0)
    assert await sql.fetchval("SELECT count(*) FROM links") == 3000 + scanned
    await agrees(sql)


@pytest.fixture
async def ready(environment: dict[str, str]) -> dict[str, str]:
    """The environment of a command over a database with an admin in it."""
    connection = await asyncpg.connect(environment["DATABASE_URL"])
    await connection.execute("INSERT INTO users (username, password_hash, role) VALUES ($1, 'x', 'admin')", ADMIN)
    await connection.close()
    return environment


async def test_the_command_imports_tells_errors_and_takes_them_mended(ready: dict[str, str], tmp_path: Path) -> None:
    path, errors, results = tmp_path / "packing.csv", tmp_path / "errors.csv", tmp_path / "results.csv"
    path.write_bytes(as_csv(CHILD_PARENT, [*packed(5000), [1, "SB00000", "C0001"], [2, "nothing", "C0002"]]))
    words = ("import", "child-parent", str(path), "--errors", str(errors))
    status, out, err = await asyncio.to_thread(cli, ready, *words, "--dry-run", "-o", "json")
    assert (status, err) == (1, "")
    assert (json.loads(out)["imported"], json.loads(out)["refused"]) == (5000, 2)
    connection = await asyncpg.connect(ready["DATABASE_URL"])
    try:
        assert await connection.fetchval("SELECT count(*) FROM bags") == 0
        done = await asyncio.to_thread(command, ready, *words, "--results", str(results))
        assert (done.returncode, done.stderr) == (1, "")
        assert "packing.csv, row 5002: Maximum 30 child bags reached for SB00000." in done.stdout
        assert "5,000 rows imported, 2 refused." in done.stdout
        assert f"as {ADMIN}" in done.stdout
        told = read_csv(results.read_bytes())
        assert [row["outcome"] for row in told].count("imported") == 5000
        assert (told[5000]["row"], told[5000]["outcome"]) == ("5002", "refused")
        refused = read_csv(errors.read_bytes())
        assert [row["Child"] for row in refused] == ["C0001", "C0002"]
        mended = tmp_path / "mended.csv"
        text = errors.read_text(encoding="utf-8-sig").replace("SB00000", "SB00500").replace("nothing", "SB00501")
        mended.write_text(text)
        status, out, _ = await asyncio.to_thread(cli, ready, "import", "any", str(mended), str(path), "--user", ADMIN)
        assert status == 1
        assert "2 rows imported, 5,000 had been imported before, 2 refused." in out
        assert await connection.fetchval("SELECT count(*) FROM links") == 5002
        noted = await connection.fetch("SELECT DISTINCT username, action FROM audit_log")
        assert [tuple(row) for row in noted] == [(ADMIN, "import")]
        await agrees(connection)
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["bags", "missing.csv"], 2, "missing.csv: there is no such file"),
        (["boxes", "a.csv"], 2, "invalid choice"),
        (["bags", "a.csv", "--user", "nobody"], 2, "--user nobody: there is no such admin"),
        (["bags", "a.csv", "--errors", "a.pdf"], 2, "name a .csv or an .xlsx file"),
        (["child-parent", "a.csv"], 1, "expected Parent (also: Parent Bag, Parent QR, SB No) and Child"),
    ],
)
def test_the_command_says_what_is_wrong(
    ready: dict[str, str], tmp_path: Path, words: list[str], status: int, says: str
) -> None:
    (tmp_path / "a.csv").write_text("QR\nC0001\n")
    here = [str(tmp_path / word) if word.endswith(".csv") else word for word in words]
    done, out, err = cli(ready, "import", *here)
    assert (done, out) == (status, "")
    assert says in err


@pytest.mark.slow
async def test_sixty_thousand_rows_go_in_at_thousands_a_second(ready: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "packing.xlsx"
    path.write_bytes(as_xlsx(Packing=[CHILD_PARENT, *packed(60_000)]))
    done = await asyncio.to_thread(command, ready, "import", "child-parent", str(path), "-o", "json")
    body = json.loads(done.stdout)
    assert (done.returncode, body["imported"], body["refused"]) == (0, 60_000, 0)
    assert body["total"] / body["seconds"] > 500
    connection = await asyncpg.connect(ready["DATABASE_URL"])
    await agrees(connection)
    await connection.close()

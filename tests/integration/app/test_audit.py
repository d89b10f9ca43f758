"""The audit log: what is in it, that it grows in one chain, and that whoever changes it is found out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest

from tests.backing import PostgresServer
from tests.integration.app.accounts import STRONG, logged_in, make_user
from tests.integration.app.process import ADMIN, AppProcess
from tracetrack_app.store.audit import Audit, Fault, Who, content_hash, verify

SECRET, OTHER = b"0" * 32, b"1" * 32
WHO = Who(7, "ravi", "10.0.0.0", "request-1")


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Any]:
    found = await asyncpg.create_pool(database, min_size=1, max_size=20)
    yield found
    await found.close()


@pytest.fixture
async def superuser(database: str, postgres: PostgresServer) -> AsyncIterator[Any]:
    """Someone whom no trigger and no right holds back."""
    connection = await asyncpg.connect(postgres.dsn_for(database.rpartition("/")[2]))
    await connection.execute("SET session_replication_role = replica")
    yield connection
    await connection.close()


async def _written(pool: Any, count: int = 6) -> Audit:
    audit = Audit(pool, [SECRET])
    for number in range(count):
        await audit.record("user.update", WHO, "user", number, before={"role": "biller"}, after={"n": number})
    return audit


async def _faults(pool: Any, *secrets: bytes, **more: Any) -> list[Fault]:
    async with pool.acquire() as connection:
        return await verify(connection, secrets or (SECRET,), **more)


async def test_many_at_once_write_one_chain(pool: Any) -> None:
    audit = Audit(pool, [SECRET])

    async def work(number: int) -> None:
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT pg_sleep($1)", (number % 5) / 200)
            await audit.record("user.update", WHO, "user", number, connection=connection)
            if number % 10 == 3:
                raise RuntimeError("this transaction comes to nothing")

    done = await asyncio.gather(*[work(number) for number in range(60)], return_exceptions=True)
    kept = sum(result is None for result in done)
    assert kept == 54
    rows = await pool.fetch("SELECT seq, previous, hash FROM audit_log ORDER BY seq")
    assert [row["seq"] for row in rows] == list(range(1, kept + 1))
    assert [row["previous"] for row in rows[1:]] == [row["hash"] for row in rows[:-1]]
    assert await _faults(pool) == []


async def test_rows_cannot_be_changed_or_forked_by_the_apps_role(pool: Any) -> None:
    await _written(pool, 2)
    for statement in ("UPDATE audit_log SET action = 'x'", "DELETE FROM audit_log", "TRUNCATE audit_log"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.execute(statement)
    for statement in ("DELETE FROM audit_head", "TRUNCATE audit_head", "INSERT INTO audit_head (seq) VALUES (0)"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.execute(statement)
    with pytest.raises(asyncpg.UniqueViolationError, match="audit_log_previous"):
        await pool.execute(
            "INSERT INTO audit_log (seq, at, action, previous, hash, key_id, seal)"
            " SELECT 3, now(), 'x', previous, sha256('x'), 'k', sha256('y') FROM audit_log WHERE seq = 2"
        )


COLUMNS = {
    "at": "at + interval '1 microsecond'",
    "user_id": "8",
    "username": "'other'",
    "action": "'login'",
    "entity": "'bill'",
    "entity_id": "'99'",
    "before": """'{"role": "admin"}'""",
    "after": "NULL",
    "details": """'{"x": 1}'""",
    "ip": "'10.0.1.0'",
    "request_id": "NULL",
    "hash": "sha256('x')",
    "seal": "sha256('x')",
    "previous": "sha256('x')",
}


async def test_a_changed_row_is_named(pool: Any, superuser: Any) -> None:
    await _written(pool)
    assert await _faults(pool) == []
    for column, value in COLUMNS.items():
        transaction = superuser.transaction()
        await transaction.start()
        await superuser.execute(f"UPDATE audit_log SET {column} = {value} WHERE seq = 3")
        faults = await _verify_within(superuser)
        await transaction.rollback()
        assert faults, column
        assert (faults[0].seq, "row 3" in faults[0].message) == (3, True), (column, faults)


async def test_deleted_cut_off_inserted_and_swapped_rows_are_found(pool: Any, superuser: Any) -> None:
    await _written(pool, 8)
    cases = {
        "deleted": (["DELETE FROM audit_log WHERE seq = 4"], 4, "row 4 is missing"),
        "two deleted": (["DELETE FROM audit_log WHERE seq IN (4, 5)"], 4, "rows 4 to 5 are missing"),
        "the first": (["DELETE FROM audit_log WHERE seq = 1"], 1, "row 1 is missing"),
        "the last": (["DELETE FROM audit_log WHERE seq = 8"], 8, "cut off"),
        "the end, and the head put back": (
            [
                "DELETE FROM audit_log WHERE seq > 5",
                "UPDATE audit_head SET seq = 5, hash = (SELECT hash FROM audit_log WHERE seq = 5)",
            ],
            5,
            "newer rows may be gone",
        ),
        "all": (["DELETE FROM audit_log"], 1, "cut off"),
        "swapped": (
            [
                "UPDATE audit_log SET seq = 100 WHERE seq = 3",
                "UPDATE audit_log SET seq = 3 WHERE seq = 4",
                "UPDATE audit_log SET seq = 4 WHERE seq = 100",
            ],
            3,
            "row 3 was changed",
        ),
        "the head": (["DELETE FROM audit_head"], 0, "audit_head is empty"),
    }
    for name, (statements, seq, words) in cases.items():
        transaction = superuser.transaction()
        await transaction.start()
        for statement in statements:
            await superuser.execute(statement)
        faults = await _verify_within(superuser)
        await transaction.rollback()
        assert faults, name
        assert (faults[0].seq, words in faults[0].message) == (seq, True), (name, faults)
    assert await _faults(pool) == []


async def _verify_within(connection: Any) -> list[Fault]:
    """`verify` in a transaction that will be rolled back: it opens none of its own."""

    class Within:
        def transaction(self, **_: Any) -> Any:
            return connection.transaction()

        def __getattr__(self, name: str) -> Any:
            return getattr(connection, name)

    return await verify(Within(), [SECRET])


async def test_a_row_or_a_whole_end_forged_with_good_hashes_lacks_the_key(pool: Any, superuser: Any) -> None:
    await _written(pool)
    # Somebody who knows how rows are chained writes the end anew from row 4 on, as he would have it.
    rows = [dict(row) for row in await superuser.fetch("SELECT * FROM audit_log WHERE seq >= 4 ORDER BY seq")]
    previous = await superuser.fetchval("SELECT hash FROM audit_log WHERE seq = 3")
    for row in rows:
        row |= {"username": "somebody else", "previous": previous}
        previous = row["hash"] = content_hash(row)
        await superuser.execute(
            "UPDATE audit_log SET username = $2, previous = $3, hash = $4 WHERE seq = $1",
            row["seq"],
            row["username"],
            row["previous"],
            row["hash"],
        )
    await superuser.execute("UPDATE audit_head SET hash = $1", previous)
    async with pool.acquire() as connection:
        assert await verify(connection) == []
    faults = await _faults(pool)
    assert [(fault.seq, fault.kind) for fault in faults] == [(4, "seal"), (5, "seal"), (6, "seal"), (6, "head")]


async def test_what_was_done_to_the_end_is_not_covered_up_by_the_next_row(pool: Any, superuser: Any) -> None:
    audit = await _written(pool)
    await superuser.execute("DELETE FROM audit_log WHERE seq > 4")
    await superuser.execute("UPDATE audit_head SET seq = 4, hash = (SELECT hash FROM audit_log WHERE seq = 4)")
    assert await audit.record("login", WHO) == 5
    faults = await _faults(pool)
    assert (faults[0].seq, faults[0].kind) == (5, "end")
    await superuser.execute(
        "INSERT INTO audit_log (seq, at, action, previous, hash, key_id, seal)"
        " SELECT 6, now(), 'x', hash, sha256('x'), key_id, sha256('y') FROM audit_log WHERE seq = 5"
    )
    assert await audit.record("login", WHO) == 7
    assert [fault.seq for fault in await _faults(pool)] == [5, 6, 6, 7]


async def test_a_log_emptied_with_its_head_is_found_by_a_witness(pool: Any, superuser: Any) -> None:
    audit = await _written(pool)
    lines = [json.loads(line) async for line in audit.export()]
    witness = (lines[-1]["seq"], bytes.fromhex(lines[-1]["hash"]))
    assert await _faults(pool, witness=witness) == []
    await superuser.execute("DELETE FROM audit_log")
    await superuser.execute("UPDATE audit_head SET seq = 0, hash = NULL, key_id = '', seal = ''")
    assert [fault.kind for fault in await _faults(pool, witness=witness)] == ["witness"]
    await _written(pool, 7)
    assert [(fault.seq, fault.kind) for fault in await _faults(pool, witness=witness)] == [(6, "witness")]


async def test_a_rotated_key_goes_on_with_the_same_chain(pool: Any) -> None:
    await _written(pool, 3)
    rotated = Audit(pool, [OTHER, SECRET])
    await rotated.record("login", WHO)
    assert await _faults(pool, OTHER, SECRET) == []
    # Without the old key its rows are vouched for by the newer ones that follow them.
    assert await _faults(pool, OTHER) == []
    assert [fault.kind for fault in await _faults(pool, SECRET)] == ["key", "head"]


async def test_what_is_done_to_accounts_is_in_it_without_secrets(
    app: AppProcess, worker: httpx.AsyncClient, sql: Any, anonymous: httpx.AsyncClient
) -> None:
    email = "ravi.kumar@example.com"
    user = await make_user(worker, "ravi", email=email)
    path = f"/admin/users/{user['id']}"
    await worker.post(f"{path}/edit", json={"email": "other@example.com", "password": "An0ther!one"})
    await worker.post(f"{path}/promote", json={}, headers={"X-Request-ID": "req-42"})
    await anonymous.post("/api/v2/login", json={"username": "ravi", "password": "Wr0ng!pass"})
    await anonymous.post("/api/v2/login", json={"username": "my Passw0rd!", "password": "x"})
    async with logged_in(app, "ravi", "An0ther!one") as ravi:
        body = {"name": "script", "scopes": ["scan"]}
        token = (await ravi.post("/api/v1/profile/tokens", json=body)).json()["token"]
    await worker.post(f"{path}/delete")
    rows = (await worker.get("/api/v1/audit/rows?limit=200")).json()["items"]
    found = [(row["username"], row["action"]) for row in reversed(rows)]
    assert found == [
        (ADMIN, "login"),
        (ADMIN, "user.create"),
        (ADMIN, "user.update"),
        (ADMIN, "user.password"),
        (ADMIN, "user.promote"),
        ("ravi", "login.failed"),
        (None, "login.failed"),
        ("ravi", "login"),
        ("ravi", "token.create"),
        (ADMIN, "user.delete"),
    ]
    promoted = next(row for row in rows if row["action"] == "user.promote")
    assert (promoted["before"], promoted["after"]) == (
        {"area": "lucknow", "role": "dispatcher"},
        {"area": None, "role": "admin"},
    )
    assert (promoted["request_id"], promoted["ip"]) == ("req-42", "127.0.0.0")
    edited = next(row for row in rows if row["action"] == "user.update")
    assert edited["after"] == {"email": "o***@example.com"}
    lines = (await worker.get("/api/v1/audit")).text.splitlines()
    assert json.loads(lines[-1])["action"] == "audit.export"
    everything = "\n".join(lines) + str([tuple(row) for row in await sql.fetch("SELECT * FROM audit_log")])
    secrets = (STRONG, "An0ther!one", "Wr0ng!pass", "my Passw0rd!", token.split(".")[2], email, "argon2")
    assert not [secret for secret in secrets if secret in everything]
    only = (await worker.get("/api/v1/audit/rows", params={"action": "login", "limit": 1})).json()
    assert ([row["username"] for row in only["items"]], bool(only["next"])) == (["ravi"], True)
    assert await verify(sql, [b"session-secret-for-tests-0123456789"]) == []
    assert [row for row in lines if json.loads(row)["hash"]] == lines


async def test_what_is_done_to_bills_bags_products_and_areas_is_in_it(
    app: AppProcess, worker: httpx.AsyncClient, sql: Any
) -> None:
    await worker.post("/api/fast_parent_scan", data={"qr_code": "SB00001"})
    calls: list[tuple[str, str, dict[str, Any] | None]] = [
        ("POST", "/bills", {"code": "B-1", "capacity": 5, "destination": "Indore"}),
        ("PATCH", "/bills/B-1", {"capacity": 7}),
        ("POST", "/scans", {"scan_id": "5c0b8d1a-6a1c-4b8e-9d57-0d4c9d2f7f10", "code": "SB00001", "bill": "B-1"}),
        ("POST", "/bills/B-1/complete", None),
        ("POST", "/bills/B-1/reopen", None),
        ("DELETE", "/bills/B-1", None),
        ("PATCH", "/bags/SB00001", {"area": "hisar"}),
        ("PUT", "/bags/SB00001/children", {"children": ["CHILD1"]}),
        ("POST", "/bags", {"code": "SB00002"}),
        ("DELETE", "/bags/SB00002", None),
        ("POST", "/products", {"name": "Sugar", "capacity": 10}),
        ("POST", "/areas", {"name": "nagpur"}),
        ("DELETE", "/areas/nagpur", None),
    ]
    for method, path, body in calls:
        answer = await worker.request(method, f"/api/v1{path}", json=body)
        assert answer.is_success, (path, answer.text)
    rows = (await worker.get("/api/v1/audit/rows?limit=100")).json()["items"]
    assert [(row["action"], row["entity_id"]) for row in reversed(rows)][1:] == [
        ("bill.create", "B-1"),
        ("bill.update", "B-1"),
        ("bill.complete", "B-1"),
        ("bill.reopen", "B-1"),
        ("bill.delete", "B-1"),
        ("bag.assign", "SB00001"),
        ("bag.edit_children", "SB00001"),
        ("bag.delete", "SB00002"),
        ("product.create", "Sugar"),
        ("area.create", "nagpur"),
        ("area.delete", "nagpur"),
    ]
    assert {(row["username"], row["ip"]) for row in rows} == {(ADMIN, "127.0.0.0")}
    update = next(row for row in rows if row["action"] == "bill.update")
    assert (update["before"], update["after"]) == ({"capacity": 5}, {"capacity": 7})
    assert next(row for row in rows if row["action"] == "bill.delete")["before"]["parents"] == ["SB00001"]
    # A refused change leaves no trace here.
    assert (await worker.delete("/api/v1/bills/B-1")).status_code == 404
    assert await sql.fetchval("SELECT count(*) FROM audit_log") == len(rows)
    assert await verify(sql, [b"session-secret-for-tests-0123456789"]) == []

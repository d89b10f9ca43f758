"""The end-of-day report, sent by a person or a scheduler to those who bill."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import asyncpg
import httpx

from tests.integration.app.http import http_client
from tests.integration.app.legacy.test_bills import make_bill, make_parent, put
from tests.integration.app.mailsink import mail_sink
from tests.integration.app.process import AppProcess

SEND, SCHEDULE = "/api/bill_summary/send_eod", "/api/bill_summary/schedule_eod"
SECRET = "a-scheduler's secret"


async def test_the_report_reaches_those_who_bill(environment: dict[str, str], tmp_path: Path) -> None:
    with mail_sink() as sink:
        own = environment | sink.environment | {"EOD_SECRET": SECRET}
        with AppProcess(own, tmp_path) as app:
            app.wait_ready()
            sql: Any = await asyncpg.connect(environment["DATABASE_URL"])
            await sql.execute("UPDATE users SET email = 'boss@example.com' WHERE role = 'admin'")
            await sql.execute(
                "INSERT INTO users (username, email, password_hash, role, area) VALUES"
                " ('biller', 'biller@example.com', '', 'biller', NULL),"
                " ('mute', NULL, '', 'biller', NULL),"
                " ('driver', 'driver@example.com', '', 'dispatcher', 'lucknow')"
            )
            await sql.close()
            async with app.logged_in() as worker:
                bill = await make_bill(worker, "=B-1")
                await make_parent(worker, "SB00001", 2)
                await put(worker, bill, "SB00001")
                body = (await worker.post(SEND)).json()
            assert (body["success"], body["sent_count"], body["failed_count"], body["errors"]) == (True, 2, 0, [])
            assert body["recipients"] == ["boss@example.com", "biller@example.com"]
            assert (body["total_recipients"], body["total_bills"]) == (2, 1)
            assert sorted(mail["To"] for mail in sink.mails) == ["biller@example.com", "boss@example.com"]
            [text, table] = [part.get_content() for part in sink.mails[0].walk() if not part.is_multipart()]
            assert "2 kg of 30 kg expected" in text
            assert "'=B-1,Delhi" in table.replace("\r", "")
            async with http_client(base_url=app.url) as scheduler:
                for headers in ({}, {"X-EOD-Secret": "wrong"}):
                    refused = await scheduler.post(SCHEDULE, headers=headers)
                    assert (refused.status_code, refused.json()["success"]) == (403, False)
                sent = await scheduler.post(SCHEDULE, headers={"X-EOD-Secret": SECRET}, json={"date": "2026-01-31"})
                assert (sent.json()["report_date"], sent.json()["total_bills"]) == ("2026-01-31", 0)
            assert len(sink.mails) == 4


async def test_without_a_mail_server_or_a_secret_it_says_what_to_do(worker: httpx.AsyncClient, sql: Any) -> None:
    nobody = (await worker.post(SEND)).json()
    assert (nobody["success"], nobody["message"]) == (False, "Nobody who bills has a mail address.")
    await sql.execute("UPDATE users SET email = 'boss@example.com'")
    body = (await worker.post(SEND)).json()
    await sql.execute("UPDATE users SET email = NULL")
    assert (body["success"], body["sent_count"], body["failed_count"]) == (False, 0, 1)
    assert "set SMTP_HOST" in body["errors"][0]
    closed = await worker.post(SCHEDULE, headers={"X-EOD-Secret": ""})
    assert (closed.status_code, "set EOD_SECRET" in closed.json()["message"]) == (403, True)

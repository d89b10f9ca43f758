"""Hostile input: every parser answers in its own words, and none of it costs the service an error.

The quick run tries a few hundred inputs for each parser; the one marked slow ten thousand in all, and more by HTTP.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from datetime import UTC
from typing import Any
from urllib.parse import quote_from_bytes

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from tests.integration.app.conftest import SIGNING_SECRET, device_key
from tests.integration.app.http import http_client
from tests.integration.app.process import AppProcess
from tracetrack_app.domain import codes, devicekeys
from tracetrack_app.domain.devicekeys import DeviceKeyError, Fleet, FleetError, SigningKey
from tracetrack_app.domain.outcomes import Refusal
from tracetrack_app.domain.scans import Actor
from tracetrack_app.http.auth.sessions import Sessions
from tracetrack_app.http.replies import Refused, fields_of
from tracetrack_app.http.v1.scans import read_scan
from tracetrack_app.ingest.scans import MAX_BILL, MAX_STATION, judge
from tracetrack_app.store.check import check

ACTOR = Actor(fleet="lucknow", scanner="lucknow-0001")
SESSIONS = Sessions(b"s" * 40, lambda _: False)
KEY = device_key()
FLEETS = {
    "lucknow": Fleet("lucknow", (SigningKey("1", SIGNING_SECRET),), "lucknow-", 4, 200, {"default": 1}, {}),
}

# Text as it comes: any character, those that look like others, and pieces of what is meant to be there.
_PIECES = ["SB00001", "sb0000", "M444-", "LABEL NO.", "LABEL NO.:", "0" * 30, "ß", "ﬀ", "İ", "\u0661", "\u200b",
           "\ufeff", "\x00", "\r\n", " ", "'; DROP TABLE bags; --", "{{7*7}}", "../", "%00", "\U0001f4a9", "\u202e",
           "<script>", "null", "-1", "1e309", "NaN", "\x1b[2J"]  # fmt: skip
text = st.one_of(
    st.text(max_size=300),
    st.lists(st.one_of(st.sampled_from(_PIECES), st.text(max_size=4)), max_size=12).map("".join),
    st.sampled_from(["A" * 5000, "SB" + "\u0660" * 5, "SB00001" * 100]),
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), text),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(text, inner, max_size=4)),
    max_leaves=8,
)
_NAMES = ["scan_id", "code", "parent", "bill", "station", "captured_at", "qr_code", "qr_id", "parent_qr", "csrf_token"]
bodies = st.one_of(
    st.binary(max_size=400),
    st.dictionaries(st.one_of(st.sampled_from(_NAMES), text), values, max_size=8).map(
        lambda value: json.dumps(value).encode("utf-8", "surrogatepass")
    ),
    st.builds(
        lambda body, cut, junk: body[:cut] + junk,
        st.just(b'{"scan_id":"6f1c1e1e-6d1c-4a5e-8f0a-000000000001","code":"CHILD1","parent":"SB00001",'
                b'"captured_at":"2026-01-05T10:00:00+05:30"}'),
        st.integers(0, 130), st.binary(max_size=20),
    ),
    st.sampled_from([
        b'{"code":' + b"[" * 30000, b"[" * 60000, b'{"a":' * 10000, b'{"code":"\\ud800"}', b"\xff\xfe", b"",
        b'{"code":"A","captured_at":"0001-01-01T00:00:00+23:59"}', b'{"code":"A","scan_id":[]}',
        b'{"scan_id":"6f1c1e1e-6d1c-4a5e-8f0a-000000000001","code":"A","captured_at":"9999-12-31T23:59:59-23:59"}',
    ]),
)  # fmt: skip
keys = st.one_of(
    text,
    st.lists(st.one_of(st.sampled_from([*KEY.split("."), "0", "01", "9" * 50, "\u0661"]), text), max_size=7).map(
        ".".join
    ),
    st.builds(lambda at, new: KEY[:at] + new + KEY[at + 1 :], st.integers(0, len(KEY) - 1), st.characters()),
)


def check_code(raw: str) -> None:
    try:
        code = codes.parse(raw)
    except codes.MalformedCodeError as error:
        cleaned = error.text
    else:
        assert code.text.isascii()
        assert code.text == code.text.upper().strip()
        assert codes.parse(code.text) == code
        cleaned = code.text
    assert len(cleaned) <= codes.MAX_RAW_LENGTH


def check_scan(body: bytes) -> None:
    raw, reason = read_scan(body, ACTOR)
    if raw is None:
        assert reason
        return
    scan = judge(raw)
    assert scan.refusal is None or isinstance(scan.refusal, Refusal)
    assert len(scan.code) <= 200
    assert len(scan.parent or "") <= 200
    assert len(scan.bill or "") <= MAX_BILL
    assert len(scan.station) <= MAX_STATION
    assert "\x00" not in f"{scan.code}{scan.parent}{scan.bill}{scan.station}"
    assert scan.captured_at.astimezone(UTC)
    for stored in (scan.code, scan.parent, scan.bill, scan.station):
        (stored or "").encode()


def check_key(key: str) -> None:
    try:
        device = devicekeys.verify(key, FLEETS)
    except DeviceKeyError:
        return
    assert key == KEY
    assert device.scanner == "lucknow-0001"


def check_fleet(body: bytes) -> None:
    with pytest.raises(FleetError, match=r".+"):
        devicekeys.parse_fleet(body.decode("utf-8", "replace"))


def _request(headers: dict[str, str], body: bytes = b"") -> Request:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    raw = [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": raw}, receive)


def check_cookie(value: str) -> None:
    session = SESSIONS.create(1, "someone", "admin")
    assert SESSIONS.read(_request({"cookie": f"session={value}"})) is None
    assert SESSIONS.parent(_request({"cookie": f"parent={value}"}), session) is None
    assert SESSIONS.csrf_matches(session, value.encode("utf-8", "replace").decode()) is False


def check_form(body: bytes) -> None:
    for kind in ("application/x-www-form-urlencoded", "application/json", "text/plain", "Application/JSON; charset=x"):
        status, fields = 200, {}
        try:
            fields = _result(fields_of(_request({"content-type": kind}, body)))
        except Refused as refused:
            status = refused.status
        assert status in (200, 400)
        assert all(isinstance(name, str) and isinstance(value, str) for name, value in fields.items())


def _result(work: Coroutine[Any, Any, dict[str, str]]) -> dict[str, str]:
    """Of a coroutine that waits for nothing but the body, which is there."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    raise AssertionError("it waits for something else")


PARSERS: dict[str, tuple[st.SearchStrategy[Any], Callable[[Any], None]]] = {
    "codes": (text, check_code),
    "scans": (bodies, check_scan),
    "device keys": (keys, check_key),
    "fleet files": (bodies, check_fleet),
    "cookies": (text, check_cookie),
    "forms": (bodies, check_form),
}


def _try(name: str, examples: int) -> None:
    strategy, judge_it = PARSERS[name]

    @settings(max_examples=examples, deadline=None, database=None, derandomize=True,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(strategy)
    def attempt(value: Any) -> None:
        judge_it(value)

    attempt()


@pytest.mark.parametrize("name", PARSERS)
def test_a_parser_answers_hostile_input_in_its_own_words(name: str) -> None:
    _try(name, 100)


@pytest.mark.slow
@pytest.mark.parametrize("name", PARSERS)
def test_ten_thousand_hostile_inputs(name: str) -> None:
    _try(name, 2000)


CALLS = ["/api/v1/scans", "/process_child_scan_fast", "/api/fast_parent_scan", "/api/unlink_child", "/login",
         "/fast/bill_parent_scan"]  # fmt: skip


async def _send(app: AppProcess, dsn: str, examples: int) -> None:
    """Send hostile bodies, keys, cookies and addresses; nothing answers 500 and the bags agree at the end."""
    sent: list[tuple[str, bytes, str, str]] = []

    @settings(max_examples=examples, deadline=None, database=None, derandomize=True,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(st.sampled_from(CALLS), bodies, keys, text)
    def collect(path: str, body: bytes, key: str, cookie: str) -> None:
        sent.append((path, body, key, cookie))

    collect()
    async with app.logged_in() as worker, http_client(base_url=app.url, timeout=20) as client:
        for number, (path, body, key, cookie) in enumerate(sent):
            kind = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x")[
                number % 3
            ]
            headers = [(b"content-type", kind.encode()), (b"authorization", b"Bearer " + KEY.encode())]
            if number % 4 == 0:
                headers[1] = (b"authorization", b"Bearer " + (_field(key) or b"x"))
            if number % 5 == 0:
                headers.append((b"cookie", b"session=" + _field(cookie)))
            who = worker if path.startswith(("/p", "/api/f", "/api/u", "/fast")) and number % 5 else client
            answer = await who.post(path, content=body, headers=headers)
            assert answer.status_code < 500, (path, body[:300], answer.text)
            if number % 10 == 0:
                page = await who.get("/api/bag/" + quote_from_bytes(cookie.encode("utf-8", "replace")[:200], safe=""))
                assert page.status_code < 500, (page.request.url, page.text)
    assert app.status("/ready") == 200
    assert "Traceback" not in app.log
    connection = await asyncpg.connect(dsn)
    assert (await check(connection)).broken == {}
    await connection.close()


def _field(value: str) -> bytes:
    """As a header's value: what HTTP itself forbids there would not reach the app."""
    return value.encode("utf-8", "replace").translate(None, bytes([*range(32), 127]))[:2000].strip()


async def test_hostile_requests_get_no_server_error(environment: dict[str, str], tmp_path: Any) -> None:
    with AppProcess(environment, tmp_path) as app:
        app.wait_ready()
        await _send(app, environment["DATABASE_URL"], 60)


@pytest.mark.slow
async def test_two_thousand_hostile_requests_get_no_server_error(environment: dict[str, str], tmp_path: Any) -> None:
    with AppProcess(environment, tmp_path) as app:
        app.wait_ready()
        await _send(app, environment["DATABASE_URL"], 2000)

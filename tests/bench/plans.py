"""Sequential scans in the plans of what the app runs on a full warehouse, statements inside functions included."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import uuid4

import httpx

from tests.bench import servers
from tests.bench.world import ADMIN, PASSWORD, World, credentials
from tests.cluster.run import say

# Tables that grow with the business; a small one is best read whole.
LARGE = ("bags", "links", "scan_ledger", "bill_bags", "return_ticket_bags")
_SETTINGS = {
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_nested_statements": "on",
    "auto_explain.log_triggers": "off",
}
_ENTRY = re.compile(r"duration: \S+ ms  plan:\n((?:\t.*\n)+)")
_SEQUENTIAL = re.compile(rf"Seq Scan on (?:\w+\.)?({'|'.join(LARGE)})\b")


@dataclass(frozen=True, slots=True)
class Plan:
    """A statement, its white space folded, and the large tables that it reads from end to end."""

    statement: str
    sequential: frozenset[str]
    text: str = ""


def parse(log: str) -> Iterator[Plan]:
    """The plans in a log of auto_explain's."""
    for entry in _ENTRY.finditer(log):
        lines = entry[1].splitlines()
        # The plan begins at the first line with a cost.
        first = next((number for number, line in enumerate(lines) if "(cost=" in line), len(lines))
        statement = " ".join(" ".join(lines[:first]).replace("Query Text:", "").split())
        text = "\n".join(_run(lines[first:]))
        yield Plan(statement, frozenset(_SEQUENTIAL.findall(text)), text)


def _run(lines: list[str]) -> Iterator[str]:
    """A plan without what is never run: the nodes below a condition that the planner found to be false."""
    never: int | None = None
    for line in lines:
        depth = len(line) - len(line.lstrip())
        if never is not None and depth >= never:
            continue
        never = depth if "One-Time Filter: false" in line else None
        yield line


def explained(world: World) -> list[Plan]:
    """The plans of what an app does for the calls of a day, each statement once."""
    for name, value in _SETTINGS.items():
        world.execute(f"ALTER ROLE app SET {name} = '{value}'")
    log = world.postgres.log
    before = log.stat().st_size
    try:
        with servers.app(world.environment, world.folder, "app-explained") as server:
            # A second time, so that plans for repeated use are seen too.
            for _ in range(7):
                _a_day(world, server.url)
    finally:
        for name in _SETTINGS:
            world.execute(f"ALTER ROLE app RESET {name}")
    with log.open(errors="replace") as file:
        file.seek(before)
        found: dict[str, Plan] = {}
        for plan in parse(file.read()):
            known = found.get(plan.statement)
            # The one that reads from end to end is kept, should plans differ.
            if known is None or (plan.sequential and not known.sequential):
                found[plan.statement] = plan
    return list(found.values())


def _a_day(world: World, url: str) -> None:
    """One of each call that people and devices make all day."""
    work = world.empty.take(1, 31)
    parent, child, bill = work.scan(0)[0], work.scan(1)[0], f"BENCH-{uuid4().hex[:8]}"
    with httpx.Client(base_url=url, headers={"Authorization": credentials(1)[0]}, timeout=60) as device:
        for code, holder in ((parent, None), (child, parent), (child, parent), ("SB00000", None), (child, "SB99999")):
            body = {"scan_id": str(uuid4()), "code": code, "parent": holder, "bill": None, "station": "gate-1"}
            _call(device, "POST", "/api/v1/scans", json=body)
        for path in (f"/api/v1/bags/{parent}", f"/api/v1/bags/{child}", "/api/v1/bags?limit=50"):
            _call(device, "GET", path)
    with httpx.Client(base_url=url, timeout=60) as person:
        token = _token(person.get("/login").text)
        person.post("/login", data={"username": ADMIN, "password": PASSWORD, "csrf_token": token})
        person.headers["X-CSRFToken"] = _token(person.get("/dashboard").text)
        _call(person, "POST", "/api/fast_parent_scan", json={"qr_code": parent})
        _call(person, "POST", "/process_child_scan_fast", json={"qr_code": f"{child}A"})
        _call(person, "POST", "/bill/create", data={"bill_id": bill, "destination": "Lucknow", "capacity": "50"})
        rows = world.ask(lambda connection: connection.fetch("SELECT id FROM bills WHERE code = $1", bill))
        for row in rows:
            _call(person, "POST", "/fast/bill_parent_scan", json={"bill_id": row["id"], "qr_code": parent})
            _call(person, "GET", f"/api/bills/{row['id']}")
            _call(person, "GET", f"/bill/{row['id']}")
        for path in (
            "/api/stats",
            "/api/scans?limit=50",
            f"/api/bag/{parent}",
            f"/bag/{parent}",
            "/bags",
            "/bags?search=SB0001&type=parent",
            "/bags?type=child&status=pending",
            f"/lookup?qr_id={child}",
            "/bills",
            "/api/bill_summary/eod",
            "/dashboard",
        ):
            _call(person, "GET", path)
        _call(person, "POST", "/api/unlink_child", json={"qr_code": f"{child}A"})
        _call(person, "POST", "/api/unlink_child", json={"parent_qr": parent})


def _token(page: str) -> str:
    found = re.search(r'name="csrf-token" content="([^"]+)"', page)
    return found[1] if found else ""


def _call(client: httpx.Client, method: str, path: str, **content: object) -> None:
    status = client.request(method, path, **content).status_code  # type: ignore[arg-type]
    if status >= 500:
        say(f"{method} {path} answered {status}: its plans are not in the gate")

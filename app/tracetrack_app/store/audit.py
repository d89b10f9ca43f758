"""The audit log: who did what, append-only, each row chained to the one before it.

A row's `hash` is SHA-256 of its content and of the hash before it; anyone can check that. Its `seal` is an HMAC of the
hash with a key that the database does not hold, so that nobody there can write a row or a new end of the chain. The
chain cannot fork: a writer holds the one row of audit_head until it commits, and a unique index gives a row one
successor at most. The head's seal is overwritten by each row: whoever cuts off the newest rows has no seal for the
earlier end, unless he kept a copy of the head from then. Against him, and against a log emptied altogether, keep the
last line of an export elsewhere and give it to `verify` as the witness.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from tracetrack_app.keys import derive
from tracetrack_app.store.database import FAILED
from tracetrack_app.store.masking import Details, masked

if TYPE_CHECKING:
    from tracetrack_app.store.standby import Standby, Work

T = TypeVar("T")

_log = logging.getLogger(__name__)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COLUMNS = "seq, at, user_id, username, action, entity, entity_id, before, after, details, ip, request_id"
_CONTENT = tuple(_COLUMNS.split(", "))


@dataclass(frozen=True, slots=True)
class Who:
    """Who does something, from where, in which request. `ip` as it may be kept."""

    user_id: int | None = None
    username: str | None = None
    ip: str | None = None
    request_id: str | None = None


SYSTEM = Who(username="system")
acting: ContextVar[Callable[[], Who]] = ContextVar("acting", default=lambda: SYSTEM)
"""Who the request at hand is for; set where it is found out who calls, worked out only if it is asked for."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with the log; `seq` is the row, 0 for the whole."""

    seq: int
    kind: str
    message: str


class _Sealer:
    def __init__(self, secrets: Sequence[bytes]) -> None:
        self._keys = {
            hashlib.sha256(derive(secret, "audit.id")).hexdigest()[:12]: derive(secret, "audit") for secret in secrets
        }
        self.key_id = next(iter(self._keys), "")

    def seal(self, what: bytes, content: bytes, key_id: str | None = None) -> bytes:
        key = self._keys[key_id if key_id is not None else self.key_id]
        return hmac.new(key, what + content, hashlib.sha256).digest()

    def knows(self, key_id: str) -> bool:
        return key_id in self._keys

    def row(self, hash_: bytes) -> bytes:
        return self.seal(b"row:", hash_)

    def head(self, seq: int, hash_: bytes) -> bytes:
        return self.seal(b"head:", f"{seq}:".encode() + hash_)

    def row_holds(self, row: Any) -> bool:
        return hmac.compare_digest(self.seal(b"row:", row["hash"], row["key_id"]), row["seal"])

    def head_holds(self, head: Any) -> bool:
        content = f"{head['seq']}:".encode() + (head["hash"] or b"")
        return hmac.compare_digest(self.seal(b"head:", content, head["key_id"]), head["seal"])


def content_hash(row: Mapping[str, Any]) -> bytes:
    """SHA-256 of the row's columns and of the hash before, each as a netstring, `-` for NULL."""
    digest = hashlib.sha256()
    for name in (*_CONTENT, "previous"):
        value = row[name]
        if isinstance(value, datetime):
            value = (value - _EPOCH) // timedelta(microseconds=1)
        if value is None:
            digest.update(b"-")
            continue
        data = value if isinstance(value, bytes) else str(value).encode()
        digest.update(b"%d:" % len(data) + data)
    return digest.digest()


def _json(details: Details | None) -> str | None:
    return None if details is None else json.dumps(masked(details), sort_keys=True, ensure_ascii=False, default=str)


class Audit:
    """Writes and reads the log. The first of `secrets` seals.

    It is read from `standby` where that will do, but for a page that continues another.
    """

    def __init__(self, pool: Any, secrets: Sequence[bytes], standby: Standby | None = None) -> None:
        self._pool = pool
        self._standby = standby
        self._sealer = _Sealer(secrets)

    async def record(
        self,
        action: str,
        who: Who,
        entity: str | None = None,
        entity_id: object = None,
        *,
        before: Details | None = None,
        after: Details | None = None,
        details: Details | None = None,
        connection: Any = None,
    ) -> int:
        """Append a row; returns its number. Personal data is masked, secrets are left out.

        With `connection` it becomes part of that transaction, as the last thing in it: the end of the chain stays
        locked until the commit.
        """
        row = {
            "user_id": who.user_id,
            "username": who.username,
            "action": action,
            "entity": entity,
            "entity_id": None if entity_id is None else str(entity_id)[:100],
            "before": _json(before),
            "after": _json(after),
            "details": _json(details),
            "ip": who.ip,
            "request_id": who.request_id,
        }
        if connection is not None:
            return await self._append(connection, row)
        async with self._pool.acquire() as own, own.transaction():
            return await self._append(own, row)

    async def _append(self, connection: Any, row: dict[str, Any]) -> int:
        head = await connection.fetchrow("SELECT seq, hash, key_id, seal FROM audit_head FOR UPDATE")
        # A statement of its own: it sees what was committed while the one before waited for the lock.
        last = await connection.fetchrow(
            "SELECT l.seq, l.hash, clock_timestamp() AS at FROM (SELECT) one"
            " LEFT JOIN (SELECT seq, hash FROM audit_log ORDER BY seq DESC LIMIT 1) l ON true"
        )
        wrong = self._wrong_end(head, last)
        if wrong:
            # The row must be written, and what was found must not be covered up by the new seal.
            _log.error("the audit log was tampered with: %s", wrong)
            row["details"] = json.dumps({"tampered": wrong, "details": row["details"]}, sort_keys=True)
        row |= {"seq": (last["seq"] or 0) + 1, "at": last["at"], "previous": last["hash"]}
        row["hash"] = content_hash(row)
        await connection.execute(
            f"WITH added AS (INSERT INTO audit_log ({_COLUMNS}, previous, hash, key_id, seal) VALUES"  # noqa: S608
            " ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16))"
            " UPDATE audit_head SET seq = $1, hash = $14, key_id = $15, seal = $17",
            *[row[name] for name in _CONTENT],
            row["previous"],
            row["hash"],
            self._sealer.key_id,
            self._sealer.row(row["hash"]),
            self._sealer.head(row["seq"], row["hash"]),
        )
        return int(row["seq"])

    def _wrong_end(self, head: Any, last: Any) -> str | None:
        if (head["seq"], head["hash"]) != (last["seq"] or 0, last["hash"]):
            return f"the head says row {head['seq']}, the last row is {last['seq'] or 0}"
        if head["seq"] and not self._sealer.knows(head["key_id"]):
            return f"row {head['seq']} was sealed with a key that is not known here (was the session secret changed?)"
        if head["seq"] and not self._sealer.head_holds(head):
            return f"the head's seal is not of row {head['seq']}"
        return None

    async def rows(
        self,
        *,
        before: int | None = None,
        limit: int = 100,
        user_id: int | None = None,
        action: str | None = None,
        entity: str | None = None,
        entity_id: str | None = None,
    ) -> list[dict[str, Any]]:
        """The newest rows first, below the number `before`."""
        arguments = before, user_id, action, entity, entity_id, limit
        sql = (
            f"SELECT {_COLUMNS}, hash FROM audit_log WHERE ($1::bigint IS NULL OR seq < $1)"  # noqa: S608
            " AND ($2::bigint IS NULL OR user_id = $2) AND ($3::text IS NULL OR action = $3)"
            " AND ($4::text IS NULL OR entity = $4) AND ($5::text IS NULL OR entity_id = $5)"
            " ORDER BY seq DESC LIMIT $6"
        )

        async def work(connection: Any) -> list[dict[str, Any]]:
            return [_shown(row) for row in await connection.fetch(sql, *arguments)]

        if self._standby is None or before is not None:
            return await self._read(work)
        return await self._standby.report(work, self._read)

    async def _read(self, work: Work[T]) -> T:
        async with self._pool.acquire() as connection:
            return await work(connection)

    async def export(self, since: datetime | None = None, until: datetime | None = None) -> AsyncIterator[bytes]:
        """NDJSON, oldest first, with all that a check of the chain needs, up to the newest row."""
        connection = await self._standby.whole() if self._standby is not None else None
        if self._standby is not None and connection is not None:
            begun = False
            try:
                async for line in _lines(connection, since, until):
                    begun = True
                    yield line
                return
            except FAILED as error:
                self._standby.broke(error)
                if begun:
                    raise
            finally:
                connection.terminate()
        async with self._pool.acquire() as connection:
            async for line in _lines(connection, since, until):
                yield line


async def _lines(connection: Any, since: datetime | None, until: datetime | None) -> AsyncIterator[bytes]:
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        rows = connection.cursor(
            f"SELECT {_COLUMNS}, previous, hash, key_id, seal FROM audit_log"  # noqa: S608
            " WHERE ($1::timestamptz IS NULL OR at >= $1) AND ($2::timestamptz IS NULL OR at < $2) ORDER BY seq",
            since,
            until,
            prefetch=500,
        )
        async for row in rows:
            yield json.dumps(_shown(row), ensure_ascii=False).encode() + b"\n"


def _shown(row: Any) -> dict[str, Any]:
    shown = dict(row)
    shown["at"] = row["at"].isoformat()
    for name in ("before", "after", "details"):
        shown[name] = json.loads(row[name]) if row[name] is not None else None
    for name in ("previous", "hash", "seal"):
        if name in shown and shown[name] is not None:
            shown[name] = shown[name].hex()
    return shown


async def verify(
    connection: Any, secrets: Sequence[bytes] = (), witness: tuple[int, bytes] | None = None
) -> list[Fault]:
    """What is wrong with the log, in its order; empty when it is whole. Without `secrets` only the chain is checked.

    `witness` is the (number, hash) of a row that is known to have been there.
    """
    sealer = _Sealer(secrets) if secrets else None
    faults: list[Fault] = []
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        last = None
        strangers: list[int] = []
        cursor = connection.cursor(
            f"SELECT {_COLUMNS}, previous, hash, key_id, seal FROM audit_log ORDER BY seq",  # noqa: S608
            prefetch=1000,
        )
        async for row in cursor:
            faults += _check(row, last)
            if sealer is not None and not sealer.knows(row["key_id"]):
                strangers.append(row["seq"])
            elif sealer is not None:
                if not sealer.row_holds(row):
                    faults.append(Fault(row["seq"], "seal", f"row {row['seq']} was not written by the app"))
                # What a known key sealed later vouches for the rows that it follows.
                strangers.clear()
            if witness is not None and row["seq"] == witness[0] and row["hash"] != witness[1]:
                faults.append(Fault(row["seq"], "witness", f"row {row['seq']} is not the one that the witness saw"))
            last = row
        head = await connection.fetchrow("SELECT seq, hash, key_id, seal FROM audit_head")
    if strangers:
        words = f"row {strangers[0]} and those after it are sealed with a key that is not known here"
        faults.append(Fault(strangers[0], "key", words))
    return faults + _check_end(head, last, sealer, witness)


def _check(row: Any, last: Any) -> list[Fault]:
    seq, expected = row["seq"], last["seq"] + 1 if last else 1
    faults = []
    if seq != expected:
        missing = f"rows {expected} to {seq - 1} are" if seq - expected > 1 else f"row {expected} is"
        faults.append(Fault(expected, "missing", f"{missing} missing"))
    if content_hash(row) != row["hash"]:
        faults.append(Fault(seq, "changed", f"row {seq} was changed"))
    elif seq == expected and row["previous"] != (last["hash"] if last else None):
        faults.append(Fault(seq, "chain", f"row {seq} does not follow the row before it: one of the two was replaced"))
    elif row["details"] is not None and '"tampered"' in row["details"]:
        found = json.loads(row["details"]).get("tampered")
        faults.append(Fault(seq, "end", f"when row {seq} was written the end had been tampered with: {found}"))
    return faults


def _check_end(head: Any, last: Any, sealer: _Sealer | None, witness: tuple[int, bytes] | None) -> list[Fault]:
    seq, hash_ = (last["seq"], last["hash"]) if last else (0, None)
    faults = []
    if head is None:
        return [Fault(0, "head", "the end of the chain is not recorded: audit_head is empty")]
    if head["seq"] > seq:
        faults.append(Fault(seq + 1, "missing", f"rows {seq + 1} to {head['seq']} were cut off the end"))
    elif (head["seq"], head["hash"]) != (seq, hash_):
        faults.append(Fault(head["seq"] + 1, "head", f"the recorded end is row {head['seq']}, the last row is {seq}"))
    elif sealer is not None and seq and (not sealer.knows(head["key_id"]) or not sealer.head_holds(head)):
        faults.append(Fault(seq, "head", f"the end at row {seq} was not recorded by the app: newer rows may be gone"))
    if witness is not None and witness[0] > seq:
        faults.append(Fault(seq + 1, "witness", f"the witness saw row {witness[0]}, the log ends at row {seq}"))
    return faults

"""The accounts: log-in, making and changing them, what ends their sessions. Every change is in the audit log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import asyncpg

from tracetrack_app.domain.accounts import AccountError
from tracetrack_app.domain.people import RANK, Role
from tracetrack_app.store.audit import SYSTEM, Audit, Who

LOCK_AFTER = 5
LOCK_MINUTES = 15
_COLUMNS = (
    "id, username, email, role, area, active, approved, created_at, last_login_at, locked_until, must_change_password,"
    " totp_enabled"
)


@dataclass(frozen=True, slots=True)
class User:
    """An account as log-in needs it."""

    id: int
    username: str
    role: str
    password_hash: str
    active: bool = True
    approved: bool = True
    epoch: int = 0
    totp: bool = False


@dataclass(frozen=True, slots=True)
class Account:
    """An account as it is shown; nothing secret."""

    id: int
    username: str
    email: str | None
    role: str
    area: str | None
    active: bool
    approved: bool
    created_at: datetime
    last_login_at: datetime | None
    locked_until: datetime | None
    must_change_password: bool
    totp_enabled: bool

    @property
    def audited(self) -> dict[str, Any]:
        """What the audit log keeps of it."""
        names = ("username", "email", "role", "area", "active", "approved", "must_change_password", "totp_enabled")
        return {name: value for name, value in asdict(self).items() if name in names}


@dataclass(frozen=True, slots=True)
class Bound:
    """The admin that a binding names, and the hash of the password that it gave him last; None before it gave one."""

    id: int
    password_hash: str | None


@dataclass(frozen=True, slots=True)
class Removed:
    """A deleted account, and what of its work stays."""

    username: str
    scans: int
    bills: int


def explain(error: asyncpg.IntegrityConstraintViolationError) -> AccountError:
    """The rule that the database found broken, in words."""
    name = error.constraint_name or ""
    if name == "users_username":
        return AccountError("username_taken", "This user name is taken: choose another.", "username")
    if name == "users_email":
        return AccountError("email_taken", "Another account has this e-mail address.", "email")
    if name == "users_dispatcher_has_area":
        return AccountError("area_required", "A dispatcher needs an area: choose one.", "area")
    if name == "users_area_fkey":
        return AccountError("unknown_area", "There is no such area: choose one of the list.", "area")
    if name == "users_keep_an_admin":
        return AccountError("last_admin", "This is the last admin: make another one first.")
    raise error


class Accounts:
    """Reads and changes accounts over a pool of connections; `changed` is told the cache keys of what changed."""

    def __init__(self, pool: Any, audit: Audit, changed: Callable[[Iterable[str]], Awaitable[None]]) -> None:
        self._pool = pool
        self._audit = audit
        self._changed = changed

    @asynccontextmanager
    async def change(self, user_id: int | None = None) -> AsyncIterator[Any]:
        """A transaction that changes the account; caches forget it, also when the commit's fate is unknown."""
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                yield connection
        except asyncpg.IntegrityConstraintViolationError as error:
            raise explain(error) from error
        finally:
            if user_id is not None:
                await self._changed([f"user:{user_id}"])

    async def forget(self, user_id: int) -> None:
        """Have all caches forget the account."""
        await self._changed([f"user:{user_id}"])

    async def begin_login(self, username: str) -> tuple[User | None, datetime | None]:
        """Count an attempt before its password is looked at: (user, None), (None, locked until) or (None, None).

        Counting first means that attempts made at the same time cannot pass the limit together.
        """
        row = await self._pool.fetchrow(
            "UPDATE users SET"
            " failed_logins = CASE WHEN locked_until IS NULL THEN failed_logins + 1 ELSE 1 END,"
            " locked_until = CASE WHEN locked_until IS NULL AND failed_logins + 1 >= $2"
            " THEN now() + make_interval(mins => $3) END"
            " WHERE lower(username) = lower($1) AND deleted_at IS NULL"
            " AND (locked_until IS NULL OR locked_until <= now() OR NOT (active AND approved))"
            " RETURNING id, username, role, password_hash, active, approved, session_epoch, totp_enabled",
            username,
            LOCK_AFTER,
            LOCK_MINUTES,
        )
        if row is not None:
            return User(*row), None
        locked = await self._pool.fetchval(
            "SELECT locked_until FROM users WHERE lower(username) = lower($1) AND deleted_at IS NULL", username
        )
        return None, locked

    async def login_succeeded(self, user_id: int, new_hash: str | None) -> None:
        """Forget the failed attempts; store the password's hash made anew, if given."""
        await self._pool.execute(
            "UPDATE users SET failed_logins = 0, locked_until = NULL, last_login_at = now(),"
            " password_hash = coalesce($2, password_hash) WHERE id = $1",
            user_id,
            new_hash,
        )

    async def ensure_admin(self, username: str, password_hash: str) -> bool:
        """Create the first admin if there is none; whether it was created."""
        async with self.change() as connection:
            created = await connection.fetchval(
                "INSERT INTO users (username, password_hash, bound_password_hash, role)"
                " SELECT $1, $2, $2, 'admin' WHERE NOT EXISTS (SELECT FROM users WHERE role = 'admin' AND active)"
                " ON CONFLICT DO NOTHING RETURNING id",
                username,
                password_hash,
            )
            if created is None:
                return False
            after = {"username": username, "role": "admin"}
            await self._audit.record("user.create", SYSTEM, "user", created, after=after, connection=connection)
        return True

    async def has_admin(self) -> bool:
        return bool(await self._pool.fetchval("SELECT EXISTS (SELECT FROM users WHERE role = 'admin' AND active)"))

    async def bound(self, username: str) -> Bound | None:
        """None when no admin who may log in has that name."""
        row = await self._pool.fetchrow(
            "SELECT id, bound_password_hash FROM users WHERE lower(username) = lower($1) AND role = 'admin'"
            " AND active AND approved",
            username,
        )
        return Bound(*row) if row is not None else None

    async def bind(self, bound: Bound, password_hash: str) -> bool:
        """Give him the binding's password, unless another replica did so since `bound` was read; whether it was done.

        The first time it is only remembered: the account is older than that, and its password may be its user's own.
        """
        async with self.change(bound.id) as connection:
            done = await connection.fetchval(
                "UPDATE users SET bound_password_hash = $2"
                " WHERE id = $1 AND bound_password_hash IS NOT DISTINCT FROM $3 RETURNING id",
                bound.id,
                password_hash,
                bound.password_hash,
            )
            if done is not None and bound.password_hash is not None:
                await self.write_password(connection, bound.id, password_hash, must_change=False)
                details = {"set_by": "admin binding"}
                await self._audit.record(
                    "user.password", SYSTEM, "user", bound.id, details=details, connection=connection
                )
        return done is not None

    async def areas(self) -> list[str]:
        return [row["name"] for row in await self._pool.fetch("SELECT name FROM areas ORDER BY name")]

    async def get(self, user_id: int) -> Account:
        """Raises AccountError (not_found)."""
        return await self.read(self._pool, user_id)

    async def password_hash(self, user_id: int) -> str | None:
        found: str | None = await self._pool.fetchval(
            "SELECT password_hash FROM users WHERE id = $1 AND active AND approved", user_id
        )
        return found

    async def list(
        self, *, before: int | None = None, limit: int = 100, search: str = "", role: str | None = None
    ) -> list[Account]:
        """Those that are not deleted, newest first, below the id `before`; `search` is part of the user name."""
        rows = await self._pool.fetch(
            f"SELECT {_COLUMNS} FROM users WHERE deleted_at IS NULL AND ($1::bigint IS NULL OR id < $1)"  # noqa: S608
            " AND ($2 = '' OR position(lower($2) IN lower(username)) > 0) AND ($3::text IS NULL OR role = $3)"
            " ORDER BY id DESC LIMIT $4",
            before,
            search,
            role,
            limit,
        )
        return [Account(*row) for row in rows]

    async def create(
        self,
        who: Who,
        *,
        username: str,
        password_hash: str,
        role: Role,
        area: str | None = None,
        email: str | None = None,
        approved: bool = True,
        must_change_password: bool = False,
    ) -> Account:
        """Raises AccountError."""
        async with self.change() as connection:
            row = await connection.fetchrow(
                "INSERT INTO users (username, password_hash, role, area, email, approved,"  # noqa: S608
                " must_change_password)"
                f" VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING {_COLUMNS}",
                username,
                password_hash,
                role,
                area,
                email,
                approved,
                must_change_password,
            )
            account = Account(*row)
            action = "user.create" if approved else "user.register"
            await self._audit.record(action, who, "user", account.id, after=account.audited, connection=connection)
        return account

    async def update(self, who: Who, user_id: int, changes: dict[str, Any], action: str = "user.update") -> Account:
        """Change username, email, role, area, active, approved or must_change_password. Raises AccountError.

        A step down in role and deactivation end his sessions.
        """
        async with self.change(user_id) as connection:
            return await self.write(connection, who, user_id, changes, action)

    async def write(self, connection: Any, who: Who, user_id: int, changes: dict[str, Any], action: str) -> Account:
        """As update, inside a transaction of `change`."""
        # lock_admins() wants its lock before any row is locked; taking it here first keeps that order.
        if changes.keys() & {"role", "active", "approved"}:
            await connection.execute("SELECT pg_advisory_xact_lock(hashtext('tracetrack.admins'))")
        before = await self.read(connection, user_id, lock=True)
        wanted = replace(before, **changes)
        if wanted == before:
            return before
        lower = RANK[Role(wanted.role)] < RANK[Role(before.role)]
        ends = lower or (before.active and not wanted.active)
        row = await connection.fetchrow(
            "UPDATE users SET username = $2, email = $3, role = $4, area = $5, active = $6, approved = $7,"  # noqa: S608
            " must_change_password = $8, session_epoch = session_epoch + $9::boolean::integer"
            f" WHERE id = $1 RETURNING {_COLUMNS}",
            user_id,
            wanted.username,
            wanted.email,
            wanted.role,
            wanted.area,
            wanted.active,
            wanted.approved,
            wanted.must_change_password,
            ends,
        )
        account = Account(*row)
        old, new = before.audited, account.audited
        changed = [name for name in new if old[name] != new[name]]
        await self._audit.record(
            action,
            who,
            "user",
            user_id,
            before={name: old[name] for name in changed},
            after={name: new[name] for name in changed},
            details={"username": account.username, "sessions_ended": ends},
            connection=connection,
        )
        return account

    async def set_password(
        self, who: Who, user_id: int, password_hash: str, *, must_change: bool = False, action: str = "user.password"
    ) -> int:
        """Set it and end all sessions; returns the new epoch, for a session of him who changed it himself."""
        async with self.change(user_id) as connection:
            epoch = await self.write_password(connection, user_id, password_hash, must_change=must_change)
            await self._audit.record(action, who, "user", user_id, connection=connection)
        return epoch

    async def write_password(self, connection: Any, user_id: int, password_hash: str, *, must_change: bool) -> int:
        """As set_password, inside a transaction that records it itself. Raises AccountError (not_found)."""
        epoch = await connection.fetchval(
            "UPDATE users SET password_hash = $2, password_changed_at = now(), must_change_password = $3,"
            " session_epoch = session_epoch + 1, failed_logins = 0, locked_until = NULL"
            " WHERE id = $1 AND deleted_at IS NULL RETURNING session_epoch",
            user_id,
            password_hash,
            must_change,
        )
        if epoch is None:
            raise AccountError("not_found", "There is no such user.")
        await connection.execute(
            "UPDATE password_resets SET used_at = now() WHERE user_id = $1 AND used_at IS NULL", user_id
        )
        return int(epoch)

    async def end_sessions(self, who: Who, user_id: int) -> int:
        """Log him out everywhere; returns the new epoch."""
        async with self.change(user_id) as connection:
            epoch = await connection.fetchval(
                "UPDATE users SET session_epoch = session_epoch + 1 WHERE id = $1 AND deleted_at IS NULL"
                " RETURNING session_epoch",
                user_id,
            )
            if epoch is None:
                raise AccountError("not_found", "There is no such user.")
            await self._audit.record("user.end_sessions", who, "user", user_id, connection=connection)
        return int(epoch)

    async def unlock(self, who: Who, user_id: int) -> Account:
        """Forget the failed attempts. Raises AccountError."""
        async with self.change() as connection:
            await self.read(connection, user_id, lock=True)
            row = await connection.fetchrow(
                f"UPDATE users SET failed_logins = 0, locked_until = NULL WHERE id = $1 RETURNING {_COLUMNS}",  # noqa: S608
                user_id,
            )
            await self._audit.record("user.unlock", who, "user", user_id, connection=connection)
        return Account(*row)

    async def delete(self, who: Who, user_id: int) -> Removed:
        """End the account and free its name and address; what he scanned and made stays his. Raises AccountError."""
        async with self.change(user_id) as connection:
            await connection.execute("SELECT pg_advisory_xact_lock(hashtext('tracetrack.admins'))")
            before = await self.read(connection, user_id, lock=True)
            await connection.execute(
                "UPDATE users SET active = false, deleted_at = now(), email = NULL, password_hash = '!',"
                " totp_enabled = false, totp_secret = NULL, session_epoch = session_epoch + 1 WHERE id = $1",
                user_id,
            )
            for statement in (
                "UPDATE personal_tokens SET revoked_at = coalesce(revoked_at, now()) WHERE user_id = $1",
                "DELETE FROM recovery_codes WHERE user_id = $1",
                "DELETE FROM password_resets WHERE user_id = $1",
                "DELETE FROM promotion_requests WHERE user_id = $1 AND status = 'pending'",
                "DELETE FROM notifications WHERE user_id = $1",
            ):
                await connection.execute(statement, user_id)
            scans = await connection.fetchval(
                "SELECT coalesce(sum(accepted), 0)::bigint FROM daily_counts WHERE actor = $1", f"user:{user_id}"
            )
            bills = await connection.fetchval("SELECT count(*) FROM bills WHERE created_by = $1", user_id)
            await self._audit.record(
                "user.delete",
                who,
                "user",
                user_id,
                before=before.audited,
                details={"preserved_scans": scans, "preserved_bills": bills},
                connection=connection,
            )
        return Removed(before.username, scans, bills)

    async def read(self, connection: Any, user_id: int, *, lock: bool = False) -> Account:
        """Within a transaction. Raises AccountError (not_found)."""
        row = await connection.fetchrow(
            f"SELECT {_COLUMNS} FROM users WHERE id = $1 AND deleted_at IS NULL"  # noqa: S608
            + (" FOR NO KEY UPDATE" if lock else ""),
            user_id,
        )
        if row is None:
            raise AccountError("not_found", "There is no such user.")
        return Account(*row)

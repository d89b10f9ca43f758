"""What people prove themselves by besides a password: one-time codes, recovery codes, reset links, personal tokens."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tracetrack_app.domain.accounts import AccountError
from tracetrack_app.domain.people import Permission, Principal, Role
from tracetrack_app.keys import fingerprint
from tracetrack_app.store.accounts import Accounts
from tracetrack_app.store.audit import Audit, Who

TOKEN_PREFIX = "ttp1"  # noqa: S105
RESET_MINUTES = 60
_MAX_TOKENS = 50
_SHOWN = "id, name, scopes, created_at, expires_at, last_used_at"


@dataclass(frozen=True, slots=True)
class PersonalToken:
    """A personal token as it is shown; the secret is not kept."""

    id: int
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Factor:
    """A second factor: the encrypted secret, and whether it is asked for at log-in already."""

    sealed: bytes | None
    enabled: bool


class Credentials:
    """Over a pool of connections. Changes are in the audit log."""

    def __init__(self, pool: Any, accounts: Accounts, audit: Audit) -> None:
        self._pool = pool
        self._accounts = accounts
        self._audit = audit

    async def factor(self, user_id: int) -> Factor:
        row = await self._pool.fetchrow("SELECT totp_secret, totp_enabled FROM users WHERE id = $1 AND active", user_id)
        return Factor(row["totp_secret"], row["totp_enabled"]) if row else Factor(None, False)

    async def begin_totp(self, user_id: int, sealed: bytes) -> bytes:
        """Keep a secret that is not asked for yet; returns the one to go on with, which may be an earlier one."""
        kept = await self._pool.fetchval(
            "UPDATE users SET totp_secret = coalesce(totp_secret, $2) WHERE id = $1 AND active AND NOT totp_enabled"
            " RETURNING totp_secret",
            user_id,
            sealed,
        )
        if kept is None:
            raise AccountError("totp_enabled", "Two-factor log-in is on already: turn it off first.")
        return bytes(kept)

    async def drop_totp(self, user_id: int) -> None:
        """Forget a secret that was never turned on."""
        await self._pool.execute("UPDATE users SET totp_secret = NULL WHERE id = $1 AND NOT totp_enabled", user_id)

    async def enable_totp(self, who: Who, user_id: int, step: int, recovery_hashes: list[bytes]) -> None:
        async with self._accounts.change(user_id) as connection:
            done = await connection.fetchval(
                "UPDATE users SET totp_enabled = true, totp_step = $2 WHERE id = $1 AND active"
                " AND totp_secret IS NOT NULL AND NOT totp_enabled RETURNING id",
                user_id,
                step,
            )
            if done is None:
                raise AccountError("totp_enabled", "Two-factor log-in is on already, or was not set up.")
            await connection.execute("DELETE FROM recovery_codes WHERE user_id = $1", user_id)
            await connection.executemany(
                "INSERT INTO recovery_codes (user_id, code_hash) VALUES ($1, $2)",
                [(user_id, each) for each in recovery_hashes],
            )
            await self._audit.record("totp.enable", who, "user", user_id, connection=connection)

    async def disable_totp(self, who: Who, user_id: int) -> None:
        async with self._accounts.change(user_id) as connection:
            await connection.execute(
                "UPDATE users SET totp_enabled = false, totp_secret = NULL, totp_step = NULL WHERE id = $1", user_id
            )
            await connection.execute("DELETE FROM recovery_codes WHERE user_id = $1", user_id)
            await self._audit.record("totp.disable", who, "user", user_id, connection=connection)

    async def use_step(self, user_id: int, step: int) -> bool:
        """Whether a code of this time step may be used: each one once, and none older than the newest used."""
        row = await self._pool.fetchval(
            "UPDATE users SET totp_step = $2 WHERE id = $1 AND (totp_step IS NULL OR totp_step < $2) RETURNING id",
            user_id,
            step,
        )
        return row is not None

    async def use_recovery(self, user_id: int, code_hash: bytes) -> int | None:
        """How many codes are left after this one was used; None when it is none, or was used before."""
        used = await self._pool.fetchval(
            "UPDATE recovery_codes SET used_at = now() WHERE user_id = $1 AND code_hash = $2 AND used_at IS NULL"
            " RETURNING user_id",
            user_id,
            code_hash,
        )
        if used is None:
            return None
        return int(
            await self._pool.fetchval(
                "SELECT count(*) FROM recovery_codes WHERE user_id = $1 AND used_at IS NULL", user_id
            )
        )

    async def begin_reset(self, who: Who, name: str) -> tuple[str, str, str] | None:
        """(user name, mail address, token) for the account with this user name or address; None when there is none."""
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(
                "SELECT id, username, email FROM users WHERE (lower(username) = lower($1) OR lower(email) = lower($1))"
                " AND active AND approved AND email IS NOT NULL ORDER BY lower(username) = lower($1) DESC LIMIT 1",
                name,
            )
            if row is None:
                return None
            token = secrets.token_urlsafe(32)
            await connection.execute("DELETE FROM password_resets WHERE expires_at < now() - interval '1 day'")
            await connection.execute(
                "INSERT INTO password_resets (token_hash, user_id, expires_at)"
                " VALUES ($1, $2, now() + make_interval(mins => $3))",
                fingerprint(token),
                row["id"],
                RESET_MINUTES,
            )
            await self._audit.record("password.reset_requested", who, "user", row["id"], connection=connection)
        return row["username"], row["email"], token

    async def reset_for(self, token: str) -> str | None:
        """The user name that a reset link is for; None when it is spent, too old or none."""
        found: str | None = await self._pool.fetchval(
            "SELECT u.username FROM password_resets r JOIN users u ON u.id = r.user_id"
            " WHERE r.token_hash = $1 AND r.used_at IS NULL AND r.expires_at > now() AND u.active AND u.approved",
            fingerprint(token),
        )
        return found

    async def finish_reset(self, who: Who, token: str, password_hash: str) -> int | None:
        """Use the link: set the password, end all sessions. The user's id; None when it is spent, too old or none."""
        async with self._pool.acquire() as connection, connection.transaction():
            user_id = await connection.fetchval(
                "UPDATE password_resets r SET used_at = now() FROM users u WHERE u.id = r.user_id"
                " AND r.token_hash = $1 AND r.used_at IS NULL AND r.expires_at > now() AND u.active AND u.approved"
                " RETURNING r.user_id",
                fingerprint(token),
            )
            if user_id is None:
                return None
            await self._accounts.write_password(connection, user_id, password_hash, must_change=False)
            await self._audit.record("password.reset", who, "user", user_id, connection=connection)
        await self._accounts.forget(user_id)
        return int(user_id)

    async def create_token(
        self, who: Who, user_id: int, name: str, scopes: list[Permission], expires_at: datetime | None
    ) -> tuple[PersonalToken, str]:
        """(the token, its text, which is told this once). Raises AccountError past fifty."""
        secret = secrets.token_urlsafe(32)
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE", user_id)
            count = await connection.fetchval(
                "SELECT count(*) FROM personal_tokens WHERE user_id = $1 AND revoked_at IS NULL", user_id
            )
            if count >= _MAX_TOKENS:
                raise AccountError("too_many_tokens", f"There are {_MAX_TOKENS} tokens already: revoke one first.")
            row = await connection.fetchrow(
                "INSERT INTO personal_tokens (user_id, name, secret_hash, scopes, expires_at)"  # noqa: S608
                f" VALUES ($1, $2, $3, $4, $5) RETURNING {_SHOWN}",
                user_id,
                name,
                fingerprint(secret),
                sorted(scopes),
                expires_at,
            )
            after = {"name": name, "scopes": sorted(scopes), "expires_at": expires_at}
            await self._audit.record("token.create", who, "token", row["id"], after=after, connection=connection)
        return PersonalToken(*row), f"{TOKEN_PREFIX}.{row['id']}.{secret}"

    async def tokens(self, user_id: int) -> list[PersonalToken]:
        """His tokens that are not revoked, newest first."""
        rows = await self._pool.fetch(
            f"SELECT {_SHOWN} FROM personal_tokens WHERE user_id = $1 AND revoked_at IS NULL"  # noqa: S608
            " ORDER BY id DESC",
            user_id,
        )
        return [PersonalToken(*row) for row in rows]

    async def revoke_token(self, who: Who, user_id: int, token_id: int) -> bool:
        """Whether there was such a token of his."""
        async with self._pool.acquire() as connection, connection.transaction():
            name = await connection.fetchval(
                "UPDATE personal_tokens SET revoked_at = now() WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL"
                " RETURNING name",
                token_id,
                user_id,
            )
            if name is None:
                return False
            details = {"name": name}
            await self._audit.record("token.revoke", who, "token", token_id, before=details, connection=connection)
        return True

    async def bearer(self, text: str) -> Principal | None:
        """Whom a personal token stands for, limited to its scopes; None when it is not a good one."""
        parts = text.split(".")
        if len(parts) != 3 or parts[0] != TOKEN_PREFIX or not (parts[1].isascii() and parts[1].isdigit()):
            return None
        if len(parts[1]) > 18 or not 1 <= len(parts[2]) <= 100:
            return None
        row = await self._pool.fetchrow(
            "SELECT u.id, u.username, u.role, u.area, u.session_epoch, u.must_change_password, u.totp_enabled,"
            " t.scopes, t.id AS token, t.last_used_at IS NULL OR t.last_used_at < now() - interval '1 minute' AS stale"
            " FROM personal_tokens t JOIN users u ON u.id = t.user_id"
            " WHERE t.id = $1 AND t.secret_hash = $2 AND t.revoked_at IS NULL"
            " AND (t.expires_at IS NULL OR t.expires_at > now()) AND u.active AND u.approved",
            int(parts[1]),
            fingerprint(parts[2]),
        )
        if row is None:
            return None
        if row["stale"]:
            await self._pool.execute("UPDATE personal_tokens SET last_used_at = now() WHERE id = $1", row["token"])
        known = {each.value for each in Permission}
        return Principal(
            row["id"],
            row["username"],
            Role(row["role"]),
            row["area"],
            row["session_epoch"],
            row["must_change_password"],
            row["totp_enabled"],
            frozenset(Permission(each) for each in row["scopes"] if each in known),
        )

"""Requests to become an admin, and the notices that people find when they come back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from tracetrack_app.domain.accounts import AccountError
from tracetrack_app.domain.people import Role
from tracetrack_app.store.accounts import Accounts
from tracetrack_app.store.audit import Audit, Who

_NOTICE = "id, kind, priority, title, message, link, created_at, read_at"


@dataclass(frozen=True, slots=True)
class PromotionRequest:
    id: int
    user_id: int
    username: str
    role: str
    reason: str
    status: str
    admin_notes: str
    requested_at: datetime
    processed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Notice:
    """Priority is 0 (good to know) to 3 (at once)."""

    id: int
    kind: str
    priority: int
    title: str
    message: str
    link: str | None
    created_at: datetime
    read_at: datetime | None


class Requests:
    """Over a pool of connections."""

    def __init__(self, pool: Any, accounts: Accounts, audit: Audit) -> None:
        self._pool = pool
        self._accounts = accounts
        self._audit = audit

    async def ask(self, who: Who, user_id: int, reason: str) -> int:
        """Ask to become an admin; the request's id. Raises AccountError when one waits already."""
        text = " ".join(reason.split())
        if not 10 <= len(text) <= 1000:
            raise AccountError("bad_reason", "Say why in 10 to 1000 characters.", "reason")
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                request_id: int = await connection.fetchval(
                    "INSERT INTO promotion_requests (user_id, reason) VALUES ($1, $2) RETURNING id", user_id, text
                )
                title = f"{who.username} asks to become an admin"
                await self.notify_admins(connection, "promotion", title, text, "/admin/promotions")
                await self._audit.record(
                    "promotion.request", who, "promotion", request_id, after={"reason": text}, connection=connection
                )
        except asyncpg.UniqueViolationError as error:
            raise AccountError("already_requested", "Your request waits for an admin already.") from error
        return request_id

    async def promotions(self, status: str | None = "pending", limit: int = 200) -> list[PromotionRequest]:
        """Newest first; all of them when `status` is None."""
        rows = await self._pool.fetch(
            "SELECT r.id, r.user_id, u.username, u.role, r.reason, r.status, r.admin_notes, r.requested_at,"
            " r.processed_at FROM promotion_requests r JOIN users u ON u.id = r.user_id"
            " WHERE $1::text IS NULL OR r.status = $1 ORDER BY r.id DESC LIMIT $2",
            status,
            limit,
        )
        return [PromotionRequest(*row) for row in rows]

    async def decide(self, who: Who, request_id: int, *, approve: bool, notes: str = "") -> str:
        """Say yes or no; the name of who asked. Raises AccountError when it is decided or gone."""
        user_id = await self._pool.fetchval("SELECT user_id FROM promotion_requests WHERE id = $1", request_id)
        async with self._accounts.change(user_id) as connection:
            # The order of locks is that of every change of a role: admins, then the account.
            await connection.execute("SELECT pg_advisory_xact_lock(hashtext('tracetrack.admins'))")
            done = await connection.fetchval(
                "UPDATE promotion_requests SET status = $2, admin_id = $3, admin_notes = $4, processed_at = now()"
                " WHERE id = $1 AND status = 'pending' RETURNING id",
                request_id,
                "approved" if approve else "rejected",
                who.user_id,
                notes[:1000],
            )
            if done is None:
                raise AccountError("not_found", "There is no such request, or it was decided already.")
            title = "You are an admin now" if approve else "Your request to become an admin was declined"
            await self.notify(connection, user_id, "promotion", title, notes[:1000], "/profile", priority=1)
            if approve:
                changes = {"role": Role.ADMIN, "area": None}
                account = await self._accounts.write(connection, who, user_id, changes, "user.promote")
            else:
                account = await self._accounts.read(connection, user_id)
            action = "promotion.approve" if approve else "promotion.reject"
            await self._audit.record(action, who, "promotion", request_id, connection=connection)
        return account.username

    async def notify(
        self, connection: Any, user_id: int, kind: str, title: str, message: str, link: str | None, priority: int = 0
    ) -> None:
        await connection.execute(
            "INSERT INTO notifications (user_id, kind, priority, title, message, link) VALUES ($1, $2, $3, $4, $5, $6)",
            user_id,
            kind,
            priority,
            title,
            message,
            link,
        )

    async def notify_admins(self, connection: Any, kind: str, title: str, message: str, link: str | None) -> None:
        """A notice to every admin; `connection` may be a pool."""
        await connection.execute(
            "INSERT INTO notifications (user_id, kind, priority, title, message, link)"
            " SELECT id, $1, 1, $2, $3, $4 FROM users WHERE role = 'admin' AND active AND approved",
            kind,
            title,
            message,
            link,
        )

    async def registered(self, username: str) -> None:
        """Tell the admins that someone waits for approval."""
        title = f"{username} asks for an account"
        await self.notify_admins(self._pool, "registration", title, "", "/user_management")

    async def notices(self, user_id: int, *, unread: bool = False, limit: int = 50) -> list[Notice]:
        """Newest first."""
        rows = await self._pool.fetch(
            f"SELECT {_NOTICE} FROM notifications WHERE user_id = $1 AND (NOT $2 OR read_at IS NULL)"  # noqa: S608
            " ORDER BY id DESC LIMIT $3",
            user_id,
            unread,
            limit,
        )
        return [Notice(*row) for row in rows]

    async def read(self, user_id: int, notice_id: int) -> bool:
        """Mark it read; whether there is such a notice of his."""
        found = await self._pool.fetchval(
            "UPDATE notifications SET read_at = coalesce(read_at, now()) WHERE id = $1 AND user_id = $2 RETURNING id",
            notice_id,
            user_id,
        )
        return found is not None

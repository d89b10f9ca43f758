"""What an admin sets while the service runs: the table `settings`, which wins over the environment.

Numbers that recording needs are looked up by the very statement that records, once a batch (`statements.set_number`):
they hold from the commit of the change on, with Redis or without it, and cost neither a query nor a wait. Everything
else asks for `values`, cached under the key `settings` and kept fresh as accounts are: no answer is older than the last
change that was answered, and without Redis each question reads PostgreSQL.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from tracetrack_app.domain.business_settings import SETTINGS, Setting, Value, Values
from tracetrack_app.settings import Settings
from tracetrack_app.store.cache import Cache
from tracetrack_app.store.ledger import Ledger

_log = logging.getLogger(__name__)
KEY = "settings"
_ROWS = (
    "SELECT s.name, s.value, s.updated_at, u.username FROM settings s LEFT JOIN users u ON u.id = s.updated_by"
    " WHERE s.name = ANY ($1::text[])"
)


class StaleError(Exception):
    """The settings are not as they were seen; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Held:
    """A setting and what holds. `changed_by` and `changed_at` are None where nobody has set it."""

    setting: Setting
    value: Value
    default: Value
    is_set: bool
    changed_by: str | None
    changed_at: datetime | None


def defaults(given: Settings) -> Values:
    """What holds where nothing was set."""
    return Values(
        parent_capacity=given.parent_capacity,
        registration=given.accounts.registration,
        require_admin_totp=given.accounts.require_admin_totp,
    )


class BusinessSettings:
    """Reads and changes them; `defaults` are the environment's."""

    def __init__(self, ledger: Ledger, cache: Cache | None, defaults: Values) -> None:
        self._ledger = ledger
        self._cache = cache
        self.defaults = defaults

    async def values(self) -> Values:
        """What holds now. Raises UnavailableError."""
        return await (self._load() if self._cache is None else self._cache.get(KEY, self._load))

    async def _load(self) -> Values:
        held = await self.held()
        return msgspec.structs.replace(self.defaults, **{each.setting.name: each.value for each in held})

    async def held(self) -> list[Held]:
        """Each setting, as it is in PostgreSQL. Raises UnavailableError."""
        return self._held(await self._ledger.read(_rows))

    async def change(
        self, user_id: int | None, changes: Mapping[str, Value | None], *, seen: Sequence[Held] | None = None
    ) -> list[Held]:
        """Set what these names say, by values that were checked; None puts one back to its default.

        Gives all as they are then. Raises StaleError when not as `seen`, UnavailableError.
        """

        async def work(connection: Any) -> tuple[list[Held], list[str]]:
            # One change after another; whoever only reads waits for none.
            await connection.execute("LOCK TABLE settings IN SHARE ROW EXCLUSIVE MODE")
            before = self._held(await _rows(connection))
            if seen is not None and before != list(seen):
                raise StaleError
            wanted = {
                each.setting.name: each
                for each in before
                if each.setting.name in changes and changes[each.setting.name] != (each.value if each.is_set else None)
            }
            for name in wanted:
                if changes[name] is None:
                    await connection.execute("DELETE FROM settings WHERE name = $1", name)
                    continue
                await connection.execute(
                    "INSERT INTO settings (name, value, updated_by) VALUES ($1, $2, $3) ON CONFLICT (name)"
                    " DO UPDATE SET value = excluded.value, updated_by = excluded.updated_by, updated_at = now()",
                    name,
                    json.dumps(changes[name]),
                    user_id,
                )
            after = self._held(await _rows(connection))
            for each in after:
                if each.setting.name in wanted:
                    old = wanted[each.setting.name]
                    await self._ledger.note(
                        connection,
                        "setting.update",
                        "setting",
                        old.setting.name,
                        before=_noted(old),
                        after=_noted(each),
                    )
            return after, [KEY] if wanted else []

        return await self._ledger.change(work)

    def _held(self, rows: Mapping[str, Any]) -> list[Held]:
        return [self._one(setting, rows.get(setting.name)) for setting in SETTINGS.values()]

    def _one(self, setting: Setting, row: Any) -> Held:
        default = self.defaults.of(setting)
        if row is None:
            return Held(setting, default, default, False, None, None)
        try:
            value = setting.check(json.loads(row["value"]))
        except ValueError as error:
            _log.warning("the setting %s was changed by hand to what it cannot be: %s", setting.name, error)
            return Held(setting, default, default, False, None, None)
        return Held(setting, value, default, True, row["username"], row["updated_at"])


async def _rows(connection: Any) -> dict[str, Any]:
    return {row["name"]: row for row in await connection.fetch(_ROWS, list(SETTINGS))}


def _noted(held: Held) -> dict[str, Any]:
    return {"value": held.value, "source": "set" if held.is_set else "default"}

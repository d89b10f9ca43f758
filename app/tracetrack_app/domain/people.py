"""Who may do what. A role gives permissions; a dispatcher's area limits every bag that he reads or writes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tracetrack_app.domain.scans import Actor


class Role(StrEnum):
    ADMIN = "admin"
    BILLER = "biller"
    DISPATCHER = "dispatcher"


class Permission(StrEnum):
    """What a call may ask for; the pages, the API and the scopes of personal tokens use the same names."""

    SCAN = "scan"
    UNDO = "undo"
    LOOKUP = "lookup"
    OWN_HISTORY = "own_history"
    DASHBOARD = "dashboard"
    BILLS = "bills"
    DELETE_BAG = "delete_bag"
    RETURNS = "returns"
    DELETE_BILL = "delete_bill"
    EDIT_CHILDREN = "edit_children"
    USERS = "users"
    EOD_REPORT = "eod_report"
    IMPORT_EXPORT = "import_export"
    SETTINGS = "settings"
    AUDIT = "audit"
    SYSTEM_HEALTH = "system_health"


_EVERYBODY = frozenset(
    {Permission.SCAN, Permission.UNDO, Permission.LOOKUP, Permission.OWN_HISTORY, Permission.DASHBOARD}
)
_BILLING = _EVERYBODY | {Permission.BILLS, Permission.DELETE_BAG, Permission.RETURNS}

PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.DISPATCHER: _EVERYBODY,
    Role.BILLER: _BILLING,
    Role.ADMIN: frozenset(Permission),
}
# From the least to the most that a role may: a session does not outlive a step down.
RANK: dict[Role, int] = {Role.DISPATCHER: 0, Role.BILLER: 1, Role.ADMIN: 2}


@dataclass(frozen=True, slots=True)
class Principal:
    """A person who is logged in, as the accounts have him now (not as he was when he logged in).

    `epoch` is raised to end all his sessions at once; `scopes` are what a personal token was limited to.
    """

    user_id: int
    username: str
    role: Role
    area: str | None = None
    epoch: int = 0
    must_change_password: bool = False
    totp: bool = False
    scopes: frozenset[Permission] | None = None

    def may(self, permission: Permission) -> bool:
        return permission in PERMISSIONS[self.role] and (self.scopes is None or permission in self.scopes)

    @property
    def scope(self) -> str | None:
        """The area that limits what he reads and writes; None where nothing does."""
        return self.area if self.role is Role.DISPATCHER else None

    @property
    def actor(self) -> Actor:
        """Him as the ledger names who scans."""
        return Actor(user_id=self.user_id, area=self.scope)

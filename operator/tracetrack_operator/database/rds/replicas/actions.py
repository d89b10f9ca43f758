"""What is done to a read replica, as data."""

from __future__ import annotations

from dataclasses import dataclass

from ....dependencies.cloud.actions import Adopt, CloudCall, Create, Modify, OfReplica
from ....engine.plan import Disruption

WHAT = "Read replica"


@dataclass(frozen=True)
class CreateReplica(Create, OfReplica):
    """Create a read replica of a DB instance."""


@dataclass(frozen=True)
class AdoptReplica(Adopt, OfReplica):
    """Tag a read replica."""


@dataclass(frozen=True)
class ModifyReplica(Modify):
    """Change or restart a read replica."""


@dataclass(frozen=True)
class RemoveReplica(CloudCall, OfReplica):
    """Delete a read replica of the owner with `uid`; `primary` is the DB instance that it follows."""

    uid: str = ""
    primary: str = ""

    def describe(self) -> str:
        return f"delete {self.what}"


def removal(name: str, primary: str, uid: str, region: str | None) -> RemoveReplica:
    """Without a copy: it holds nothing that its primary doesn't."""
    return RemoveReplica(
        f"{WHAT} {name}",
        "rds",
        "delete_db_instance",
        region,
        {"DBInstanceIdentifier": name, "SkipFinalSnapshot": True},
        name=name,
        uid=uid,
        primary=primary,
        disruption=Disruption.DELETE,
    )

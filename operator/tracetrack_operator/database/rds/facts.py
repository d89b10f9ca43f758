"""What is found out about a DB instance, with its read replicas and an upgrade of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

from ...dependencies.cloud.facts import Facts
from .replicas.found import Replica
from .upgrade.facts import UpgradeFacts


@dataclass(frozen=True)
class RDSFacts(Facts):
    replicas: tuple[Replica, ...] = ()
    upgrade: UpgradeFacts = field(default_factory=UpgradeFacts)

    @classmethod
    def of(cls, facts: Facts, **more: Any) -> Self:
        """`facts`, with `more` of this class's own fields."""
        return cls(**{**vars(facts), **more})

    @property
    def upgrading(self) -> bool:
        """Whether an upgrade was begun, and hasn't come to its end."""
        return self.access.kept.attempts is not None or bool(self.upgrade.deployments)

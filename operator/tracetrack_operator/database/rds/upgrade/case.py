"""What is decided about, and what comes of it. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from ....api.cloud import DriftPolicy
from ....api.deployment import DeletionPolicy
from ....api.rds import MajorUpgrade
from ....dependencies.cloud.fields import Difference, Item, Origin
from ....dependencies.cloud.sync import Rules, approval
from ....dependencies.protocol import Held, News, Verdict
from .act import UpgradeCall
from .facts import UpgradeFacts
from .needs import target
from .steps import ASKED, Steps


@dataclass(frozen=True)
class Case:
    """`item` is the instance in service; `wanted` the major version asked for, None when it has that.

    `group` is the declared parameter group. `quiet`: nothing else is changed now; `serving`: the application's
    connection works. `asked` are (field, value) pairs that were sent a moment ago.
    """

    what: str
    name: str
    item: Item
    facts: UpgradeFacts
    wanted: Difference | None
    group: str | None
    options: MajorUpgrade
    policy: DeletionPolicy
    rules: Rules
    steps: Steps
    quiet: bool = True
    serving: bool = True
    asked: frozenset[tuple[str, str]] = frozenset()

    @property
    def actual(self) -> str:
        return str(self.item.get("EngineVersion", ""))

    @property
    def attempts(self) -> int:
        return self.facts.attempts or 0

    @property
    def just_asked(self) -> bool:
        return any(name == ASKED and version for name, version in self.asked)

    def version(self, wanted: Difference) -> str:
        """The exact version, as far as it is known."""
        return target(self.facts.targets or (), str(wanted.wanted)) or str(wanted.wanted)

    def token(self, wanted: Difference) -> str:
        """Approves the upgrade as a whole."""
        return approval(self.what, self.rules.generation, wanted)

    def retry_token(self, wanted: Difference, attempts: int) -> str:
        """Approves going on after so many attempts have failed, and no later failure."""
        return hashlib.sha256(f"{self.token(wanted)} again {attempts}".encode()).hexdigest()[:6]

    def approved(self, wanted: Difference) -> bool:
        retries = {self.retry_token(wanted, attempt) for attempt in range(self.attempts)}
        return bool({self.token(wanted), *retries} & self.rules.approvals)

    def may_switch(self, wanted: Difference) -> bool:
        return self.approved(wanted) or (self.by_window(wanted) and self.rules.in_window())

    def may_prepare(self, wanted: Difference) -> bool:
        """So much earlier than the window that the green instance can be ready when it opens."""
        if self.may_switch(wanted):
            return True
        window, now = self.rules.window, self.rules.now
        lead = timedelta(hours=self.options.prepare_hours)
        return self.by_window(wanted) and window is not None and window.next_start(now) - now <= lead

    def by_window(self, wanted: Difference) -> bool:
        """Whether the maintenance window is enough of an approval."""
        reported = wanted.origin is Origin.HAND and self.rules.policy is DriftPolicy.REPORT
        return wanted.origin is not Origin.UNKNOWN and not reported


@dataclass(frozen=True)
class Upgrade:
    """`step` is what is done now, `alone` that no other change is made meanwhile.

    `told` is what the condition Synced says of it, None when there is nothing; `note` what it says beside Ready.
    `attempts` is what is to be kept of them, `state` the status' `upgrade`, `outcome` what a difference counts as.
    `beside` are instances that are paid for beside the one in service.
    """

    step: UpgradeCall | None = None
    later: tuple[UpgradeCall, ...] = ()
    held: tuple[Held, ...] = ()
    told: Verdict | None = None
    note: str = ""
    token: str = ""
    attempts: int | None = None
    state: Mapping[str, Any] = field(default_factory=dict)
    news: tuple[News, ...] = ()
    alone: bool = False
    outcome: str = ""
    beside: tuple[Item, ...] = ()

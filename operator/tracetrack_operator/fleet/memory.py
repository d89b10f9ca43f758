"""What this process knows of a fleet. All of it can be found out again: a restart loses nothing."""

import time
from dataclasses import dataclass, field

from ..engine.errors import ReconcileError
from .observe import Observed
from .plan import FleetPlan, plan
from .run import Run
from .target import Setup

BACKOFF_LIMIT = 60.0


@dataclass
class Progress:
    """A stretch of provisioning: since when (monotonic seconds), and how many scanners were ready then."""

    since: float
    ready: int

    def rate(self, ready: int) -> float:
        """Scanners per second since the stretch began; 0 before there is something to tell."""
        elapsed = time.monotonic() - self.since
        return max(0.0, (ready - self.ready) / elapsed) if elapsed >= 1.0 else 0.0


@dataclass
class Memory:
    """`present` are the things in the group as last listed and changed by us; None before the first listing.

    `foreign` are things in the group that are someone else's. `error` kept the last run from going on,
    `scanner_errors` single scanners. `check_at` is when AWS is to be looked
    at again, `not_before` when the next run may begin, both in monotonic seconds.
    """

    uid: str
    setup: Setup | None = None
    present: set[str] | None = None
    foreign: set[str] = field(default_factory=set)
    error: ReconcileError | None = None
    signing_error: ReconcileError | None = None
    scanner_errors: dict[str, ReconcileError] = field(default_factory=dict)
    check_at: float = 0.0
    not_before: float = 0.0
    failures: int = 0
    generation: int = 0
    progress: Progress | None = None
    run: Run | None = None

    @property
    def troubled(self) -> bool:
        return bool(self.error or self.signing_error or self.scanner_errors)

    def mirrored(self, observed: Observed) -> bool:
        """Whether the Secret with the signing keys holds what AWS had when that was last looked at."""
        return self.setup is not None and observed.signing == self.setup.signing

    def plan(self, observed: Observed) -> FleetPlan:
        """What is to do for the fleet, as far as is known now."""
        return plan(observed, self.setup, self.present, self.foreign)

    def turn(self, generation: int, deleting: bool) -> None:
        """Note which generation of the fleet is worked on from here: a new one is tried without delay."""
        if self.generation == generation:
            return
        self.generation = generation
        self.succeeded()
        if deleting:
            # What kept it from being provisioned keeps nobody from removing it.
            self.error, self.signing_error, self.scanner_errors = None, None, {}

    def backoff(self) -> float:
        """Note a run that could not finish; gives the seconds until the next may begin."""
        self.failures += 1
        delay = min(2.0 ** (self.failures - 1), BACKOFF_LIMIT)
        self.not_before = time.monotonic() + delay
        return delay

    def succeeded(self) -> None:
        self.failures, self.not_before = 0, 0.0

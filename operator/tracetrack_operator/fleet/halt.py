"""When to begin nothing new."""

import time

from ..engine.errors import ReconcileError


class Halt:
    """Tells the work on a fleet to begin nothing new: time is up, the spec changed, or AWS can't be had."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until = float("inf")
        self._asked = False
        self.error: ReconcileError | None = None

    def __bool__(self) -> bool:
        return self._asked or self.error is not None or time.monotonic() >= self._until

    def begin(self) -> None:
        """Start the clock."""
        self._until = time.monotonic() + self._seconds

    def ask(self) -> None:
        self._asked = True

"""The time by which emulated states change."""

from __future__ import annotations

import threading
import time

_LOOK_SECONDS = 0.1


class StateClock:
    """Seconds that go by like those of a wall clock, but can be made to stand still: then no state ends by itself."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._behind = 0.0
        self._stopped_at: float | None = None

    def now(self) -> float:
        """Seconds since some moment."""
        with self._lock:
            return (time.monotonic() if self._stopped_at is None else self._stopped_at) - self._behind

    def stop(self) -> None:
        with self._lock:
            if self._stopped_at is None:
                self._stopped_at = time.monotonic()

    def go(self) -> None:
        """Go on from where it stopped."""
        with self._lock:
            if self._stopped_at is not None:
                self._behind += time.monotonic() - self._stopped_at
                self._stopped_at = None

    def wait(self, until: float, given_up: threading.Event) -> bool:
        """Wait for `until`; gives whether it was given up before."""
        while (left := until - self.now()) > 0:
            if given_up.wait(min(left, _LOOK_SECONDS)):
                return True
        return given_up.is_set()


clock = StateClock()
"""That of this process, in which there is one emulated AWS."""

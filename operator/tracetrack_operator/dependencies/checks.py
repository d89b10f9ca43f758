"""Connection checks, remembered for a while so that reconciling costs no connections."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from .binding import Binding, fingerprint

GOOD_SECONDS = 60.0
BAD_SECONDS = 10.0


@dataclass(frozen=True)
class CheckResult:
    """`ok`, or a CamelCase reason and what is wrong and what to do about it."""

    ok: bool
    reason: str = ""
    message: str = ""


class Checks:
    """Asks `check` at most once in `GOOD_SECONDS` for a binding that worked, in `BAD_SECONDS` for one that didn't."""

    def __init__(
        self, check: Callable[[Binding], Awaitable[CheckResult]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._check = check
        self._clock = clock
        self._known: dict[str, tuple[str, float, CheckResult]] = {}

    async def result(self, key: str, binding: Binding) -> CheckResult:
        """The outcome for the binding of `key` (an object's UID)."""
        mark = fingerprint(binding)
        known = self._known.get(key)
        if known is not None and known[0] == mark and self._clock() < known[1]:
            return known[2]
        result = await self._check(binding)
        # A little less than the interval at which a reconcile looks again, so that it never meets an old answer.
        lasts = (GOOD_SECONDS if result.ok else BAD_SECONDS) - 1.0
        self._known[key] = (mark, self._clock() + lasts, result)
        return result

    def forget(self, key: str) -> None:
        self._known.pop(key, None)

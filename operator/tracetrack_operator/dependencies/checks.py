"""Connection checks, remembered for a while so that reconciling costs no connections."""

import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from .binding import Binding, fingerprint

GOOD_SECONDS = 60.0
BAD_SECONDS = 10.0


@dataclass(frozen=True)
class CheckResult:
    """`ok`, or a CamelCase reason and what is wrong and what to do about it.

    `lag` is how far a read replica is behind, in seconds; None where that wasn't asked. `plain`: the server lets in
    without TLS too, where that was asked.
    """

    ok: bool
    reason: str = ""
    message: str = ""
    lag: float | None = None
    plain: bool = False


class Checks:
    """Asks `check` at most once in `GOOD_SECONDS` for a binding that worked, in `BAD_SECONDS` for one that didn't.

    With `trusting`, the first of an owner that is vouched for is asked some time within `GOOD_SECONDS`.
    """

    def __init__(
        self,
        check: Callable[[Binding], Awaitable[CheckResult]],
        clock: Callable[[], float] = time.monotonic,
        trusting: bool = False,
    ) -> None:
        self._check = check
        self._clock = clock
        self._trusting = trusting
        self._met: set[str] = set()
        self._known: dict[str, tuple[Binding, float, CheckResult]] = {}

    async def result(self, key: str, binding: Binding, vouched: Callable[[], bool] = lambda: False) -> CheckResult:
        """The outcome for the binding of `key` (an object's UID, or `UID/…`)."""
        known = self.known(key, binding)
        if known is not None:
            return known
        owner = key.partition("/")[0]
        first = owner not in self._met
        self._met.add(owner)
        if self._trusting and first and vouched():
            working = CheckResult(ok=True)
            self._known[key] = (binding, self._clock() + random.uniform(0, GOOD_SECONDS - 1.0), working)  # noqa: S311
            return working
        result = await self._check(binding)
        self.remember(key, binding, result)
        return result

    def asked(self, key: str) -> bool:
        """Whether anything was ever asked for `key`."""
        return key in self._known

    def known(self, key: str, binding: Binding) -> CheckResult | None:
        """What is remembered of the binding of `key`; asks nobody."""
        known = self._known.get(key)
        fresh = known is not None and fingerprint(known[0]) == fingerprint(binding) and self._clock() < known[1]
        return known[2] if known is not None and fresh else None

    def working(self, key: str) -> tuple[Binding, CheckResult] | None:
        """The binding of `key` if it is remembered to have worked."""
        known = self._known.get(key)
        fresh = known is not None and known[2].ok and self._clock() < known[1]
        return (known[0], known[2]) if known is not None and fresh else None

    def remember(self, key: str, binding: Binding, result: CheckResult) -> None:
        """As if `result` had asked and been answered that."""
        # A little less than the interval at which a reconcile looks again, so that it never meets an old answer.
        lasts = (GOOD_SECONDS if result.ok else BAD_SECONDS) - 1.0
        self._known[key] = (binding, self._clock() + lasts, result)

    def forget(self, key: str) -> None:
        """Also what is remembered under `key/…`; that it was met stays."""
        for each in [each for each in self._known if each == key or each.startswith(f"{key}/")]:
            del self._known[each]

    def leave(self, uid: str) -> None:
        """The owner is gone."""
        self.forget(uid)
        self._met.discard(uid)

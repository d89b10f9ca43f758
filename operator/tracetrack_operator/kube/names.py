"""Which names are taken in a namespace, from one listing of names for all who are about to make something there."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

FRESH_SECONDS = 2.0

Lister = Callable[[str, str], Awaitable[frozenset[str]]]


@dataclass
class _Listing:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    asked_at: float = float("-inf")
    names: set[str] = field(default_factory=set)


class Names:
    """Asks `lister` for the names of a kind in a namespace at most once in `FRESH_SECONDS`."""

    def __init__(self, lister: Lister, clock: Callable[[], float] = time.monotonic) -> None:
        self._lister = lister
        self._clock = clock
        self._listings: dict[tuple[str, str], _Listing] = {}

    async def taken(self, kind: str, namespace: str, name: str) -> bool:
        """Whether the name was there when it was last looked, or has been used by us since."""
        listing = self._listings.setdefault((kind, namespace), _Listing())
        async with listing.lock:
            if self._clock() - listing.asked_at >= FRESH_SECONDS:
                asked_at = self._clock()
                listing.names = set(await self._lister(kind, namespace))
                listing.asked_at = asked_at
            return name in listing.names

    def used(self, kind: str, namespace: str, name: str) -> None:
        """We have made an object of that name."""
        listing = self._listings.get((kind, namespace))
        if listing is not None:
            listing.names.add(name)

    def forget(self, kind: str, namespace: str) -> None:
        """A write there has failed, so it is not known what it left: the next who asks looks anew."""
        self._listings.pop((kind, namespace), None)

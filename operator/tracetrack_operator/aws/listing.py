"""What AWS says of its objects, thousands of them, in little memory."""

import pickle
from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, takewhile
from types import MappingProxyType
from typing import Any

Item = Mapping[str, Any]
CLOCK = "LatestRestorableTime"
"""What of a description changes by itself every few minutes."""


@dataclass(frozen=True, slots=True)
class Packed:
    """One description; two are equal where they differ by `CLOCK` only."""

    body: bytes

    @staticmethod
    def of(item: Item) -> tuple["Packed", Any]:
        """With the value of its `CLOCK`."""
        return Packed(pickle.dumps({key: value for key, value in item.items() if key != CLOCK})), item.get(CLOCK)

    def unpack(self, clock: Any) -> Item:
        item: dict[str, Any] = pickle.loads(self.body)  # noqa: S301, for we have dumped it ourselves.
        return item if clock is None else {**item, CLOCK: clock}


class Listing(Mapping[str, Item]):
    """Descriptions by identifier, in order of it. Each that is asked for is a copy."""

    def __init__(self, items: Mapping[str, Item] = MappingProxyType({})) -> None:
        self._packed: dict[str, tuple[Packed, Any]] = {}
        self._names: list[str] = []
        for name, item in items.items():
            self.learn(name, item)

    def __getitem__(self, name: str) -> Item:
        packed, clock = self._packed[name]
        return packed.unpack(clock)

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._names))

    def __len__(self) -> int:
        return len(self._names)

    def learn(self, name: str, item: Item) -> None:
        if name not in self._packed:
            insort(self._names, name)
        self._packed[name] = Packed.of(item)

    def beginning(self, prefix: str) -> list[str]:
        """The identifiers that begin with `prefix`."""
        following = islice(self._names, bisect_left(self._names, prefix), None)
        return list(takewhile(lambda name: name.startswith(prefix), following))

    def changed_in(self, later: "Listing") -> list[str]:
        """What `later` says otherwise or no more, whatever the clock."""
        gone: tuple[Packed | None, Any] = (None, None)
        return [name for name in self._names if later._packed.get(name, gone)[0] != self._packed[name][0]]

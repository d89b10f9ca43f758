"""The last known state of every watched object, fed by watches, resyncs and our own writes."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Set
from dataclasses import dataclass

import orjson

from .objects import Key, Object, key_of, resource_version, uid_of

Indexer = Callable[[Object], Iterable[Hashable]]
REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class _Held:
    """One object as JSON: as dictionaries, thousands of them take several times the memory.

    `indexed` are the index entries it stands in; `arrival` tells when its UID came under its key.
    """

    uid: str
    version: int
    arrival: int
    indexed: tuple[tuple[str, Hashable], ...]
    packed: bytes

    def unpack(self) -> Object:
        obj: Object = orjson.loads(self.packed)
        return obj


class ObjectCache:
    """Objects by key, with named indexes. What is asked for is a copy, without `metadata.managedFields`.

    `indexers` maps an index name to a function that gives the values an object is found under.
    Older versions never replace newer ones, so a late watch event cannot undo what a write's answer told us, nor a late
    answer bring back what a watch event has removed.
    """

    def __init__(self, indexers: Mapping[str, Indexer] | None = None) -> None:
        self._indexers = dict(indexers or {})
        self._objects: dict[Key, _Held] = {}
        self._kinds: dict[str, set[Key]] = defaultdict(set)
        self._index: dict[tuple[str, Hashable], set[Key]] = defaultdict(set)
        self._gone: dict[str, int] = {}
        self._arrived = 0

    def __len__(self) -> int:
        return len(self._objects)

    def put(self, obj: Object) -> bool:
        """Take `obj` in; False when what we hold is the same or newer, or its removal is."""
        key, version, uid = key_of(obj), resource_version(obj), uid_of(obj)
        held = self._objects.get(key)
        if held is not None and held.version >= version:
            return False
        if version <= self._gone.get(uid, -1):
            return False
        if held is not None and held.uid == uid:
            arrival = held.arrival
        else:
            arrival = self._arrived = self._arrived + 1
        self._drop(key)
        indexed = tuple((name, value) for name, indexer in self._indexers.items() for value in indexer(obj))
        metadata = {field: value for field, value in obj["metadata"].items() if field != "managedFields"}
        # Copied, for orjson leaves each object in a buffer several times its length.
        packed = bytes(memoryview(orjson.dumps({**obj, "metadata": metadata})))
        self._objects[key] = _Held(uid, version, arrival, indexed, packed)
        self._kinds[key.kind].add(key)
        for entry in indexed:
            self._index[entry].add(key)
        return True

    def remove(self, obj: Object) -> None:
        """Forget a deleted object, unless another of the same name has already taken its place."""
        key, uid, version = key_of(obj), uid_of(obj), resource_version(obj)
        self._gone.pop(uid, None)
        self._gone[uid] = version
        if len(self._gone) > REMEMBERED:
            del self._gone[next(iter(self._gone))]
        held = self._objects.get(key)
        if held is not None and held.uid == uid and held.version <= version:
            self._drop(key)

    def mark(self) -> int:
        """A point in time for `retain`: taken before a LIST is asked for."""
        return self._arrived

    def retain(self, kind: str, shown: Set[Key], since: int) -> int:
        """Forget all of `kind` but what a LIST asked for at `since` has shown; gives how many objects that were.

        What has arrived since stays, although that LIST may not show it yet.
        """
        gone = [key for key in self._kinds[kind] - shown if self._objects[key].arrival <= since]
        for key in gone:
            self._drop(key)
        return len(gone)

    def get(self, kind: str, namespace: str, name: str) -> Object | None:
        held = self._objects.get(Key(kind, namespace, name))
        return held.unpack() if held is not None else None

    def keys(self, kind: str) -> list[Key]:
        """The key of every held object of `kind`, in order."""
        return sorted(self._kinds[kind])

    def of_kind(self, kind: str, namespace: str | None = None) -> list[Object]:
        """Every held object of `kind`, in order of key."""
        return [self._objects[key].unpack() for key in self.keys(kind) if namespace in (None, key.namespace)]

    def by_index(self, name: str, value: Hashable) -> list[Object]:
        """Every object that the indexer `name` gave `value` for, in order of key."""
        return [self._objects[key].unpack() for key in sorted(self._index.get((name, value), ()))]

    def count(self, kind: str) -> int:
        """How many objects of `kind` are held."""
        return len(self._kinds.get(kind, ()))

    def _drop(self, key: Key) -> None:
        held = self._objects.pop(key, None)
        if held is None:
            return
        self._kinds[key.kind].discard(key)
        for entry in held.indexed:
            bucket = self._index.get(entry)
            if bucket is not None:
                bucket.discard(key)
                if not bucket:
                    del self._index[entry]

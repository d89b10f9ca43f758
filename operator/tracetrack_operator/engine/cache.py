"""The last known state of every watched object, fed by watches, resyncs and our own writes."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping

from .objects import Key, Object, key_of, resource_version, uid_of

Indexer = Callable[[Object], Iterable[Hashable]]
REMEMBERED = 10_000


class ObjectCache:
    """Objects by key, with named indexes.

    `indexers` maps an index name to a function that gives the values an object is found under.
    Older versions never replace newer ones, so a late watch event cannot undo what a write's answer told us, nor a late
    answer bring back what a watch event has removed.
    """

    def __init__(self, indexers: Mapping[str, Indexer] | None = None) -> None:
        self._indexers = dict(indexers or {})
        self._objects: dict[Key, Object] = {}
        self._kinds: dict[str, set[Key]] = defaultdict(set)
        self._index: dict[tuple[str, Hashable], set[Key]] = defaultdict(set)
        self._gone: dict[str, int] = {}
        self._arrivals: dict[Key, int] = {}
        self._arrived = 0

    def __len__(self) -> int:
        return len(self._objects)

    def put(self, obj: Object) -> bool:
        """Take `obj` in; False when what we hold is the same or newer, or its removal is."""
        key, version = key_of(obj), resource_version(obj)
        held = self._objects.get(key)
        if held is not None and resource_version(held) >= version:
            return False
        if version <= self._gone.get(uid_of(obj), -1):
            return False
        arrival = self._arrivals.get(key)
        if held is None or arrival is None or uid_of(held) != uid_of(obj):
            arrival = self._arrived = self._arrived + 1
        self._drop(key)
        self._arrivals[key] = arrival
        self._objects[key] = obj
        self._kinds[key.kind].add(key)
        for name, values in self._indexed(obj):
            for value in values:
                self._index[name, value].add(key)
        return True

    def remove(self, obj: Object) -> None:
        """Forget a deleted object, unless another of the same name has already taken its place."""
        key, uid, version = key_of(obj), uid_of(obj), resource_version(obj)
        self._gone.pop(uid, None)
        self._gone[uid] = version
        if len(self._gone) > REMEMBERED:
            del self._gone[next(iter(self._gone))]
        held = self._objects.get(key)
        if held is not None and uid_of(held) == uid and resource_version(held) <= version:
            self._drop(key)

    def mark(self) -> int:
        """A point in time for `replace`: taken before a LIST is asked for."""
        return self._arrived

    def replace(self, kind: str, objects: Iterable[Object], since: int) -> int:
        """Make the cache of `kind` what a LIST asked for at `since` has shown; gives how many objects that changed.

        What has arrived since stays, although that LIST may not show it yet.
        """
        fresh = {key_of(obj): obj for obj in objects}
        gone = {key for key in self._kinds[kind] - fresh.keys() if self._arrivals[key] <= since}
        for key in gone:
            self._drop(key)
        return len(gone) + sum(self.put(obj) for obj in fresh.values())

    def get(self, kind: str, namespace: str, name: str) -> Object | None:
        return self._objects.get(Key(kind, namespace, name))

    def of_kind(self, kind: str, namespace: str | None = None) -> list[Object]:
        """Every held object of `kind`, in order of key."""
        keys = self._kinds[kind]
        return [self._objects[key] for key in sorted(keys) if namespace is None or key.namespace == namespace]

    def by_index(self, name: str, value: Hashable) -> list[Object]:
        """Every object that the indexer `name` gave `value` for, in order of key."""
        return [self._objects[key] for key in sorted(self._index.get((name, value), ()))]

    def counts(self) -> dict[str, int]:
        """How many objects are held, by kind."""
        return {kind: len(keys) for kind, keys in self._kinds.items()}

    def _drop(self, key: Key) -> None:
        obj = self._objects.pop(key, None)
        if obj is None:
            return
        del self._arrivals[key]
        self._kinds[key.kind].discard(key)
        for name, values in self._indexed(obj):
            for value in values:
                bucket = self._index.get((name, value))
                if bucket is not None:
                    bucket.discard(key)
                    if not bucket:
                        del self._index[name, value]

    def _indexed(self, obj: Object) -> Iterable[tuple[str, Iterable[Hashable]]]:
        return ((name, list(indexer(obj))) for name, indexer in self._indexers.items())

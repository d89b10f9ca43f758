"""Watch events as food for the cache and the queue: Kopf's of our own kinds, and those of the children."""

import time
from collections.abc import Callable, Iterable
from typing import Any

import kopf
from prometheus_client import Counter, Gauge

from ..engine.cache import ObjectCache
from ..engine.objects import Key, Object, key_of
from ..engine.queue import WorkQueue
from .kinds import KINDS, OWN

EVENTS = Counter("tracetrack_operator_watch_events_total", "Watch events received, by kind.", ["kind"])
LAST_EVENT = Gauge("tracetrack_operator_watch_last_event_timestamp_seconds", "Time of the last watch event.", ["kind"])

_BY_PLURAL = {(kind.group, kind.plural): name for name, kind in KINDS.items()}

Router = Callable[[Object], Iterable[Key]]
STATUS_UNREAD = frozenset({"PodDisruptionBudget"})
"""Kinds of which nobody asks for the status."""
GATHER_SECONDS = 1.0
"""Children change in bursts, mostly because we made them: one look at the end of it is enough."""


def _essence(obj: Object) -> tuple[Any, ...]:
    """All of an object but its status, which a generation is kept for."""
    metadata = obj["metadata"]
    fields = ("generation", "deletionTimestamp", "annotations", "labels", "finalizers", "ownerReferences")
    return metadata["uid"], *(metadata.get(field) for field in fields)


class NoLastSeenState(kopf.DiffBaseStorage):
    """For stateless handlers: Kopf's own storage copies every object deeply at every event, to compare it."""

    def build(self, *, body: kopf.Body, extra_fields: Iterable[kopf.FieldSpec] | None = None) -> kopf.BodyEssence:
        return {}

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        pass


class Watcher:
    """Registers stateless event handlers with Kopf, which then writes neither annotations nor finalizers.

    `route` gives the keys that an object's change concerns.
    """

    def __init__(self, cache: ObjectCache, queue: WorkQueue, route: Router) -> None:
        self._cache = cache
        self._queue = queue
        self._route = route
        self._last: dict[str, float] = {}

    def register(self, registry: kopf.OperatorRegistry, settings: kopf.OperatorSettings) -> None:
        settings.persistence.diffbase_storage = NoLastSeenState()
        # Kopf keeps a task for each object this long after its last event: at a start, for all of them at once.
        settings.queueing.idle_timeout = 0.1
        for name in OWN:
            kind = KINDS[name]
            kopf.on.event(kind.group, kind.version, kind.plural, registry=registry)(self.handle)

    async def handle(self, *, event: kopf.RawEvent, resource: kopf.Resource, **_: Any) -> None:
        self.take(_BY_PLURAL[resource.group, resource.plural], event["type"] or "", {**event["object"]})

    def take(self, kind: str, type_: str, obj: Object) -> None:
        """An object as it was added, modified or DELETED."""
        obj["apiVersion"], obj["kind"] = KINDS[kind].api_version, kind
        EVENTS.labels(kind).inc()
        LAST_EVENT.labels(kind).set_to_current_time()
        self._last[kind] = time.monotonic()
        own = kind in OWN
        compared = own or kind in STATUS_UNREAD
        metadata = obj["metadata"]
        before = self._cache.get(kind, metadata.get("namespace", ""), metadata["name"]) if compared else None
        if type_ == "DELETED":
            self._cache.remove(obj)
        elif not self._cache.put(obj):
            return
        # What we write to the status ourselves comes back as an event, and is no news to the object itself; nor is a
        # status that nobody reads.
        echo = type_ != "DELETED" and before is not None and _essence(before) == _essence(obj)
        for key in self._route(obj):
            if own and not (echo and key == key_of(obj)):
                self._queue.add(key)
            elif not own and not echo:
                self._queue.add_after(key, GATHER_SECONDS)

    def silent_for(self, kind: str) -> float:
        """Seconds since the last event of `kind`; infinite when there was none."""
        return time.monotonic() - self._last[kind] if kind in self._last else float("inf")

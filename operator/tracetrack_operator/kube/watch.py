"""Kopf's watch streams as food for the cache and the queue."""

import time
from collections.abc import Callable, Iterable
from typing import Any

import kopf
from prometheus_client import Counter, Gauge

from ..engine.cache import ObjectCache
from ..engine.objects import Key, Object
from ..engine.queue import WorkQueue
from .kinds import KINDS, WATCHED, selector_of

EVENTS = Counter("tracetrack_operator_watch_events_total", "Watch events received, by kind.", ["kind"])
LAST_EVENT = Gauge("tracetrack_operator_watch_last_event_timestamp_seconds", "Time of the last watch event.", ["kind"])

_BY_PLURAL = {(kind.group, kind.plural): name for name, kind in KINDS.items()}

Router = Callable[[Object], Iterable[Key]]


class Watcher:
    """Registers stateless event handlers, so that Kopf writes neither annotations nor finalizers.

    `route` gives the keys that an object's change concerns.
    """

    def __init__(self, cache: ObjectCache, queue: WorkQueue, route: Router) -> None:
        self._cache = cache
        self._queue = queue
        self._route = route
        self._last: dict[str, float] = {}

    def register(self, registry: kopf.OperatorRegistry, settings: kopf.OperatorSettings) -> None:
        for name in WATCHED:
            kind = KINDS[name]
            kopf.on.event(kind.group, kind.version, kind.plural, registry=registry)(self.handle)
            selector = selector_of(name)
            if selector:
                settings.watching.label_selectors[kind.group, kind.version, kind.plural] = selector

    async def handle(self, *, event: kopf.RawEvent, resource: kopf.Resource, **_: Any) -> None:
        obj: Object = {**event["object"]}
        kind = _BY_PLURAL[resource.group, resource.plural]
        obj["apiVersion"], obj["kind"] = KINDS[kind].api_version, kind
        EVENTS.labels(kind).inc()
        LAST_EVENT.labels(kind).set_to_current_time()
        self._last[kind] = time.monotonic()
        if event["type"] == "DELETED":
            self._cache.remove(obj)
        elif not self._cache.put(obj):
            return
        for key in self._route(obj):
            self._queue.add(key)

    def silent_for(self, kind: str) -> float:
        """Seconds since the last event of `kind`; infinite when there was none."""
        return time.monotonic() - self._last[kind] if kind in self._last else float("inf")

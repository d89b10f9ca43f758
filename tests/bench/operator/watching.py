"""The deployments of one namespace as they come to be, seen through a watch."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from typing import Any

from tests.bench.operator.api import Api
from tests.cluster.run import StageError

OBJECTS = "/apis/tracetrack.io/v1alpha1/namespaces/{namespace}/tracetrackdeployments"


class Watching:
    """What was seen, at which epoch second.

    `statuses` are the newest, `touched` when each came; `became` is when a condition of an object was first True,
    `observed` when its generation was.
    """

    def __init__(self, api: Api, namespace: str) -> None:
        self.path = OBJECTS.format(namespace=namespace)
        self.statuses: dict[str, dict[str, Any]] = {}
        self.became: dict[tuple[str, str], float] = {}
        self.observed: dict[str, float] = {}
        self.touched: dict[str, float] = {}
        self._api = api
        self._ended: BaseException | None = None
        version = api.request("GET", f"{self.path}?limit=1")["metadata"]["resourceVersion"]
        threading.Thread(target=self._follow, args=(version,), name="watch", daemon=True).start()

    def _follow(self, version: str) -> None:
        try:
            while True:
                for event in self._api.watch(self.path, version):
                    if event["type"] == "ERROR":
                        break
                    self._take(event["type"], event["object"], time.time())
                # The API server ends the watch of whoever can't keep up with it.
                version = self._list()
        except BaseException as error:
            self._ended = error

    def _list(self) -> str:
        """Take in all there is; gives the version to watch from."""
        left, token = set(self.statuses), ""
        while True:
            page = self._api.request("GET", f"{self.path}?limit=500&continue={token}")
            for obj in page["items"]:
                self._take("MODIFIED", obj, time.time())
                left.discard(obj["metadata"]["name"])
            token = page["metadata"].get("continue", "")
            if not token:
                break
        for name in left:
            self.statuses.pop(name, None)
        return str(page["metadata"]["resourceVersion"])

    def _take(self, kind: str, obj: dict[str, Any], now: float) -> None:
        name = obj["metadata"]["name"]
        if kind == "DELETED":
            self.statuses.pop(name, None)
            return
        status = obj.get("status") or {}
        if status != self.statuses.get(name):
            self.statuses[name], self.touched[name] = status, now
        if status.get("observedGeneration") == obj["metadata"]["generation"]:
            self.observed.setdefault(name, now)
        for condition in status.get("conditions", []):
            if condition["status"] == "True":
                self.became.setdefault((name, condition["type"]), now)

    def true(self, names: Collection[str], *types: str) -> list[float]:
        """When each of those objects had all of these conditions True; the ones that have not are left out."""
        complete = []
        for name in names:
            times = [self.became[name, type_] for type_ in types if (name, type_) in self.became]
            if len(times) == len(types):
                complete.append(max(times))
        return complete

    def until_true(self, names: Collection[str], seconds: float, *types: str) -> list[float]:
        """What `true` gives once it is complete, or after `seconds`."""
        return self._wait(lambda: self.true(names, *types), len(names), seconds)

    def until_observed(self, names: Collection[str], seconds: float) -> list[float]:
        """When each was first seen with its generation observed, once all were, or after `seconds`."""
        return self._wait(lambda: [self.observed[name] for name in names if name in self.observed], len(names), seconds)

    def until_gone(self, names: Collection[str], seconds: float) -> int:
        """How many of them are left, once none is, or after `seconds`."""
        gone = self._wait(lambda: [0.0 for name in names if name not in self.statuses], len(names), seconds)
        return len(names) - len(gone)

    def _wait(self, look: Callable[[], list[float]], wanted: int, seconds: float) -> list[float]:
        end = time.monotonic() + seconds
        while True:
            found = look()
            if len(found) >= wanted or time.monotonic() > end:
                return found
            if self._ended is not None:
                raise StageError(f"the watch of the deployments has ended: {self._ended}")
            time.sleep(0.2)

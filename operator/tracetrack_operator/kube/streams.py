"""The operator's own watches of the children, whose events are so many that Kopf's tasks for them cost the most."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

from prometheus_client import Counter

from ..engine.errors import ReconcileError, RetryableError
from ..engine.objects import Object

logger = logging.getLogger(__name__)
STREAM_SECONDS = 300
# Bookmarks come about once a minute, so a stream that is silent for longer has nobody at its other end.
SILENCE_SECONDS = 150.0
RETRY_SECONDS = (1.0, 30.0)
WATCHES = Counter("tracetrack_operator_watches_total", "Watches of children that ended, by how.", ["kind", "ending"])


class WatchPort(Protocol):
    def watch(
        self, kind: str, namespace: str, label_selector: str, version: str, seconds: int, silence: float
    ) -> AsyncIterator[tuple[str, Object]]:
        """Event types and objects after a resourceVersion. Raises ReconcileError when it breaks off."""


Handler = Callable[[str, str, Object], None]


class ChildStream:
    """Watches one kind in one namespace ("" for all) from wherever the last LIST ended.

    `handle` gets kind, event type and object. `relist` is asked when the API server no longer has what came in between,
    and has to call `listed`.
    """

    def __init__(
        self,
        port: WatchPort,
        kind: str,
        namespace: str,
        label_selector: str,
        handle: Handler,
        relist: Callable[[str], Awaitable[None]],
    ) -> None:
        self._port = port
        self._kind = kind
        self._namespace = namespace
        self._selector = label_selector
        self._handle = handle
        self._relist = relist
        self._version = ""

    def listed(self, version: str) -> None:
        """A LIST has shown all there was at `version`. A watch that is under way goes on from where it is."""
        self._version = self._version or version

    async def follow(self) -> None:
        """Watch for ever; what breaks off is taken up where it ended."""
        delay, most = RETRY_SECONDS
        while True:
            try:
                if not self._version:
                    await self._relist(self._kind)
                ending = await self._once()
                delay = RETRY_SECONDS[0]
            except ReconcileError as error:
                ending = "broken"
                logger.warning("watch broke off", extra={"kind": self._kind, "seconds": delay, "error": str(error)})
                await asyncio.sleep(delay * random.uniform(0.8, 1.2))  # noqa: S311
                delay = min(2 * delay, most)
            WATCHES.labels(self._kind, ending).inc()

    async def _once(self) -> str:
        seconds = int(STREAM_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311
        events = self._port.watch(self._kind, self._namespace, self._selector, self._version, seconds, SILENCE_SECONDS)
        async for type_, obj in events:
            if type_ == "ERROR":
                self._version = ""
                if obj.get("code") == 410:
                    return "expired"
                raise RetryableError("KubernetesError", f"The API server ended the watch: {obj.get('message', obj)}")
            self._version = obj["metadata"]["resourceVersion"]
            if type_ != "BOOKMARK":
                self._handle(self._kind, type_, obj)
        return "done"

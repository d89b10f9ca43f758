"""Kubernetes Events on transitions: one object per distinct message, counted up in place."""

import hashlib
import logging
from datetime import UTC, datetime
from typing import Literal, TypeVar

from . import metrics
from .errors import ReconcileError, RetryableError
from .guide import NO_GUIDE, Guide
from .objects import Object
from .ports import KubePort

logger = logging.getLogger(__name__)
MAX_MESSAGE = 1024
MOST_REMEMBERED = 2000
T = TypeVar("T")


class EventRecorder:
    """Writes core/v1 Events under deterministic names, so that a repeated one counts up instead of piling up."""

    def __init__(self, kube: KubePort, component: str, instance: str, guide: Guide = NO_GUIDE) -> None:
        self._kube = kube
        self._component = component
        self._instance = instance
        self._guide = guide
        self._seen: dict[str, tuple[int, str]] = {}
        self._unsaid: dict[str, Object] = {}

    async def emit(self, about: Object, type_: Literal["Normal", "Warning"], reason: str, message: str) -> None:
        """Record an Event about an object; a warning ends in where its reason is explained.

        A failure to write is logged and does not fail the reconcile; `retry` tries again.
        """
        metadata = about["metadata"]
        digest = hashlib.sha256(f"{metadata['uid']}/{type_}/{reason}/{message}".encode()).hexdigest()[:12]
        name = f"{metadata['name']}.{digest}"
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        count, first = self._seen.get(name, (0, now))
        self._remember(name, count + 1, first)
        event: Object = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": metadata.get("namespace", "default")},
            "involvedObject": {
                "apiVersion": about["apiVersion"],
                "kind": about["kind"],
                "name": metadata["name"],
                "namespace": metadata.get("namespace", ""),
                "uid": metadata["uid"],
            },
            "type": type_,
            "reason": reason,
            "message": self._guide.add(message, reason, MAX_MESSAGE) if type_ == "Warning" else message[:MAX_MESSAGE],
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "reportingInstance": self._instance,
            "firstTimestamp": first,
            "lastTimestamp": now,
            "count": count + 1,
        }
        metrics.EVENTS.labels(type_, reason).inc()
        await self._write(event)

    async def retry(self, about: Object) -> None:
        """Record what could not be recorded about an object; a further failure leaves the rest to the next time."""
        uid = about["metadata"]["uid"]
        for event in [each for each in self._unsaid.values() if each["involvedObject"]["uid"] == uid]:
            if not await self._write(event):
                return

    async def _write(self, event: Object) -> bool:
        name = event["metadata"]["name"]
        self._unsaid.pop(name, None)
        try:
            await self._kube.apply(event)
        except ReconcileError as error:
            logger.warning("event not recorded", extra={"event_reason": event["reason"], "error": str(error)})
            if isinstance(error, RetryableError):
                _keep(self._unsaid, name, event)
            return False
        return True

    def _remember(self, name: str, count: int, first: str) -> None:
        self._seen.pop(name, None)
        _keep(self._seen, name, (count, first))


def _keep(memory: dict[str, T], name: str, value: T) -> None:
    memory[name] = value
    if len(memory) > MOST_REMEMBERED:
        del memory[next(iter(memory))]

"""Status is output: computed whole each time, written only when it differs, told as Events and metrics."""

from collections.abc import Mapping
from typing import Any

from . import metrics
from .conditions import READY, Conditions
from .events import EventRecorder
from .objects import Object
from .ports import KubePort


class StatusWriter:
    """Publishes what a reconcile found: the status subresource, an Event per transition, the condition metrics."""

    def __init__(self, kube: KubePort, recorder: EventRecorder) -> None:
        self._kube = kube
        self._recorder = recorder

    async def publish(self, observed: Object, status: Mapping[str, Any], conditions: Conditions) -> Object | None:
        """Write `status` with `conditions` for `observed`; gives the stored object when a write was needed.

        None values are left out, so a field that is no longer reported disappears.
        """
        metadata = observed["metadata"]
        kind, namespace, name = observed["kind"], metadata.get("namespace", ""), metadata["name"]
        wanted = {key: value for key, value in status.items() if value is not None}
        wanted["observedGeneration"] = metadata.get("generation", 0)
        wanted["conditions"] = conditions.to_list()
        metrics.record_conditions(kind, namespace, name, wanted["conditions"])
        if wanted == observed.get("status"):
            return None
        stored = await self._kube.apply_status(
            {
                "apiVersion": observed["apiVersion"],
                "kind": kind,
                "metadata": {"namespace": namespace, "name": name, "uid": metadata["uid"]},
                "status": wanted,
            }
        )
        metrics.STATUS_WRITES.labels(kind).inc()
        for transition in conditions.transitions():
            good = transition.status == "True"
            if transition.type == READY or not good:
                await self._recorder.emit(
                    observed,
                    "Normal" if good or transition.status == "Unknown" else "Warning",
                    transition.reason,
                    f"{transition.type}: {transition.message}" if transition.type != READY else transition.message,
                )
        return stored

"""Status is output: computed whole each time, written only when it differs, told as Events and metrics.

An Event is written before the status whose transition it tells: who is killed in between finds the transition again
and tells it again, by the same name. The other way round it would never be told.
"""

from collections.abc import Callable, Mapping
from typing import Any

from . import metrics
from .conditions import READY, Conditions, Transition
from .events import EventRecorder
from .guide import NO_GUIDE, Guide
from .objects import Object
from .ports import KubePort


class StatusWriter:
    """Publishes what a reconcile found: the status subresource, an Event per transition, the condition metrics.

    `at_rest` is a status without what moves by itself, for which alone nothing is written.
    """

    def __init__(
        self,
        kube: KubePort,
        recorder: EventRecorder,
        guide: Guide = NO_GUIDE,
        at_rest: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda status: status,
    ) -> None:
        self._kube = kube
        self._recorder = recorder
        self._guide = guide
        self._at_rest = at_rest

    async def publish(self, observed: Object, status: Mapping[str, Any], conditions: Conditions) -> Object | None:
        """Write `status` with `conditions` for `observed`; gives the stored object when a write was needed.

        None values are left out, so a field that is no longer reported disappears.
        """
        metadata = observed["metadata"]
        kind, namespace, name = observed["kind"], metadata.get("namespace", ""), metadata["name"]
        wanted = {key: value for key, value in status.items() if value is not None}
        wanted["observedGeneration"] = metadata.get("generation", 0)
        wanted["conditions"] = conditions.to_list(self._guide)
        metrics.CONDITIONS.record(kind, namespace, name, wanted["conditions"])
        await self._recorder.retry(observed)
        if self._at_rest(wanted) == self._at_rest(observed.get("status") or {}):
            return None
        await self._tell(observed, conditions)
        stored = await self._kube.apply_status(
            {
                "apiVersion": observed["apiVersion"],
                "kind": kind,
                "metadata": {"namespace": namespace, "name": name, "uid": metadata["uid"]},
                "status": wanted,
            }
        )
        metrics.STATUS_WRITES.labels(kind).inc()
        return stored

    async def _tell(self, observed: Object, conditions: Conditions) -> None:
        for transition in _worth_telling(conditions.transitions()):
            warning = transition.status == "False" and transition.reason not in self._guide.passing
            # Of what isn't there yet every part is still coming, which `Ready` says for all.
            if not (warning or transition.held or transition.type == READY):
                continue
            await self._recorder.emit(
                observed,
                "Warning" if warning else "Normal",
                transition.reason,
                transition.message if transition.type == READY else f"{transition.type}: {transition.message}",
            )


def _worth_telling(transitions: list[Transition]) -> list[Transition]:
    """All of `Ready`, and of the others those that are False, unless `Ready` says the very same."""
    ready = {(t.reason, t.message) for t in transitions if t.type == READY}
    return [t for t in transitions if t.type == READY or (t.status == "False" and (t.reason, t.message) not in ready)]

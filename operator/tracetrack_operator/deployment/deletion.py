"""The end of a deployment that has something outside the cluster. Works on the raw object: its spec may not parse."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..api.conditions import Reason
from ..api.constants import FINALIZER
from ..context import Context
from ..dependencies.protocol import AnyProvider
from ..drills.conductor import Drills
from ..engine.errors import ReconcileError, WaitingError
from ..engine.objects import Object, labels_of, uid_of
from ..engine.plan import Delete
from ..kube import finalizer
from ..kube.children import ChildWriter
from ..manifests.parent import APP, CACHE, DATABASE, DRILL

logger = logging.getLogger(__name__)


class Deletion:
    """First the application stops, so that nothing is written after the final snapshot; then the providers clean up."""

    def __init__(
        self,
        context: Context,
        databases: Mapping[str, AnyProvider],
        caches: Mapping[str, AnyProvider],
        drills: Drills,
    ) -> None:
        self._context = context
        self._writer = ChildWriter(context.kube, context.cache)
        self._providers = (databases, caches, drills)

    async def run(self, owner: Object) -> None:
        """Done when it returns. Raises WaitingError while something is under way, ReconcileError for what failed."""
        if FINALIZER not in (owner["metadata"].get("finalizers") or []):
            return
        metadata = owner["metadata"]
        live = await self._context.kube.get(owner["kind"], metadata["namespace"], metadata["name"])
        if live is None or uid_of(live) != uid_of(owner) or not live["metadata"].get("deletionTimestamp"):
            return
        await self._stop_application(live)
        await self._clean_up(live)
        await finalizer.remove(self._context.kube, live)

    async def _stop_application(self, owner: Object) -> None:
        metadata = owner["metadata"]
        running = serving(self._context.children(owner))
        for action in running:
            await self._writer.delete(action)
        pods = [
            pod
            for pod in self._context.pods_of(metadata["namespace"], metadata["name"])
            if labels_of(pod).get("app.kubernetes.io/component") == APP
            and pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")
        ]
        if running or pods:
            raise WaitingError(
                Reason.DELETING,
                "Waiting for the application to stop, so that nothing is written after the last copy of the data.",
                retry_after=5.0,
            )

    async def _clean_up(self, owner: Object) -> None:
        ends = await clean_up(owner, *self._providers)
        failures = [end.error for end in ends if end.error is not None]
        if failures:
            raise next((error for error in failures if not isinstance(error, WaitingError)), failures[0])
        for end in ends:
            if end.note:
                await self._context.recorder.emit(owner, "Normal", "CleanedUp", end.note)


@dataclass(frozen=True)
class End:
    """Of what is outside the cluster: `note` tells what became of it, `error` why it isn't through."""

    part: str
    note: str = ""
    error: ReconcileError | None = None


def serving(children: Iterable[Object]) -> list[Delete]:
    """What stops the application. The autoscaler goes first, lest it complains about a target that is gone."""
    running = [child for child in children if child["kind"] in ("HorizontalPodAutoscaler", "Deployment")]
    return [
        Delete(child["kind"], child["metadata"]["namespace"], child["metadata"]["name"], uid_of(child))
        for child in sorted(running, key=lambda child: str(child["kind"]), reverse=True)
    ]


async def clean_up(
    owner: Object, databases: Mapping[str, AnyProvider], caches: Mapping[str, AnyProvider], drills: Drills
) -> list[End]:
    """One step of each part. The command line shows the calls that it makes."""
    ends = []
    concerned = _concerned(owner, DATABASE, databases)
    if concerned:
        try:
            await drills.delete(owner)
        except ReconcileError as error:
            ends.append(End(DRILL, error=error))
    parts = [*((DATABASE, each) for each in concerned), *((CACHE, each) for each in _concerned(owner, CACHE, caches))]
    for part, provider in parts:
        try:
            ends.append(End(part, await provider.delete(owner)))
        except ReconcileError as error:
            ends.append(End(part, error=error))
    return ends


def _concerned(owner: Object, section: str, providers: Mapping[str, AnyProvider]) -> list[AnyProvider]:
    """The provider that the spec names; all of them when it names none that is known."""
    try:
        named = providers[owner["spec"][section]["provider"]]
    except (KeyError, TypeError):
        return [provider for provider in providers.values() if provider.makes_cloud_objects]
    return [named] if named.makes_cloud_objects else []

"""What every reconciler is handed, and the part of it that only looks."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from .api.constants import LABEL_DEPLOYMENT
from .aws.client import AwsPort
from .engine.cache import ObjectCache
from .engine.events import EventRecorder
from .engine.objects import Object, controller_uid, labels_of
from .engine.ports import KubePort
from .engine.queue import WorkQueue
from .engine.status import StatusWriter
from .settings import Settings

BY_OWNER = "owner"
BY_DEPLOYMENT = "deployment"
PODS = "pods"


@dataclass(frozen=True)
class View:
    """What a plan is made from."""

    settings: Settings
    cache: ObjectCache
    kube: KubePort
    aws: AwsPort

    def children(self, owner: Object) -> list[Object]:
        """The cached objects that `owner` controls."""
        return self.cache.by_index(BY_OWNER, owner["metadata"]["uid"])

    def fleets_of(self, namespace: str, deployment: str) -> list[Object]:
        """The cached ScannerFleets whose `spec.deploymentRef` names that deployment."""
        return self.cache.by_index(BY_DEPLOYMENT, (namespace, deployment))

    def pods_of(self, namespace: str, deployment: str) -> list[Object]:
        """The cached Pods of that deployment, of all its components."""
        return self.cache.by_index(PODS, (namespace, deployment))


@dataclass(frozen=True, kw_only=True)
class Context(View):
    queue: WorkQueue
    recorder: EventRecorder
    status: StatusWriter


def _owner(obj: Object) -> Iterable[Hashable]:
    uid = controller_uid(obj)
    return [uid] if uid else []


def _deployment(obj: Object) -> Iterable[Hashable]:
    if obj["kind"] != "ScannerFleet":
        return []
    return [(obj["metadata"]["namespace"], obj.get("spec", {}).get("deploymentRef", {}).get("name"))]


def _pods(obj: Object) -> Iterable[Hashable]:
    if obj["kind"] != "Pod" or LABEL_DEPLOYMENT not in labels_of(obj):
        return []
    return [(obj["metadata"]["namespace"], labels_of(obj)[LABEL_DEPLOYMENT])]


INDEXERS = {BY_OWNER: _owner, BY_DEPLOYMENT: _deployment, PODS: _pods}

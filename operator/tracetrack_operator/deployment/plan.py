"""From what there is to what there shall be: ordered actions. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..api.constants import FINALIZER
from ..engine.objects import Object, annotations_of, uid_of
from ..engine.plan import Action, Apply, Delete, Disruption
from ..kube.compare import difference
from ..kube.pods import alive
from ..manifests.parent import APP
from .desired import Desired
from .observe import Observed
from .specs.secrets import FLEET_KEYS

FLEET_KEYS_HASH = "tracetrack.io/fleet-keys"


@dataclass(frozen=True)
class AddFinalizer(Action):
    """Make sure that nothing in the cloud outlives its resource unnoticed."""

    owner: Object = field(repr=False)

    def describe(self) -> str:
        return f"add finalizer {FINALIZER}"


@dataclass(frozen=True)
class RaiseReplicas(Action):
    """Bring the Deployment up to the autoscaler's minimum, which the autoscaler itself does only every 15 s."""

    namespace: str
    name: str
    replicas: int

    def describe(self) -> str:
        return f"scale Deployment {self.namespace}/{self.name} to {self.replicas}"


@dataclass(frozen=True)
class AnnotatePod(Action):
    """Tell the kubelet to look at a pod's volumes now instead of within a minute."""

    namespace: str
    name: str
    uid: str
    value: str

    def describe(self) -> str:
        return f"annotate Pod {self.namespace}/{self.name} with {FLEET_KEYS_HASH}={self.value}"


@dataclass(frozen=True)
class Plan:
    """`first` has to succeed before anything else; `children` stand each for itself; `last` need all of them."""

    first: tuple[Action, ...] = ()
    children: tuple[Action, ...] = ()
    last: tuple[Action, ...] = ()

    def __iter__(self) -> Iterator[Action]:
        return iter((*self.first, *self.children, *self.last))

    def __bool__(self) -> bool:
        return any(True for _ in self)


def make_plan(observed: Observed, wanted: Desired, needs_finalizer: bool) -> Plan:
    finalizers = observed.owner["metadata"].get("finalizers") or []
    return Plan(
        first=(AddFinalizer(observed.owner),) if needs_finalizer and FINALIZER not in finalizers else (),
        children=(
            *_applies(observed, wanted),
            *_replicas(observed, wanted),
            *_annotations(observed, wanted),
            *_deletes(observed, wanted),
        ),
        last=(*observed.database.steps, *observed.cache.steps),
    )


def _applies(observed: Observed, wanted: Desired) -> Iterator[Action]:
    for manifest in wanted.manifests:
        why = difference(manifest, observed.children.get((manifest["kind"], manifest["metadata"]["name"])))
        if why is not None:
            yield Apply(manifest, why, disruption=Disruption.ONLINE)


def _replicas(observed: Observed, wanted: Desired) -> Iterator[Action]:
    name = observed.parent.child(APP)
    if not any(m["kind"] == "Deployment" and m["metadata"]["name"] == name for m in wanted.manifests):
        return
    live = observed.child("Deployment", APP)
    if (live["spec"].get("replicas", 1) if live is not None else 1) < wanted.min_replicas:
        yield RaiseReplicas(observed.parent.namespace, name, wanted.min_replicas, disruption=Disruption.ONLINE)


def _annotations(observed: Observed, wanted: Desired) -> Iterator[Action]:
    """Only once the Secret has its new content: a kubelet that looks earlier would see the old one."""
    secret = next(m for m in wanted.manifests if m["metadata"]["name"] == observed.parent.child(FLEET_KEYS))
    if difference(secret, observed.child("Secret", FLEET_KEYS)) is not None:
        return
    for pod in alive(observed.pods[APP]):
        if annotations_of(pod).get(FLEET_KEYS_HASH) != wanted.fleet_keys_hash:
            metadata = pod["metadata"]
            yield AnnotatePod(metadata["namespace"], metadata["name"], uid_of(pod), wanted.fleet_keys_hash)


def _deletes(observed: Observed, wanted: Desired) -> Iterator[Action]:
    names = {(m["kind"], m["metadata"]["name"]) for m in wanted.manifests} | wanted.kept
    for (kind, name), child in observed.children.items():
        if (kind, name) not in names and not child["metadata"].get("deletionTimestamp"):
            yield Delete(kind, observed.parent.namespace, name, uid_of(child), disruption=Disruption.DELETE)

"""From what there is to what there shall be: ordered actions. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..api.constants import FINALIZER
from ..dependencies.rotation import ChangeCredentials
from ..engine.objects import Object, annotations_of, uid_of
from ..engine.plan import Action, Apply, Delete, Disruption
from ..kube.compare import difference
from ..kube.pods import alive
from ..manifests.parent import APP
from ..manifests.secret import values
from .desired import Desired
from .observe import Observed
from .specs.secrets import ADMIN, CACHE_BINDING, DATABASE_BINDING, FLEET_KEYS

MOUNTED_HASH = "tracetrack.io/mounted-hash"


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
        return f"annotate Pod {self.namespace}/{self.name} with {MOUNTED_HASH}={self.value}"


@dataclass(frozen=True)
class Plan:
    """`first` has to succeed before anything else; `children` stand each for itself; `last` need all of them.

    `early` is what is to be made outside and nothing uses yet, each with the children that it needs: it takes minutes,
    so the other children wait for a later look instead. They wait (`patient`) too while that may be there at once.
    `aside` is run in any case, in its order: nothing waits for it, and it holds nothing up.
    `later` is what is expected to follow, found out anew when this is done: it is shown, and never run.
    """

    first: tuple[Action, ...] = ()
    early: tuple[tuple[Action, ...], ...] = ()
    children: tuple[Action, ...] = ()
    last: tuple[Action, ...] = ()
    aside: tuple[Action, ...] = ()
    later: tuple[Action, ...] = ()
    patient: bool = False

    def __iter__(self) -> Iterator[Action]:
        early = (action for group in self.early for action in group)
        return iter((*self.first, *early, *self.children, *self.last, *self.aside))

    def __bool__(self) -> bool:
        return any(True for _ in self)

    @property
    def immediate(self) -> bool:
        """Whether what it does early is there as soon as it is done: a login, say, and no instance."""
        steps = [action for group in self.early for action in group if not isinstance(action, Apply)]
        return bool(steps) and all(isinstance(step, ChangeCredentials) for step in steps)


def make_plan(observed: Observed, wanted: Desired, needs_finalizer: bool) -> Plan:
    finalizers = observed.owner["metadata"].get("finalizers") or []
    applies = {_named(action.manifest): action for action in _applies(observed, wanted)}
    early: list[tuple[Action, ...]] = []
    last: list[Action] = []
    for dependency, secret in ((observed.database, DATABASE_BINDING), (observed.cache, CACHE_BINDING)):
        if dependency.steps and dependency.binding is None and not observed.secret_values(secret):
            needed = [applies.pop(_named(each), None) for each in dependency.manifests if not _holds(observed, each)]
            early.append((*(action for action in needed if action is not None), *dependency.steps))
        else:
            last += dependency.steps
    drill = [applies.pop(_named(manifest), None) for manifest in observed.drill.manifests]
    return Plan(
        first=(AddFinalizer(observed.owner),) if needs_finalizer and FINALIZER not in finalizers else (),
        early=tuple(early),
        children=(
            *applies.values(),
            *_replicas(observed, wanted),
            *_annotations(observed, wanted),
            *_deletes(observed, wanted),
        ),
        last=tuple(last),
        aside=(*(action for action in drill if action is not None), *observed.drill.steps),
        later=(*observed.database.later, *observed.cache.later),
        patient=any(
            dependency.fresh and dependency.binding is None and not observed.secret_values(secret)
            for dependency, secret in ((observed.database, DATABASE_BINDING), (observed.cache, CACHE_BINDING))
        ),
    )


def _holds(observed: Observed, manifest: Object) -> bool:
    """Whether a Secret has the values that are about to be used: what else is kept in it can follow."""
    live = observed.children.get(_named(manifest))
    return manifest["kind"] == "Secret" and live is not None and values(live) == values(manifest)


def bindings_of(following: Plan, before: Observed) -> Plan:
    """Of the plan after one that was `immediate`, only what tells the application of the logins it was given."""
    names = {
        ("Secret", before.parent.child(secret))
        for dependency, secret in ((before.database, DATABASE_BINDING), (before.cache, CACHE_BINDING))
        if dependency.steps
    }
    children = (each for each in following.children if isinstance(each, Apply) and _named(each.manifest) in names)
    return Plan(children=tuple(children))


def _named(manifest: Object) -> tuple[str, str]:
    return manifest["kind"], manifest["metadata"]["name"]


def _applies(observed: Observed, wanted: Desired) -> Iterator[Apply]:
    for manifest in wanted.manifests:
        why = difference(manifest, observed.children.get(_named(manifest)))
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
    """Only once the Secrets have their new content: a kubelet that looks earlier would see the old one."""
    names = {observed.parent.child(suffix) for suffix in (ADMIN, FLEET_KEYS, DATABASE_BINDING, CACHE_BINDING)}
    for manifest in wanted.manifests:
        name = manifest["metadata"]["name"]
        other = manifest["kind"] != "Secret" or name not in names
        if not other and difference(manifest, observed.children.get(("Secret", name))) is not None:
            return
    for pod in alive(observed.pods[APP]):
        # What has not been started yet gets the Secrets as they are then.
        started = (pod.get("status") or {}).get("phase") == "Running"
        if started and annotations_of(pod).get(MOUNTED_HASH) != wanted.mounted_hash:
            metadata = pod["metadata"]
            yield AnnotatePod(metadata["namespace"], metadata["name"], uid_of(pod), wanted.mounted_hash)


def _deletes(observed: Observed, wanted: Desired) -> Iterator[Action]:
    names = {(m["kind"], m["metadata"]["name"]) for m in wanted.manifests} | wanted.kept
    for (kind, name), child in observed.children.items():
        if (kind, name) not in names and not child["metadata"].get("deletionTimestamp"):
            yield Delete(kind, observed.parent.namespace, name, uid_of(child), disruption=Disruption.DELETE)

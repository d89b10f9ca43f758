"""What there is: the resource, its children and pods, its fleets, its generated Secrets, its database and cache."""

import asyncio
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from ..api.deployment import TraceTrackDeployment
from ..api.fleet import ScannerFleet
from ..api.model import InvalidResourceError
from ..context import View
from ..dependencies.generated import password
from ..dependencies.protocol import AnyProvider, Children, Dependency, Scope
from ..drills.conductor import NO_DRILL, Drill, Drills
from ..engine.errors import ReconcileError
from ..engine.objects import Object, controller_uid, labels_of, uid_of
from ..manifests.parent import APP, CACHE, DATABASE, DRILL, Parent
from ..manifests.secret import values
from .brought import Brought, look
from .kept import KeptSecrets, Loss
from .specs.fleet_keys import Fleet
from .specs.secrets import ADMIN, SESSION

ADMIN_USERNAME = "admin"


@dataclass(frozen=True)
class Observed:
    """Everything that a plan and a status are computed from. `pods` are by component."""

    owner: Object
    parent: Parent
    resource: TraceTrackDeployment
    children: Children
    pods: Mapping[str, tuple[Object, ...]]
    fleets: tuple[Fleet, ...]
    admin: Mapping[str, str] = field(repr=False)
    session: Mapping[str, str] = field(repr=False)
    database: Dependency
    cache: Dependency
    brought: Mapping[str, Brought] = field(default_factory=dict)
    drill: Drill = NO_DRILL
    losses: tuple[Loss, ...] = ()

    def child(self, kind: str, suffix: str) -> Object | None:
        return self.children.get((kind, self.parent.child(suffix)))

    def secret_values(self, suffix: str) -> dict[str, str]:
        """The values of a Secret among the children; empty when there is none."""
        found = self.child("Secret", suffix)
        return values(found) if found is not None else {}


class Observer:
    """Looks at one deployment; changes nothing."""

    def __init__(
        self,
        view: View,
        kept: KeptSecrets,
        databases: Mapping[str, AnyProvider],
        caches: Mapping[str, AnyProvider],
        drills: Drills,
    ) -> None:
        self._view = view
        self._kept = kept
        self._databases = databases
        self._caches = caches
        self._drills = drills
        self._fleets = ParsedFleets()

    async def observe(self, owner: Object) -> Observed:
        """Raises InvalidResourceError for a resource that doesn't fit the model, ReconcileError when a read fails."""
        resource = TraceTrackDeployment.parse(owner)
        parent = Parent.of(owner)
        children = self._children(owner)
        pods = self._pods(parent)

        def scope(component: str) -> Scope:
            return Scope(owner, parent, resource.spec, children, pods[component])

        admin_makers = {"username": lambda: ADMIN_USERNAME, "password": lambda: secrets.token_urlsafe(18)}
        (admin, admin_loss), (session, session_loss) = await asyncio.gather(
            self._kept.ensure(parent, children, ADMIN, admin_makers),
            self._kept.ensure(parent, children, SESSION, {"key": password}),
        )
        database, cache = await asyncio.gather(
            _look(self._databases[resource.spec.database.provider], resource.spec.database.provider, scope(DATABASE)),
            _look(self._caches[resource.spec.cache.provider], resource.spec.cache.provider, scope(CACHE)),
        )
        brought = await look(self._view.kube, parent.namespace, resource.spec)
        drill = await self._drills.look(scope(DRILL), database)
        return Observed(
            owner=owner,
            parent=parent,
            resource=resource,
            children=children,
            pods=pods,
            fleets=self._fleets_of(parent),
            admin=admin,
            session=session,
            database=database,
            cache=cache,
            brought=brought,
            drill=drill,
            losses=tuple(loss for loss in (admin_loss, session_loss) if loss is not None),
        )

    def refreshed(self, observed: Observed) -> Observed:
        """`observed` with the children as they are after a plan was run."""
        return replace(observed, children=self._children(observed.owner))

    def _children(self, owner: Object) -> Children:
        return {(obj["kind"], obj["metadata"]["name"]): obj for obj in self._view.children(owner)}

    def _pods(self, parent: Parent) -> dict[str, tuple[Object, ...]]:
        found: dict[str, list[Object]] = {APP: [], DATABASE: [], CACHE: [], DRILL: []}
        for pod in self._view.pods_of(parent.namespace, parent.name):
            found.setdefault(labels_of(pod).get("app.kubernetes.io/component", ""), []).append(pod)
        return {component: tuple(pods) for component, pods in found.items()}

    def _fleets_of(self, parent: Parent) -> tuple[Fleet, ...]:
        found = []
        for resource in self._fleets.of(parent, self._view.fleets_of(parent.namespace, parent.name)):
            signing = self._view.cache.get("Secret", parent.namespace, f"{resource.metadata.name}-signing")
            ours = signing is not None and controller_uid(signing) == resource.metadata.uid
            found.append(Fleet(resource, values(signing).get("keys.json") if signing is not None and ours else None))
        return tuple(found)


class ParsedFleets:
    """The fleets of each deployment as models, parsed once a generation.

    A deployment is observed whenever one of its fleets tells of progress: parsing hundreds each time was most of what
    the operator did while they were provisioned. Of `metadata` and `status`, only what a generation keeps is current.
    """

    def __init__(self) -> None:
        self._parsed: dict[tuple[str, str], dict[tuple[str, int], ScannerFleet | None]] = {}

    def of(self, parent: Parent, fleets: Iterable[Object]) -> list[ScannerFleet]:
        """Those that are there to stay and fit the model (what doesn't is told by its own condition)."""
        key = (parent.namespace, parent.name)
        before, now = self._parsed.get(key, {}), {}
        for obj in fleets:
            metadata = obj["metadata"]
            if metadata.get("deletionTimestamp"):
                continue
            version = (uid_of(obj), metadata["generation"])
            now[version] = before[version] if version in before else _parse(obj)
        if now:
            self._parsed[key] = now
        else:
            self._parsed.pop(key, None)
        return [resource for resource in now.values() if resource is not None]


def _parse(obj: Object) -> ScannerFleet | None:
    try:
        return ScannerFleet.parse(obj)
    except InvalidResourceError:
        return None


async def _look(provider: AnyProvider, name: str, scope: Scope) -> Dependency:
    try:
        facts = await provider.observe(scope)
    except ReconcileError as error:
        return Dependency.failed(name, error)
    return provider.desired(scope, facts)

"""A database or cache in one pod of the namespace: what both have in common."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from kubernetes.utils.quantity import parse_quantity

from ..api.cache import EmbeddedCache
from ..api.conditions import Reason
from ..api.database import EmbeddedDatabase
from ..api.deployment import DeletionPolicy
from ..engine.errors import ReconcileError, TerminalError
from ..engine.objects import Object
from ..engine.plan import Action, Disruption, Executor
from ..engine.ports import KubePort
from ..kube.pods import first_problem
from ..manifests.secret import values
from ..manifests.server import Server, claim_template
from .binding import Binding, endpoint
from .generated import GeneratedSecrets
from .protocol import Dependency, Scope, Verdict

IMAGE_REMEDY = (
    "Check that the image exists and the nodes may pull it: it is the operator's setting TRACETRACK_EMBEDDED_IMAGE."
)


@dataclass(frozen=True)
class GrowVolume(Action):
    """Ask for more space in an existing volume claim."""

    manifest: Object = field(repr=False)

    def describe(self) -> str:
        metadata = self.manifest["metadata"]
        size = self.manifest["spec"]["resources"]["requests"]["storage"]
        return f"grow PersistentVolumeClaim {metadata['namespace']}/{metadata['name']} to {size}"


@dataclass(frozen=True)
class Facts:
    """`claim` is the live volume claim, read only when the spec asks for more than the StatefulSet was made with."""

    credentials: Mapping[str, str] = field(repr=False)
    claim: Object | None = None


class EmbeddedProvider:
    """Base of the embedded providers; a subclass says which server it is and how it is bound."""

    makes_cloud_objects = False
    server: ClassVar[Server]
    product: ClassVar[str]
    makers: ClassVar[Mapping[str, Callable[[], str]]]

    def __init__(self, kube: KubePort, generated: GeneratedSecrets, image: str) -> None:
        self._kube = kube
        self._generated = generated
        self._image = image

    def section(self, scope: Scope) -> EmbeddedDatabase | EmbeddedCache:
        raise NotImplementedError

    def binding(self, host: str, credentials: Mapping[str, str]) -> Binding:
        raise NotImplementedError

    def register(self, executor: Executor) -> None:
        executor.register(GrowVolume, self._grow)

    async def observe(self, scope: Scope) -> Facts:
        component = self.server.component
        bound = scope.children.get(("Secret", scope.parent.child(f"{component}-binding")))
        credentials = await self._generated.ensure(
            scope.parent, f"{component}-credentials", self.makers, values(bound) if bound else None
        )
        claim = None
        if self._growing(scope):
            claim = await self._kube.get(
                "PersistentVolumeClaim", scope.parent.namespace, self.server.claim_name(scope.parent)
            )
        return Facts(credentials, claim)

    def desired(self, scope: Scope, facts: Facts) -> Dependency:
        parent, server, spec = scope.parent, self.server, scope.spec
        storage, storage_class = self._claim(scope)
        manifests = [
            server.credentials(parent, facts.credentials),
            server.service(parent),
            server.stateful_set(
                parent,
                self._image,
                storage,
                storage_class,
                facts.credentials,
                keep_volume=spec.deletion_policy is not DeletionPolicy.DELETE,
            ),
        ]
        if spec.network_policy.enabled:
            manifests.insert(1, server.network_policy(parent))
        binding = self.binding(server.host(parent), facts.credentials)
        verdict = self._verdict(scope)
        return Dependency(
            provider="Embedded",
            verdict=verdict,
            binding=binding,
            endpoint=endpoint(binding),
            state="ready" if verdict.status == "True" else "starting",
            manifests=tuple(manifests),
            steps=self._growth(scope, facts),
        )

    async def delete(self, owner: Object) -> str:
        """The garbage collector takes it all; the StatefulSet's retention policy decides about the volume."""
        return ""

    def _stateful_set(self, scope: Scope) -> Object | None:
        return scope.children.get(("StatefulSet", scope.parent.child(self.server.component)))

    def _claim(self, scope: Scope) -> tuple[str, str | None]:
        """Size and class for the StatefulSet's claim: what it was made with, since both are immutable there."""
        live = self._stateful_set(scope)
        if live is None:
            section = self.section(scope)
            return section.storage, section.storage_class_name
        spec = claim_template(live)["spec"]
        return spec["resources"]["requests"]["storage"], spec.get("storageClassName")

    def _growing(self, scope: Scope) -> bool:
        return bool(parse_quantity(self.section(scope).storage) > parse_quantity(self._claim(scope)[0]))

    def _growth(self, scope: Scope, facts: Facts) -> tuple[Action, ...]:
        if facts.claim is None or facts.claim["metadata"].get("deletionTimestamp"):
            return ()
        wanted = self.section(scope).storage
        if parse_quantity(facts.claim["spec"]["resources"]["requests"]["storage"]) >= parse_quantity(wanted):
            return ()
        metadata = facts.claim["metadata"]
        manifest: Object = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {key: metadata[key] for key in ("name", "namespace", "uid")},
            "spec": {"resources": {"requests": {"storage": wanted}}},
        }
        return (GrowVolume(manifest, disruption=Disruption.ONLINE),)

    async def _grow(self, action: GrowVolume) -> None:
        try:
            await self._kube.apply(action.manifest)
        except ReconcileError as error:
            raise TerminalError(
                "VolumeNotExpanded",
                f"Volume claim {action.manifest['metadata']['name']} keeps its size: {error.message}",
                "Use a StorageClass with allowVolumeExpansion: true.",
            ) from error

    def _verdict(self, scope: Scope) -> Verdict:
        problem = first_problem(scope.pods, IMAGE_REMEDY)
        if problem is not None:
            return Verdict.not_ready(problem.reason, problem.message)
        pod = self.server.pod_name(scope.parent)
        live = self._stateful_set(scope)
        status = (live or {}).get("status", {})
        current = live is not None and status.get("observedGeneration", 0) >= live["metadata"].get("generation", 0)
        if current and status.get("readyReplicas", 0) >= 1 and status.get("updatedReplicas", 0) >= 1:
            return Verdict.ready(
                f"{self.product} runs in pod {pod}. Connections to it are not encrypted: TLS is off inside the "
                "namespace."
            )
        return Verdict.not_ready(Reason.PROGRESSING, f"Waiting for {self.product} in pod {pod} to become ready.")

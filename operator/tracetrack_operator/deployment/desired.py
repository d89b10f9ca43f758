"""What there shall be: every child of a deployment, from what was observed. Pure."""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from ..dependencies.binding import CREDENTIALS, REPLICA
from ..engine.objects import Object
from ..kube.compare import with_hash
from ..manifests.parent import APP, CACHE, DATABASE, DRILL
from .observe import Observed
from .specs import secrets
from .specs.autoscaler import autoscaler
from .specs.config_map import config_map
from .specs.deployment import deployment
from .specs.disruption_budget import disruption_budget
from .specs.fleet_keys import fleet_keys
from .specs.image import image
from .specs.ingress import ingress
from .specs.inputs import Inputs, port_in
from .specs.network_policy import app_network_policy
from .specs.service import service
from .specs.service_account import service_account


@dataclass(frozen=True)
class Desired:
    """`manifests` in the order they are applied; `kept` are children left as they are, neither applied nor deleted.

    `mounted_hash` is what the pods are told of the Secrets that change while they run: fleet keys, bindings, admin, and
    what people bring.
    """

    manifests: tuple[Object, ...] = field(repr=False)
    kept: frozenset[tuple[str, str]]
    min_replicas: int
    mounted_hash: str


def desired(observed: Observed, app_repository: str) -> Desired:
    inputs = _inputs(observed, app_repository)
    kept = _undetermined(observed)
    manifests = [
        service_account(inputs),
        secrets.admin_secret(inputs),
        secrets.session_secret(inputs),
        secrets.fleet_keys_secret(inputs),
        config_map(inputs),
        *observed.database.manifests,
        *observed.cache.manifests,
    ]
    build: Callable[[Inputs], Object | None]
    for suffix, binding, make in (
        (secrets.DATABASE_BINDING, observed.database.binding, secrets.database_binding),
        (secrets.CACHE_BINDING, observed.cache.binding, secrets.cache_binding),
    ):
        if binding is not None:
            manifests.append(make(inputs, binding))
        else:
            kept.add(("Secret", observed.parent.child(suffix)))
    for suffix, brought in observed.brought.items():
        if brought.values is not None:
            manifests.append(secrets.brought_binding(inputs, suffix, brought.values))
        else:
            kept.add(("Secret", observed.parent.child(suffix)))
    if inputs.content:
        manifests += [deployment(inputs), autoscaler(inputs)]
    else:
        kept |= {("Deployment", observed.parent.child(APP)), ("HorizontalPodAutoscaler", observed.parent.child(APP))}
    for build in (disruption_budget, app_network_policy, service, ingress):
        manifest = build(inputs)
        if manifest is not None:
            manifests.append(manifest)
    manifests += observed.drill.manifests
    return Desired(
        tuple(with_hash(manifest) for manifest in manifests),
        frozenset(kept),
        observed.resource.spec.scaling.min_replicas,
        _keyed(observed, _mounted(observed, inputs)),
    )


def _mounted(observed: Observed, inputs: Inputs) -> list[object]:
    found: list[object] = [dict(inputs.fleet_keys), dict(observed.admin), *bound(observed)]
    # Not for those without: what is appended for all would have every running pod told.
    return [*found, {suffix: dict(values) for suffix, values in inputs.brought.items()}] if inputs.brought else found


def bound(observed: Observed) -> tuple[dict[str, str], dict[str, str]]:
    """What the application's pods get, or already have, as database and cache binding; empty when nothing yet."""
    database, cache = observed.database.binding, observed.cache.binding
    return (
        database.data() if database is not None else observed.secret_values(secrets.DATABASE_BINDING),
        cache.data() if cache is not None else observed.secret_values(secrets.CACHE_BINDING),
    )


def _inputs(observed: Observed, app_repository: str) -> Inputs:
    spec = observed.resource.spec
    database, cache = bound(observed)
    basis = Inputs(
        parent=observed.parent,
        spec=spec,
        image=image(spec.image, spec.version, app_repository),
        admin=observed.admin,
        session=observed.session,
        fleet_keys=fleet_keys(observed.fleets, observed.secret_values(secrets.FLEET_KEYS)),
        database_port=port_in(database),
        replica_port=port_in(database, "replica-port"),
        cache_port=port_in(cache),
        brought=_brought(observed),
    )
    if not database or not cache:
        return basis
    return replace(basis, content=_keyed(observed, [config_map(basis)["data"], _place(database), _place(cache)]))


def _keyed(observed: Observed, content: object) -> str:
    """A hash that is of no use for guessing a weak password in the content."""
    text = json.dumps(content, sort_keys=True)
    return hmac.new(observed.session["key"].encode(), text.encode(), hashlib.sha256).hexdigest()[:16]


def _place(binding: dict[str, str]) -> dict[str, str]:
    """What pods have to be restarted for: they go over to other credentials and replicas while they run."""
    return {key: value for key, value in binding.items() if key not in CREDENTIALS | REPLICA}


def _brought(observed: Observed) -> dict[str, Mapping[str, str]]:
    """What the pods get of people's own Secrets, or already have where one is no good now."""
    found = {
        suffix: each.values if each.values is not None else observed.secret_values(suffix)
        for suffix, each in observed.brought.items()
    }
    return {suffix: values for suffix, values in found.items() if values}


def _undetermined(observed: Observed) -> set[tuple[str, str]]:
    """Children of a database or cache whose state could not be found out."""
    components = {
        component
        for component, dependency in ((DATABASE, observed.database), (CACHE, observed.cache))
        if dependency.error is not None
    } | ({DRILL} if observed.drill.kept else set())
    return {
        key
        for key, child in observed.children.items()
        if child["metadata"].get("labels", {}).get("app.kubernetes.io/component") in components
    }

"""The application's settings that are no secret."""

from collections.abc import Sequence

from ...api.exposure import ExposureSpec, ServiceType
from ...engine.objects import Object
from ...manifests.parent import APP
from .inputs import BINDINGS, Inputs

# After the preStop hook: time for a busy client's kept connection to carry one more request and be closed by it.
DRAIN_SECONDS = 3
PRIVATE_NETWORKS = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")


def _trusted_proxies(exposure: ExposureSpec) -> Sequence[str]:
    """Who may say for whom it speaks. Behind a node port every client has a private address: nobody by default."""
    if exposure.trusted_proxies is not None:
        return exposure.trusted_proxies
    behind_ingress = exposure.host is not None and exposure.service.type is ServiceType.CLUSTER_IP
    return PRIVATE_NETWORKS if behind_ingress else ()


def config_map(inputs: Inputs) -> Object:
    settings = inputs.spec.settings
    address = inputs.spec.exposure.address if inputs.spec.mail else None
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": inputs.parent.metadata(APP, APP),
        "data": {
            "SERVICE_BINDING_ROOT": BINDINGS,
            "TRACETRACK_DEPLOYMENT": inputs.parent.name,
            "TRACETRACK_NAMESPACE": inputs.parent.namespace,
            "TRACETRACK_TIMEZONE": settings.timezone,
            "TRACETRACK_LOG_LEVEL": settings.log_level.value,
            "TRACETRACK_PARENT_CAPACITY": str(settings.parent_capacity),
            "TRACETRACK_DRAIN_DELAY": str(DRAIN_SECONDS),
            "TRACETRACK_TRUSTED_PROXIES": ",".join(_trusted_proxies(inputs.spec.exposure)),
            **({"TRACETRACK_PUBLIC_URL": address} if address else {}),
        },
    }

"""The application's settings that are no secret."""

from ...engine.objects import Object
from ...manifests.parent import APP
from .inputs import BINDINGS, Inputs


def config_map(inputs: Inputs) -> Object:
    settings = inputs.spec.settings
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
        },
    }

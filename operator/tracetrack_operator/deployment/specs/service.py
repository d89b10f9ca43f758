"""The Service in front of the application's pods."""

from ...api.exposure import ServiceType
from ...engine.objects import Object
from ...manifests.parent import APP
from .inputs import PORT_NAME, Inputs

SERVICE_PORT = 80


def service(inputs: Inputs) -> Object:
    wanted = inputs.spec.exposure.service
    port: Object = {"name": PORT_NAME, "port": SERVICE_PORT, "targetPort": PORT_NAME, "protocol": "TCP"}
    if wanted.type is ServiceType.NODE_PORT and wanted.node_port is not None:
        port["nodePort"] = wanted.node_port
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": inputs.parent.metadata(APP, APP, wanted.annotations),
        "spec": {"type": wanted.type.value, "selector": inputs.parent.selector(APP), "ports": [port]},
    }

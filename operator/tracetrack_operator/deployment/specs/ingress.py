"""The Ingress, where a host is given."""

from ...engine.objects import Object
from ...manifests.parent import APP
from .inputs import PORT_NAME, Inputs


def ingress(inputs: Inputs) -> Object | None:
    exposure = inputs.spec.exposure
    if exposure.host is None:
        return None
    backend = {"service": {"name": inputs.parent.child(APP), "port": {"name": PORT_NAME}}}
    spec: Object = {
        "rules": [{"host": exposure.host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}]
    }
    if exposure.ingress_class_name is not None:
        spec["ingressClassName"] = exposure.ingress_class_name
    if exposure.tls is not None:
        spec["tls"] = [{"hosts": [exposure.host], "secretName": exposure.tls.secret_name}]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": inputs.parent.metadata(APP, APP, exposure.annotations),
        "spec": spec,
    }

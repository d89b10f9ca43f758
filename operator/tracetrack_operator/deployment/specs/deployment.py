"""The application's Deployment: a rolling update loses no request, and the autoscaler owns the number of pods."""

from ...engine.objects import Object
from ...manifests.parent import APP
from ...manifests.pod import container_security, mount, pod_security, scratch_volume, secret_volume, spread
from ..brought import PURPOSES
from .inputs import BINDINGS, PORT, PORT_NAME, Inputs
from .secrets import ADMIN, CACHE_BINDING, DATABASE_BINDING, FLEET_KEYS, SESSION

UID = 10001
CONTENT_HASH = "tracetrack.io/content-hash"
VERSION = "tracetrack.io/version"
_MOUNTS = {
    "database": DATABASE_BINDING,
    "cache": CACHE_BINDING,
    "admin": ADMIN,
    "session": SESSION,
    "fleets": FLEET_KEYS,
}


def deployment(inputs: Inputs) -> Object:
    """Without `replicas`: a field that we applied once and leave out later falls back to 1 under the autoscaler."""
    rollout = inputs.spec.rollout
    selector = inputs.parent.selector(APP)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": inputs.parent.metadata(APP, APP),
        "spec": {
            "selector": {"matchLabels": selector},
            "minReadySeconds": rollout.min_ready_seconds,
            "revisionHistoryLimit": 5,
            "progressDeadlineSeconds": 600 + rollout.min_ready_seconds,
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": rollout.max_surge, "maxUnavailable": rollout.max_unavailable},
            },
            "template": {
                "metadata": {
                    "labels": inputs.parent.labels(APP),
                    "annotations": {CONTENT_HASH: inputs.content, VERSION: inputs.spec.version},
                },
                "spec": _pod(inputs, selector),
            },
        },
    }


def _pod(inputs: Inputs, selector: dict[str, str]) -> Object:
    pod: Object = {
        "serviceAccountName": inputs.parent.child(APP),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": pod_security(UID),
        "terminationGracePeriodSeconds": inputs.spec.rollout.termination_grace_period_seconds,
        "topologySpreadConstraints": spread(selector),
        "containers": [_container(inputs)],
        "volumes": [
            *(secret_volume(name, inputs.parent.child(suffix)) for name, suffix in _mounts(inputs).items()),
            scratch_volume("tmp", "64Mi"),
        ],
    }
    pull_secrets = [{"name": reference.name} for reference in inputs.spec.image.pull_secrets]
    return {**pod, **({"imagePullSecrets": pull_secrets} if pull_secrets else {})}


def _container(inputs: Inputs) -> Object:
    resources = inputs.spec.resources
    pre_stop = inputs.spec.rollout.pre_stop_seconds
    container: Object = {
        "name": APP,
        "image": inputs.image,
        "imagePullPolicy": inputs.spec.image.pull_policy.value,
        "ports": [{"name": PORT_NAME, "containerPort": PORT, "protocol": "TCP"}],
        "envFrom": [{"configMapRef": {"name": inputs.parent.child(APP)}}],
        "resources": {
            "requests": {"cpu": resources.requests.cpu, "memory": resources.requests.memory},
            "limits": {"cpu": resources.limits.cpu, "memory": resources.limits.memory},
        },
        "securityContext": container_security(),
        "startupProbe": {**_probe("/live"), "periodSeconds": 2, "failureThreshold": 90, "timeoutSeconds": 2},
        "readinessProbe": {**_probe("/ready"), "periodSeconds": 3, "failureThreshold": 2, "timeoutSeconds": 3},
        "livenessProbe": {**_probe("/live"), "periodSeconds": 10, "failureThreshold": 6, "timeoutSeconds": 5},
        "volumeMounts": [
            *(mount(name, f"{BINDINGS}/{name}", read_only=True) for name in _mounts(inputs)),
            mount("tmp", "/tmp"),  # noqa: S108
        ],
    }
    # The pod goes on serving while load balancers still send to it; the kubelet's sleep needs no shell in the image.
    return {**container, **({"lifecycle": {"preStop": {"sleep": {"seconds": pre_stop}}}} if pre_stop else {})}


def _mounts(inputs: Inputs) -> dict[str, str]:
    return _MOUNTS | {PURPOSES[suffix].mount: suffix for suffix in inputs.brought}


def _probe(path: str) -> Object:
    return {"httpGet": {"path": path, "port": PORT_NAME}}

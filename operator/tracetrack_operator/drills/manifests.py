"""The children that a drill has: its record, and while it runs a binding, a NetworkPolicy and a Job. Pure."""

from __future__ import annotations

from datetime import datetime

from ..api.deployment import TraceTrackDeploymentSpec
from ..dependencies.binding import DatabaseBinding
from ..deployment.specs.deployment import UID
from ..deployment.specs.inputs import BINDINGS
from ..engine.objects import Object
from ..manifests import network
from ..manifests.parent import APP, DRILL, Parent
from ..manifests.pod import container_security, mount, pod_security, scratch_volume, secret_volume
from ..manifests.secret import secret
from .record import KEY, Record

BINDING = "drill-binding"
MIGRATE, CHECK = "migrate", "check"
FAULTS = 1
"""Exit status of `tracetrack check` for faults that it found: looking again would find them again."""
_RETRIES = 2


def record_config(parent: Parent, record: Record) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": parent.metadata(DRILL, DRILL),
        "data": {KEY: record.text()},
    }


def binding_secret(parent: Parent, binding: DatabaseBinding) -> Object:
    return secret(parent.metadata(BINDING, DRILL), binding.data(), "servicebinding.io/postgresql")


def network_policy(parent: Parent, port: int) -> Object:
    egress: list[Object] = [network.DNS, {"ports": network.port(port)}]
    return network.network_policy(parent.metadata(DRILL, DRILL), parent.selector(DRILL), [], egress)


def job_suffix(started: datetime) -> str:
    """A Job can't be changed: each drill has its own."""
    return f"{DRILL}-{int(started.timestamp())}"


def job(parent: Parent, spec: TraceTrackDeploymentSpec, image: str, started: datetime, timeout: int) -> Object:
    """Migrates the restored data as a start of the application would, and looks through them; `timeout` in seconds."""
    pull_secrets = [{"name": reference.name} for reference in spec.image.pull_secrets]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": parent.metadata(job_suffix(started), DRILL),
        "spec": {
            "backoffLimit": _RETRIES,
            "activeDeadlineSeconds": timeout,
            "podFailurePolicy": {
                "rules": [
                    {
                        "action": "FailJob",
                        "onExitCodes": {"containerName": CHECK, "operator": "In", "values": [FAULTS]},
                    }
                ]
            },
            "template": {
                "metadata": {"labels": parent.labels(DRILL)},
                "spec": {
                    "serviceAccountName": parent.child(APP),
                    "automountServiceAccountToken": False,
                    "enableServiceLinks": False,
                    "restartPolicy": "Never",
                    "securityContext": pod_security(UID),
                    "initContainers": [_container(MIGRATE, spec, image)],
                    "containers": [_container(CHECK, spec, image)],
                    "volumes": [secret_volume("database", parent.child(BINDING)), scratch_volume("tmp", "64Mi")],
                    **({"imagePullSecrets": pull_secrets} if pull_secrets else {}),
                },
            },
        },
    }


def _container(command: str, spec: TraceTrackDeploymentSpec, image: str) -> Object:
    requests, limits = spec.resources.requests, spec.resources.limits
    return {
        "name": command,
        "image": image,
        "imagePullPolicy": spec.image.pull_policy.value,
        "command": ["tracetrack", command],
        "env": [{"name": "SERVICE_BINDING_ROOT", "value": BINDINGS}],
        "resources": {
            "requests": {"cpu": requests.cpu, "memory": requests.memory},
            "limits": {"cpu": limits.cpu, "memory": limits.memory},
        },
        "securityContext": container_security(),
        # The end of its output, for whoever may see the pod's status but not its log.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [mount("database", f"{BINDINGS}/database", read_only=True), mount("tmp", "/tmp")],  # noqa: S108
    }

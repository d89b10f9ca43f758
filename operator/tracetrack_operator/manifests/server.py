"""A database or cache server in one pod: StatefulSet, Service, NetworkPolicy, credentials."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from ..engine.objects import Object
from .network import OPERATOR_PODS, network_policy, pods, port
from .parent import APP, Parent
from .pod import container_security, mount, pod_security, scratch_volume, secret_volume
from .secret import secret

UID = 10002
VOLUME = "data"
CREDENTIALS_HASH = "tracetrack.io/credentials-hash"


@dataclass(frozen=True)
class Server:
    """What differs between the embedded servers. `memory` is (request, limit)."""

    component: str
    port: int
    command: str
    ready: tuple[str, ...]
    cpu: str
    memory: tuple[str, str]
    grace_seconds: int

    def host(self, parent: Parent) -> str:
        return f"{parent.child(self.component)}.{parent.namespace}.svc"

    def pod_name(self, parent: Parent) -> str:
        return f"{parent.child(self.component)}-0"

    def claim_name(self, parent: Parent) -> str:
        return f"{VOLUME}-{self.pod_name(parent)}"

    def credentials(self, parent: Parent, data: Mapping[str, str]) -> Object:
        return secret(parent.metadata(f"{self.component}-credentials", self.component), data)

    def service(self, parent: Parent) -> Object:
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": parent.metadata(self.component, self.component),
            "spec": {
                "type": "ClusterIP",
                "selector": parent.selector(self.component),
                "ports": [{"name": self.component, "port": self.port, "targetPort": self.component, "protocol": "TCP"}],
            },
        }

    def network_policy(self, parent: Parent) -> Object:
        """The application's pods and the operator may connect; the server itself connects to nothing."""
        sources = [pods(parent.selector(APP)), OPERATOR_PODS]
        return network_policy(
            parent.metadata(self.component, self.component),
            parent.selector(self.component),
            [{"from": sources, "ports": port(self.port)}],
            [],
        )

    def stateful_set(
        self,
        parent: Parent,
        image: str,
        storage: str,
        storage_class: str | None,
        credentials: Mapping[str, str],
        keep_volume: bool,
    ) -> Object:
        """One pod with one volume. Parallel, since with OrderedReady a broken rollout needs a person to mend it."""
        request, limit = self.memory
        digest = hashlib.sha256(json.dumps(dict(credentials), sort_keys=True).encode()).hexdigest()[:16]
        container: Object = {
            "name": self.component,
            "image": image,
            "imagePullPolicy": "IfNotPresent",
            "command": [self.command],
            "ports": [{"name": self.component, "containerPort": self.port, "protocol": "TCP"}],
            "resources": {"requests": {"cpu": self.cpu, "memory": request}, "limits": {"memory": limit}},
            "securityContext": container_security(),
            "startupProbe": {"tcpSocket": {"port": self.component}, "periodSeconds": 2, "failureThreshold": 300},
            "livenessProbe": {"tcpSocket": {"port": self.component}, "periodSeconds": 20, "failureThreshold": 6},
            "readinessProbe": {
                "exec": {"command": list(self.ready)},
                "periodSeconds": 3,
                "timeoutSeconds": 5,
                "failureThreshold": 3,
            },
            "volumeMounts": [
                mount(VOLUME, "/data"),
                mount("credentials", "/credentials", read_only=True),
                mount("tmp", "/tmp"),  # noqa: S108
            ],
        }
        return {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": parent.metadata(self.component, self.component),
            "spec": {
                "replicas": 1,
                "serviceName": parent.child(self.component),
                "podManagementPolicy": "Parallel",
                "selector": {"matchLabels": parent.selector(self.component)},
                "persistentVolumeClaimRetentionPolicy": {
                    "whenDeleted": "Retain" if keep_volume else "Delete",
                    "whenScaled": "Retain",
                },
                "template": {
                    "metadata": {
                        "labels": parent.labels(self.component),
                        "annotations": {CREDENTIALS_HASH: digest},
                    },
                    "spec": {
                        "automountServiceAccountToken": False,
                        "enableServiceLinks": False,
                        "securityContext": pod_security(UID),
                        "terminationGracePeriodSeconds": self.grace_seconds,
                        "containers": [container],
                        "volumes": [
                            secret_volume("credentials", parent.child(f"{self.component}-credentials")),
                            scratch_volume("tmp", "64Mi"),
                        ],
                    },
                },
                "volumeClaimTemplates": [self._claim(parent, storage, storage_class)],
            },
        }

    def _claim(self, parent: Parent, storage: str, storage_class: str | None) -> Object:
        spec: Object = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": storage}}}
        if storage_class is not None:
            spec["storageClassName"] = storage_class
        return {"metadata": {"name": VOLUME, "labels": parent.labels(self.component)}, "spec": spec}


def claim_template(stateful_set: Object) -> Object:
    """The volume claim that a live StatefulSet was created with; it can't be changed."""
    template: Object = stateful_set["spec"]["volumeClaimTemplates"][0]
    return template

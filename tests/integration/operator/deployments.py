"""A namespace with TraceTrackDeployments in it, as a user and as a kubelet would handle it."""

from __future__ import annotations

import base64
import time
from typing import Any

from tests.cluster.controlplane import ApiError, ControlPlane
from tests.integration.operator.conftest import eventually

EMBEDDED = {"database": {"provider": "Embedded", "embedded": {"storage": "1Gi"}}, "cache": {"provider": "Embedded"}}
GROUPS = {
    "tracetrackdeployments": "apis/tracetrack.io/v1alpha1",
    "scannerfleets": "apis/tracetrack.io/v1alpha1",
    "deployments": "apis/apps/v1",
    "statefulsets": "apis/apps/v1",
    "jobs": "apis/batch/v1",
    "horizontalpodautoscalers": "apis/autoscaling/v2",
    "poddisruptionbudgets": "apis/policy/v1",
    "ingresses": "apis/networking.k8s.io/v1",
    "networkpolicies": "apis/networking.k8s.io/v1",
    "serviceaccounts": "api/v1",
    "configmaps": "api/v1",
    "secrets": "api/v1",
    "services": "api/v1",
    "pods": "api/v1",
    "persistentvolumeclaims": "api/v1",
    "resourcequotas": "api/v1",
    "events": "api/v1",
}


class Shop:
    """One namespace. Objects are addressed by plural and name."""

    def __init__(self, control_plane: ControlPlane, namespace: str) -> None:
        self.control_plane = control_plane
        self.namespace = namespace

    def path(self, plural: str, name: str = "") -> str:
        path = f"/{GROUPS[plural]}/namespaces/{self.namespace}/{plural}"
        return f"{path}/{name}" if name else path

    def get(self, plural: str, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.control_plane.request("GET", self.path(plural, name))
        return found

    def find(self, plural: str, name: str) -> dict[str, Any] | None:
        try:
            return self.get(plural, name)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def list(self, plural: str, selector: str = "") -> list[dict[str, Any]]:
        query = f"?labelSelector={selector}" if selector else ""
        items: list[dict[str, Any]] = self.control_plane.request("GET", self.path(plural) + query)["items"]
        return items

    def create(self, plural: str, body: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = self.control_plane.request("POST", self.path(plural), body)
        return made

    def delete(self, plural: str, name: str) -> None:
        self.control_plane.request("DELETE", self.path(plural, name))

    def change(self, plural: str, name: str, **spec: Any) -> None:
        """Merge `spec` into the object's spec."""
        self.edit(plural, name, spec=spec)

    def edit(self, plural: str, name: str, **fields: Any) -> None:
        """Merge `fields` into the object, with a fresh read for each try."""

        def attempt() -> bool:
            obj = self.get(plural, name)
            _merge(obj, fields)
            return self._put(self.path(plural, name), obj)

        eventually(attempt)

    def set_status(self, plural: str, name: str, status: dict[str, Any]) -> None:
        def attempt() -> bool:
            obj = self.get(plural, name)
            obj["status"] = {**obj.get("status", {}), **status}
            return self._put(self.path(plural, name) + "/status", obj)

        eventually(attempt)

    def secret(self, name: str) -> dict[str, str]:
        """The values of a Secret."""
        return {k: base64.b64decode(v).decode() for k, v in self.get("secrets", name).get("data", {}).items()}

    def put_secret(self, name: str, values: dict[str, str]) -> None:
        """A Secret of the user's, made or replaced."""
        if self.find("secrets", name):
            self.delete("secrets", name)
        self.create("secrets", {"metadata": {"name": name}, "stringData": values})

    def deploy(self, name: str = "demo", **spec: Any) -> dict[str, Any]:
        """Create a TraceTrackDeployment: Embedded unless told otherwise, and quick to roll out."""
        body = {
            "apiVersion": "tracetrack.io/v1alpha1",
            "kind": "TraceTrackDeployment",
            "metadata": {"name": name},
            "spec": {"version": "0.1.0", "rollout": {"minReadySeconds": 0}, **EMBEDDED, **spec},
        }
        return self.create("tracetrackdeployments", body)

    def conditions(self, name: str = "demo") -> dict[str, dict[str, Any]]:
        return _conditions(self.get("tracetrackdeployments", name))

    def wait(
        self,
        type_: str,
        status: str,
        reason: str | None = None,
        words: str = "",
        name: str = "demo",
        timeout: float = 40,
    ) -> dict[str, Any]:
        """The condition, once it has that status and reason for the present generation and its message the words."""

        def look() -> dict[str, Any]:
            obj = self.get("tracetrackdeployments", name)
            found = _conditions(obj).get(type_, {})
            assert found.get("status") == status, found
            assert found.get("observedGeneration") == obj["metadata"]["generation"], found
            assert reason in (None, found["reason"]), found
            assert words in found["message"], found
            return found

        return eventually(look, timeout)

    def pods(self, component: str, name: str = "demo") -> list[dict[str, Any]]:
        selector = f"tracetrack.io/deployment={name},app.kubernetes.io/component={component}"
        found = self.list("pods", selector)
        return [pod for pod in found if not pod["metadata"].get("deletionTimestamp")]

    def run_pods(self, name: str = "demo", components: tuple[str, ...] = ("app", "database", "cache")) -> None:
        """Do as the kubelet: every pod of the components runs and is ready."""
        for component in components:
            for pod in self.pods(component, name):
                self.set_status("pods", pod["metadata"]["name"], running(component))

    def run(self, name: str = "demo", timeout: float = 60) -> None:
        """Keep the kubelet's part going until the deployment is Ready."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                self.run_pods(name)
                self.wait("Ready", "True", name=name, timeout=2)
                return
            except (AssertionError, ApiError):
                if time.monotonic() > deadline:
                    raise

    def events(self, reason: str) -> list[dict[str, Any]]:
        return [event for event in self.list("events") if event["reason"] == reason]

    def _put(self, path: str, obj: dict[str, Any]) -> bool:
        try:
            self.control_plane.request("PUT", path, obj)
        except ApiError as error:
            if error.status == 409:
                return False
            raise
        return True


def running(container: str) -> dict[str, Any]:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {
        "phase": "Running",
        "hostIP": "10.0.0.7",
        "conditions": [
            {"type": type_, "status": "True", "lastTransitionTime": now} for type_ in ("Ready", "ContainersReady")
        ],
        "containerStatuses": [
            {
                "name": container,
                "ready": True,
                "restartCount": 0,
                "image": "i",
                "imageID": "i",
                "state": {"running": {"startedAt": now}},
            }
        ],
    }


def waiting(container: str, reason: str, image: str) -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": "no such image"}}
    status = {"name": container, "ready": False, "restartCount": 0, "image": image, "imageID": "", "state": state}
    return {"phase": "Pending", "containerStatuses": [status]}


def _conditions(obj: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {condition["type"]: condition for condition in obj.get("status", {}).get("conditions", [])}


def _merge(target: dict[str, Any], changes: dict[str, Any]) -> None:
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(target.get(key), dict):
            _merge(target[key], value)
        elif value is None:
            target.pop(key, None)
        else:
            target[key] = value

"""Fleets in the real control plane, and what the emulated AWS holds of them."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.aws.emulator import Emulator
from tests.cluster.controlplane import ApiError, ControlPlane
from tests.integration.operator.conftest import eventually
from tracetrack_app.domain.devicekeys import Device, parse_fleet, verify

CLUSTER = "test"
API = "/apis/tracetrack.io/v1alpha1/namespaces"
# It only has to exist: nothing is made of it while it is suspended.
DEPLOYMENT_SPEC = {
    "version": "0.1.0",
    "suspend": True,
    "database": {"provider": "Embedded", "embedded": {"storage": "1Gi"}},
    "cache": {"provider": "Embedded"},
}


@dataclass(frozen=True)
class Scanner:
    """A scanner as its slice and its slice's Secret have it."""

    name: str
    thing: str
    state: str
    certificate_id: str
    key: str
    certificate: str
    device_key: str

    @property
    def key_matches(self) -> bool:
        if not self.key or not self.certificate:
            return False
        private = load_pem_private_key(self.key.encode(), None)
        return x509.load_pem_x509_certificate(self.certificate.encode()).public_key() == private.public_key()


class Fleets:
    """Makes fleets in one namespace and looks at them, in Kubernetes and in AWS."""

    def __init__(self, control_plane: ControlPlane, aws: Emulator, namespace: str) -> None:
        self.control_plane = control_plane
        self.aws = aws
        self.namespace = namespace
        self.iot = aws.client("iot")
        self.secrets = aws.client("secretsmanager")

    def clear(self) -> None:
        """Delete every fleet and wait until AWS has none of them, so that the next test meets an empty account."""
        self.aws.faults.clear()
        self.aws.quotas(False)
        self.kubectl("delete", "scannerfleets", "--all", "--timeout=60s")

    def deployment(self, name: str = "demo") -> None:
        self._create("tracetrackdeployments", "TraceTrackDeployment", name, DEPLOYMENT_SPEC)

    def create(self, name: str = "lucknow", replicas: int = 5, **spec: Any) -> str:
        """Create a fleet; gives its UID."""
        fields = {"deploymentRef": {"name": "demo"}, "replicas": replicas, "attributes": {"site": name}, **spec}
        return str(self._create("scannerfleets", "ScannerFleet", name, fields)["metadata"]["uid"])

    def get(self, name: str = "lucknow") -> dict[str, Any] | None:
        return self._read(f"{API}/{self.namespace}/scannerfleets/{name}")

    def patch(self, name: str, spec: dict[str, Any]) -> None:
        self.kubectl("patch", "scannerfleet", name, "--type=merge", "-p", json.dumps({"spec": spec}))

    def kubectl(self, *arguments: str) -> str:
        return self.control_plane.kubectl("-n", self.namespace, *arguments)

    def condition(self, type_: str, name: str = "lucknow") -> dict[str, Any]:
        conditions = ((self.get(name) or {}).get("status") or {}).get("conditions", [])
        return next((condition for condition in conditions if condition["type"] == type_), {})

    def wait_for(
        self, status: str, reason: str, type_: str = "Ready", name: str = "lucknow", timeout: float = 30
    ) -> str:
        """Wait for a condition; gives its message."""

        def check() -> str:
            found = self.condition(type_, name)
            assert (found.get("status"), found.get("reason")) == (status, reason), found
            return str(found["message"])

        return eventually(check, timeout)

    def wait_ready(self, replicas: int, name: str = "lucknow", timeout: float = 30) -> dict[str, Any]:
        """Wait until exactly so many scanners exist and are ready, and the fleet says so of its present spec."""

        def check() -> dict[str, Any]:
            fleet = self.get(name) or {}
            status = fleet.get("status") or {}
            ready = self.condition("Ready", name)
            assert ready.get("status") == "True", status
            assert status["observedGeneration"] == fleet["metadata"]["generation"], status
            assert (status["replicas"], status["readyReplicas"]) == (replicas, replicas), status
            return status

        return eventually(check, timeout)

    def wait_gone(self, name: str = "lucknow", timeout: float = 30) -> None:
        eventually(lambda: self.get(name) is None, timeout)

    def secret(self, name: str) -> dict[str, str]:
        found = self._read(f"/api/v1/namespaces/{self.namespace}/secrets/{name}") or {}
        return {key: base64.b64decode(value).decode() for key, value in (found.get("data") or {}).items()}

    def slice(self, name: str) -> dict[str, Any] | None:
        return self._read(f"{API}/{self.namespace}/scannerslices/{name}")

    def scanners(self, name: str = "lucknow") -> list[Scanner]:
        """Every scanner of a fleet, in order."""
        listed = self.control_plane.request("GET", f"{API}/{self.namespace}/scannerslices")["items"]
        found = []
        for slice_ in sorted((s for s in listed if s["fleetRef"]["name"] == name), key=lambda s: int(s["index"])):
            data = self.secret(slice_["metadata"]["name"])
            for entry in slice_.get("scanners", []):
                files = [data.get(f"{entry['name']}.{suffix}", "") for suffix in ("key", "crt", "device-key")]
                known = (entry["name"], entry["thingName"], entry["state"], entry.get("certificateId", ""))
                found.append(Scanner(*known, *files))
        return found

    def device_of(self, scanner: Scanner, name: str = "lucknow", generation: int = 1) -> Device:
        """Whom the app takes the scanner for, by its device key and the Secrets Manager secret."""
        value = self.secrets.get_secret_value(SecretId=f"tracetrack/{CLUSTER}/{self.namespace}/{name}/signing")
        fleet = {
            "fleet": name,
            **json.loads(value["SecretString"]),
            "scanners": {"prefix": f"{name}-", "digits": 4, "count": 10_000},
            "generations": {"default": generation},
        }
        return verify(scanner.device_key, {name: parse_fleet(json.dumps(fleet))})

    def group(self, name: str = "lucknow") -> str:
        return f"{CLUSTER}_{self.namespace}_{name}"

    def things(self, name: str = "lucknow") -> set[str]:
        """The things in the fleet's group."""
        try:
            pages = self.iot.get_paginator("list_things_in_thing_group").paginate(thingGroupName=self.group(name))
            return {thing for page in pages for thing in page["things"]}
        except self.iot.exceptions.ResourceNotFoundException:
            return set()

    def all_things(self) -> set[str]:
        pages = self.iot.get_paginator("list_things").paginate()
        return {thing["thingName"] for page in pages for thing in page["things"]}

    def certificates(self) -> dict[str, str]:
        """Every certificate of the account: ID to status."""
        pages = self.iot.get_paginator("list_certificates").paginate()
        return {c["certificateId"]: c["status"] for page in pages for c in page["certificates"]}

    def policies(self) -> set[str]:
        return {policy["policyName"] for policy in self.iot.list_policies()["policies"]}

    def groups(self) -> set[str]:
        return {group["groupName"] for group in self.iot.list_thing_groups()["thingGroups"]}

    def assert_provisioned(self, replicas: int, name: str = "lucknow") -> list[Scanner]:
        """Exactly so many things and certificates in the whole account, each in its place."""
        scanners = self.scanners(name)
        assert [scanner.name for scanner in scanners] == [f"{name}-{number:04d}" for number in range(1, replicas + 1)]
        assert self.all_things() == self.things(name) == {scanner.thing for scanner in scanners}
        assert self.certificates() == {scanner.certificate_id: "ACTIVE" for scanner in scanners}
        for scanner in scanners:
            assert scanner.state == "Ready"
            assert scanner.key_matches
            attached = self.iot.list_thing_principals_v2(thingName=scanner.thing)["thingPrincipalObjects"]
            assert [p["principal"].rpartition("/")[2] for p in attached] == [scanner.certificate_id]
            assert attached[0]["thingPrincipalType"] == "EXCLUSIVE_THING"
            policies = self.iot.list_attached_policies(target=attached[0]["principal"])["policies"]
            assert [policy["policyName"] for policy in policies] == [self.group(name)]
            assert self.device_of(scanner, name) == Device(name, scanner.name)
        return scanners

    def assert_aws_empty(self) -> None:
        assert self.all_things() == set()
        assert self.certificates() == {}
        assert self.policies() == set()
        assert self.groups() == set()

    def calls(self, service: str = "iot") -> Counter[str]:
        return Counter(call["operation"] for call in self.aws.calls(service))

    def _create(self, plural: str, kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
        body = {"apiVersion": "tracetrack.io/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}
        created: dict[str, Any] = self.control_plane.request("POST", f"{API}/{self.namespace}/{plural}", body)
        return created

    def _read(self, path: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self.control_plane.request("GET", path)
        except ApiError as error:
            if error.status != 404:
                raise
            return None
        return found


def within(seconds: float, check: Callable[[], None]) -> None:
    """Repeat a check made of assertions until it holds."""

    def held() -> bool:
        check()
        return True

    eventually(held, seconds)

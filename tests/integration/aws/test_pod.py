"""The manifest of the pod: the API server takes it, under the restricted Pod Security Standard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.controlplane import ApiError, ControlPlane

MANIFEST = Path(__file__).parents[2] / "aws" / "pod.yaml"
NAMESPACE = "tracetrack-aws"


@pytest.fixture(scope="module")
def cluster(control_plane: ControlPlane) -> ControlPlane:
    control_plane.kubectl("apply", "-f", "-", input=yaml.safe_dump(documents()["Namespace"][0]))
    return control_plane


def documents() -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for document in yaml.safe_load_all(MANIFEST.read_text()):
        found.setdefault(document["kind"], []).append(document)
    return found


def create(cluster: ControlPlane, pod: Any) -> Any:
    return cluster.request("POST", f"/api/v1/namespaces/{NAMESPACE}/pods?dryRun=All", pod)


def test_the_pod_is_restricted(cluster: ControlPlane) -> None:
    pod = documents()["Pod"][0]
    assert create(cluster, pod)["spec"]["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True
    del pod["spec"]["containers"][0]["securityContext"]["capabilities"]
    with pytest.raises(ApiError, match="violates PodSecurity"):
        create(cluster, pod)


def test_the_services_lead_to_the_pod(cluster: ControlPlane) -> None:
    labels = documents()["Pod"][0]["metadata"]["labels"]
    services = {service["metadata"]["name"]: service for service in documents()["Service"]}
    for service in services.values():
        cluster.request("POST", f"/api/v1/namespaces/{NAMESPACE}/services?dryRun=All", service)
        assert service["spec"]["selector"].items() <= labels.items()
    assert services["aws"]["spec"]["clusterIP"] == "None"
    assert services["aws-node"]["spec"]["ports"][0]["nodePort"] == 30566

"""The life of a release on a real API server: installed, upgraded with its CRDs, uninstalled without losing data."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster import tools
from tests.cluster.controlplane import ApiError, ControlPlane
from tests.cluster.run import StageError

CHART = Path(__file__).parents[3] / "charts" / "tracetrack-operator"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
NAMES = ("scannerfleets.tracetrack.io", "scannerslices.tracetrack.io", "tracetrackdeployments.tracetrack.io")
RESTRICTED = {
    "metadata": {"name": "tracetrack-release", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
}

Helm = Callable[..., str]


@pytest.fixture(scope="module")
def cluster() -> Iterator[ControlPlane]:
    """A control plane of its own: the CRDs of the shared one belong to other tests."""
    with ControlPlane() as running:
        running.request("POST", "/api/v1/namespaces", RESTRICTED)
        yield running


@pytest.fixture(scope="module")
def helm(cluster: ControlPlane) -> Helm:
    def run(*arguments: str | Path) -> str:
        command = [str(tools.helm()), *map(str, arguments), "--namespace", "tracetrack-release"]
        command += ["--kubeconfig", str(cluster.kubeconfig)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def crd(cluster: ControlPlane, name: str) -> dict[str, Any]:
    found: dict[str, Any] = cluster.request("GET", f"{CRDS}/{name}")
    return found


def test_a_release_from_install_to_uninstall(cluster: ControlPlane, helm: Helm, tmp_path: Path) -> None:
    helm("install", "tracetrack", CHART, "--values", CHART / "ci/emulator-values.yaml")
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=30s", *(f"crd/{name}" for name in NAMES))
    account = "system:serviceaccount:tracetrack-release:tracetrack-tracetrack-operator"
    asked = ("auth", "can-i", "--as", account, "--namespace", "default")
    assert cluster.kubectl(*asked, "get", "secrets").strip() == "yes"

    fleet = {"apiVersion": "tracetrack.io/v1alpha1", "kind": "ScannerFleet", "metadata": {"name": "lucknow"}}
    cluster.kubectl("apply", "-f", "-", input=json.dumps({**fleet, "spec": {"deploymentRef": {"name": "demo"}}}))

    newer = tmp_path / "newer"
    shutil.copytree(CHART, newer)
    file = newer / "files/crds/scannerfleets.yaml"
    definition = yaml.safe_load(file.read_text())
    definition["spec"]["names"]["shortNames"].append("fleet")
    file.write_text(yaml.safe_dump(definition))
    helm("upgrade", "tracetrack", newer, "--reset-then-reuse-values", "--set", "watchNamespaces={default}")
    assert "fleet" in crd(cluster, NAMES[0])["spec"]["names"]["shortNames"], "the upgrade has to reach the CRDs"
    assert cluster.kubectl(*asked, "get", "secrets").strip() == "yes"
    elsewhere = ("auth", "can-i", "--as", account, "--namespace", "kube-system", "--quiet", "get", "secrets")
    with pytest.raises(StageError, match="can-i"):
        cluster.kubectl(*elsewhere)

    helm("uninstall", "tracetrack")
    for name in NAMES:
        assert "deletionTimestamp" not in crd(cluster, name)["metadata"], "the CRDs stay, and the resources with them"
    assert "lucknow" in cluster.kubectl("get", "scannerfleets", "--output", "name")
    with pytest.raises(ApiError, match="404"):
        cluster.request("GET", "/apis/apps/v1/namespaces/tracetrack-release/deployments/tracetrack-tracetrack-operator")

    helm("install", "tracetrack", CHART)
    assert "lucknow" in cluster.kubectl("get", "scannerfleets", "--output", "name")


def test_crds_that_helm_did_not_make_are_taken_over_when_told_so(cluster: ControlPlane, helm: Helm) -> None:
    helm("uninstall", "tracetrack")
    crds = [f"crd/{name}" for name in NAMES]
    cluster.kubectl("annotate", *crds, "meta.helm.sh/release-name-", "meta.helm.sh/release-namespace-")
    cluster.kubectl("label", *crds, "app.kubernetes.io/managed-by-")
    with pytest.raises(AssertionError, match=r"CustomResourceDefinition .* exists and cannot be imported"):
        helm("install", "tracetrack", CHART)
    helm("install", "tracetrack", CHART, "--take-ownership")
    assert crd(cluster, NAMES[0])["metadata"]["annotations"]["meta.helm.sh/release-name"] == "tracetrack"


def test_the_restricted_standard_lets_the_pods_in(cluster: ControlPlane) -> None:
    """By the API server's own admission: a pod that broke the standard would be refused in this namespace."""
    rendered = subprocess.run(
        [str(tools.helm()), "template", "admitted", str(CHART), "--namespace", "tracetrack-release"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    manifests = {manifest["kind"]: manifest for manifest in yaml.safe_load_all(rendered) if manifest}
    pods = {
        "operator": manifests["Deployment"]["spec"]["template"]["spec"],
        "test": manifests["Pod"]["spec"],
    }
    path = "/api/v1/namespaces/tracetrack-release/pods"
    for name, spec in pods.items():
        pod = {"metadata": {"name": f"admitted-{name}"}, "spec": {**spec, "serviceAccountName": "default"}}
        cluster.request("POST", f"{path}?dryRun=All", pod)
        spec["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
        with pytest.raises(ApiError, match="violates PodSecurity"):
            cluster.request("POST", f"{path}?dryRun=All", pod)

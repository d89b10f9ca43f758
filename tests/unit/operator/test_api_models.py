"""The typed custom resources: defaults, names and refusals."""

from __future__ import annotations

import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from tracetrack_operator.api import (
    RESOURCES,
    ElastiCacheCache,
    EmbeddedDatabase,
    ExternalDatabase,
    InvalidResourceError,
    RDSDatabase,
    ScannerFleet,
    ScannerSlice,
    ScannerState,
    TraceTrackDeployment,
)
from tracetrack_operator.api.model import api_name

SAMPLES = sorted((Path(__file__).parents[3] / "crds" / "samples").glob("*.yaml"))


def deployment(**spec: Any) -> dict[str, Any]:
    base = {"version": "0.1.0", "database": {"provider": "Embedded"}, "cache": {"provider": "Embedded"}}
    return {
        "apiVersion": "tracetrack.io/v1alpha1",
        "kind": "TraceTrackDeployment",
        "metadata": {"name": "shop", "namespace": "prod", "uid": "u-1", "generation": 3},
        "spec": {**base, **spec},
    }


def fleet(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "tracetrack.io/v1alpha1",
        "kind": "ScannerFleet",
        "metadata": {"name": "lucknow", "namespace": "prod"},
        "spec": {"deploymentRef": {"name": "shop"}, **spec},
    }


def test_defaults_of_a_deployment() -> None:
    spec = TraceTrackDeployment.parse(deployment()).to_dict()["spec"]
    assert spec == {
        "version": "0.1.0",
        "image": {"pullPolicy": "IfNotPresent", "pullSecrets": []},
        "scaling": {
            "minReplicas": 2,
            "maxReplicas": 20,
            "targetCPUUtilizationPercentage": 70,
            "targetMemoryUtilizationPercentage": 80,
            "scaleDownStabilizationSeconds": 300,
        },
        "resources": {"requests": {"cpu": "250m", "memory": "192Mi"}, "limits": {"cpu": "1", "memory": "512Mi"}},
        "database": {"provider": "Embedded", "embedded": {"storage": "10Gi"}},
        "cache": {"provider": "Embedded", "embedded": {"storage": "1Gi"}},
        "exposure": {"service": {"type": "ClusterIP"}},
        "rollout": {
            "maxSurge": 1,
            "maxUnavailable": 0,
            "minReadySeconds": 5,
            "terminationGracePeriodSeconds": 60,
            "preStopSeconds": 5,
        },
        "settings": {"timezone": "Asia/Kolkata", "parentCapacity": 30, "logLevel": "INFO"},
        "networkPolicy": {"enabled": True},
        "aws": {},
        "driftPolicy": "Correct",
        "deletionPolicy": "Snapshot",
        "suspend": False,
    }


def test_defaults_of_a_fleet() -> None:
    parsed = ScannerFleet.parse(fleet())
    assert parsed.to_dict()["spec"] == {
        "deploymentRef": {"name": "shop"},
        "replicas": 1,
        "naming": {"digits": 4},
        "thingType": "tracetrack-scanner",
        "attributes": {},
        "provisioning": {"mode": "Certificate"},
        "credentials": {"keyGeneration": 1},
        "deletionPolicy": "Delete",
        "suspend": False,
    }
    assert parsed.scanner_name(7) == "lucknow-0007"


def test_scanner_names_follow_the_naming() -> None:
    parsed = ScannerFleet.parse(fleet(naming={"prefix": "gate", "digits": 2}))
    assert [parsed.scanner_name(n) for n in (1, 99)] == ["gate01", "gate99"]
    for number in (0, 100):
        with pytest.raises(ValueError, match=r"spec\.naming\.digits 2"):
            parsed.scanner_name(number)


def test_the_provider_has_its_section_with_defaults() -> None:
    def section(**database: Any) -> object:
        return TraceTrackDeployment.parse(deployment(database=database)).spec.database.section()

    assert section(provider="Embedded") == EmbeddedDatabase(storage="10Gi")
    rds = section(provider="RDS", rds={"multiAZ": False, "allocatedStorageGiB": 80})
    assert isinstance(rds, RDSDatabase)
    assert (rds.multi_az, rds.allocated_storage_gib, rds.instance_class) == (False, 80, "db.t4g.medium")
    external = section(provider="External", external={"secretRef": {"name": "theirs"}})
    assert isinstance(external, ExternalDatabase)
    assert external.secret_ref.name == "theirs"
    cache = TraceTrackDeployment.parse(deployment(cache={"provider": "ElastiCache"})).spec.cache.section()
    assert cache == ElastiCacheCache()


def test_metadata_is_typed() -> None:
    obj = deployment()
    obj["metadata"] |= {
        "managedFields": [],
        "labels": {"a": "b"},
        "finalizers": ["tracetrack.io/cleanup"],
        "creationTimestamp": "2026-01-02T03:04:05Z",
        "deletionTimestamp": "2026-01-02T03:04:06Z",
    }
    meta = TraceTrackDeployment.parse(obj).metadata
    assert (meta.name, meta.namespace, meta.uid, meta.generation) == ("shop", "prod", "u-1", 3)
    assert meta.labels == {"a": "b"}
    assert meta.deletion_timestamp is not None
    assert meta.to_dict()["deletionTimestamp"] == "2026-01-02T03:04:06Z"


def test_status_of_another_version_is_read() -> None:
    obj = deployment()
    obj["status"] = {"readyReplicas": 2, "fromTheFuture": True, "database": {"provider": "RDS", "more": 1}}
    status = TraceTrackDeployment.parse(obj).status
    assert status is not None
    assert status.ready_replicas == 2


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ({"scaling": {"minReplicas": 0}}, r"spec\.scaling\.minReplicas: .*greater than or equal to 1 \(got 0\)"),
        ({"scaling": {"minReplicas": "2"}}, r"spec\.scaling\.minReplicas: .*integer \(got '2'\)"),
        ({"scaling": {"minReplica": 2}}, r"spec\.scaling\.minReplica: is not a field .* remove it or correct"),
        ({"rollout": {"maxSurge": "200%"}}, r"spec\.rollout\.maxSurge: must be a number .* such as 25% \(got '200%'\)"),
        ({"rollout": {"maxSurge": True}}, r"spec\.rollout\.maxSurge"),
        ({"database": {"provider": "Oracle"}}, r"spec\.database\.provider: .*'RDS', 'External' or 'Embedded'"),
        ({"database": {"provider": "External"}}, r"spec\.database\.external\.secretRef: is required; add it"),
        ({"cache": {}}, r"spec\.cache\.provider: is required; add it"),
        ({"resources": {"limits": {"cpu": "lots"}}}, r"spec\.resources\.limits\.cpu: .*pattern"),
        ({"image": {"pullSecrets": [{"name": "a"}, {}]}}, r"spec\.image\.pullSecrets\[1\]\.name: is required"),
    ],
)
def test_refusals_name_the_field(spec: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidResourceError, match=rf"^TraceTrackDeployment prod/shop: {complaint}") as refusal:
        TraceTrackDeployment.parse(deployment(**spec))
    assert refusal.value.errors


def test_a_misplaced_value_is_not_repeated() -> None:
    with pytest.raises(InvalidResourceError) as refusal:
        TraceTrackDeployment.parse(deployment(password="hunter2"))
    assert "spec.password" in str(refusal.value)
    assert "hunter2" not in str(refusal.value)


def test_all_problems_come_at_once() -> None:
    with pytest.raises(InvalidResourceError) as refusal:
        ScannerFleet.parse({"metadata": {}, "spec": {"replicas": -1}})
    assert {error.path for error in refusal.value.errors} == {
        "metadata.name",
        "metadata.namespace",
        "spec.deploymentRef",
        "spec.replicas",
    }


def test_whole_numbers_are_quantities() -> None:
    parsed = TraceTrackDeployment.parse(deployment(resources={"limits": {"cpu": 2, "memory": 1073741824}}))
    assert parsed.spec.resources.limits.to_dict() == {"cpu": "2", "memory": "1073741824"}


def test_slice_round_trips() -> None:
    scanner = {
        "name": "lucknow-0001",
        "thingName": "kind_prod_lucknow-0001",
        "state": "CertificateRequested",
        "keyGeneration": 2,
        "requestedAt": "2026-01-02T03:04:05Z",
    }
    obj = {
        "apiVersion": "tracetrack.io/v1alpha1",
        "kind": "ScannerSlice",
        "metadata": {"name": "lucknow-0", "namespace": "prod"},
        "fleetRef": {"name": "lucknow", "uid": "u-2"},
        "index": 0,
        "scanners": [scanner],
    }
    parsed = ScannerSlice.parse(deepcopy(obj))
    assert parsed.scanners[0].state is ScannerState.CERTIFICATE_REQUESTED
    assert parsed.to_dict()["scanners"] == [scanner]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_sample_fits_the_models(sample: Path) -> None:
    kinds = {resource.info.kind: resource for resource in RESOURCES}
    ours = [obj for obj in yaml.safe_load_all(sample.read_text()) if obj["kind"] in kinds]
    assert ours
    for obj in ours:
        obj["metadata"]["namespace"] = "default"
        assert kinds[obj["kind"]].parse(obj).metadata.name == obj["metadata"]["name"]


def test_samples_hold_no_password() -> None:
    for sample in SAMPLES:
        for obj in yaml.safe_load_all(sample.read_text()):
            assert obj.get("stringData", {}).get("password", "REPLACE_ME") == "REPLACE_ME", sample


@pytest.mark.parametrize(
    ("python", "api"),
    [
        ("target_cpu_utilization_percentage", "targetCPUUtilizationPercentage"),
        ("allocated_storage_gib", "allocatedStorageGiB"),
        ("multi_az", "multiAZ"),
        ("kms_key_id", "kmsKeyId"),
        ("url", "url"),
    ],
)
def test_field_names(python: str, api: str) -> None:
    assert api_name(python) == api


def test_importing_the_models_needs_no_client() -> None:
    program = (
        "import sys, tracetrack_operator.api; print(*{'kopf', 'kubernetes', 'boto3', 'yaml'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not done.stdout.strip()

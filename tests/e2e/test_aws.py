"""A deployment on RDS and ElastiCache: the app connects to what the operator created, and a deletion keeps the data."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest

from tests.demo.stage import AWS_REGION, Stage
from tests.e2e.waiting import eventually

NAME = "cloudy"


def _client(stage: Stage, service: Any) -> Any:
    return boto3.client(
        service,
        endpoint_url=stage.aws_url,
        region_name=AWS_REGION,
        aws_access_key_id="emulator",
        aws_secret_access_key="emulator",
    )


@pytest.mark.timeout(400)
def test_rds_and_elasticache_from_yaml_to_final_snapshot(tracetrack: Stage) -> None:
    manifest = {
        "apiVersion": "tracetrack.io/v1alpha1",
        "kind": "TraceTrackDeployment",
        "metadata": {"name": NAME, "namespace": "default"},
        "spec": {
            "version": "0.1.0",
            "scaling": {"minReplicas": 1, "maxReplicas": 1},
            "database": {"provider": "RDS", "rds": {"multiAZ": False}},
            "cache": {"provider": "ElastiCache", "elasticache": {"replicas": 0}},
        },
    }
    rds = _client(tracetrack, "rds")
    tracetrack.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
    try:
        tracetrack.wait_condition("ttd", NAME, "default", 180)
        instance = rds.describe_db_instances(DBInstanceIdentifier=f"demo-default-{NAME}")["DBInstances"][0]
        tags = {tag["Key"]: tag["Value"] for tag in instance["TagList"]}
        assert tags["tracetrack.io/uid"] == tracetrack.get("ttd", NAME)["metadata"]["uid"]
        binding = tracetrack.secret("default", f"{NAME}-database-binding")
        assert (binding["host"], binding["port"]) == (
            instance["Endpoint"]["Address"],
            str(instance["Endpoint"]["Port"]),
        )
        assert binding["sslmode"] == "verify-full"
        ready = tracetrack.kubectl("get", "--raw", f"/api/v1/namespaces/default/services/{NAME}-app:80/proxy/ready")
        assert json.loads(ready)["status"] == "ready"
    finally:
        tracetrack.kubectl("delete", "ttd", NAME, "--timeout=180s")
    identifiers = [item["DBInstanceIdentifier"] for item in rds.describe_db_instances()["DBInstances"]]
    assert f"demo-default-{NAME}" not in identifiers
    snapshots = rds.describe_db_snapshots()["DBSnapshots"]
    assert [s["Status"] for s in snapshots if s["DBInstanceIdentifier"] == f"demo-default-{NAME}"] == ["available"]
    eventually(lambda: not tracetrack.kubectl("get", "secrets", "-o", "name").count(f"secret/{NAME}-"), 60)

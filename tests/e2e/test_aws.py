"""A deployment on RDS and ElastiCache: the app connects to what the operator created, and a deletion keeps the data."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
import yaml

from tests.cluster.paths import ROOT
from tests.demo.stage import Stage
from tests.e2e.leaks import leaks, secret_values, texts
from tests.e2e.waiting import eventually

pytestmark = pytest.mark.aside
NAME = "cloudy"
SAMPLE = ROOT / "crds" / "samples" / "deployment-rds.yaml"


def _client(stage: Stage, service: Any, region: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=stage.aws_url,
        region_name=region,
        aws_access_key_id="emulator",
        aws_secret_access_key="emulator",
    )


@pytest.mark.timeout(400)
def test_rds_and_elasticache_from_yaml_to_final_snapshot(tracetrack: Stage, cluster_namespace: str) -> None:
    identifier = f"demo-{cluster_namespace}-{NAME}"
    manifest = yaml.safe_load(SAMPLE.read_text())
    manifest["metadata"] |= {"name": NAME, "namespace": cluster_namespace}
    # One pod is all that the node has room for beside the demo.
    manifest["spec"]["scaling"] = {"minReplicas": 1, "maxReplicas": 1}
    manifest["spec"]["database"]["rds"]["deletionProtection"] = False
    rds = _client(tracetrack, "rds", manifest["spec"]["aws"]["region"])
    tracetrack.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
    try:
        tracetrack.wait_condition("ttd", NAME, cluster_namespace, 180)
        instance = rds.describe_db_instances(DBInstanceIdentifier=identifier)["DBInstances"][0]
        tags = {tag["Key"]: tag["Value"] for tag in instance["TagList"]}
        assert tags["tracetrack.io/uid"] == tracetrack.get("ttd", NAME, "-n", cluster_namespace)["metadata"]["uid"]
        binding = tracetrack.secret(cluster_namespace, f"{NAME}-database-binding")
        assert (binding["host"], binding["port"]) == (
            instance["Endpoint"]["Address"],
            str(instance["Endpoint"]["Port"]),
        )
        assert binding["sslmode"] == "verify-full"
        service = f"/api/v1/namespaces/{cluster_namespace}/services/{NAME}-app:80"
        ready = tracetrack.kubectl("get", "--raw", f"{service}/proxy/ready")
        assert json.loads(ready)["status"] == "ready"
        secrets = secret_values(tracetrack, cluster_namespace)
        assert {f"{NAME}-database-binding", f"{NAME}-cache-binding"} <= {w.split("/")[0] for w in secrets.values()}
        assert leaks(secrets, texts(tracetrack)) == []
    finally:
        tracetrack.kubectl("delete", "ttd", NAME, "-n", cluster_namespace, "--timeout=180s")
    identifiers = [item["DBInstanceIdentifier"] for item in rds.describe_db_instances()["DBInstances"]]
    assert [name for name in identifiers if name.startswith(identifier)] == []
    snapshots = rds.describe_db_snapshots()["DBSnapshots"]
    assert [s["Status"] for s in snapshots if s["DBInstanceIdentifier"] == identifier] == ["available"]
    caches = _client(tracetrack, "elasticache", manifest["spec"]["aws"]["region"])
    snapshots = caches.describe_snapshots(ReplicationGroupId=identifier[:40])["Snapshots"]
    assert [s["SnapshotStatus"] for s in snapshots] == ["available"]
    ours = ("get", "secrets", "-n", cluster_namespace, "-o", "name")
    eventually(lambda: f"secret/{NAME}-" not in tracetrack.kubectl(*ours), 60)

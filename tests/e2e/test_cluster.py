"""The cluster itself: what everything else takes for granted."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.cluster import images
from tests.cluster.kindcluster import KindCluster
from tests.cluster.paths import HERE as SCRIPTS
from tests.cluster.run import StageError

pytestmark = pytest.mark.aside
PROBE = "stage-probe:local"
PROBE_SOURCE = Path(__file__).parent / "probe"
_SECURITY = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
_POD_SECURITY = {"runAsNonRoot": True, "fsGroup": 10001, "seccompProfile": {"type": "RuntimeDefault"}}


@pytest.fixture(scope="module", autouse=True)
def _probe(cluster: KindCluster) -> None:
    images.build(PROBE, PROBE_SOURCE)
    images.load([PROBE], cluster.name)


def _pod(volume: Mapping[str, object]) -> dict[str, object]:
    container = {
        "name": "probe",
        "image": PROBE,
        "imagePullPolicy": "Never",
        "securityContext": _SECURITY,
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
        "volumeMounts": [{"name": "data", "mountPath": "/tmp"}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "probe", "labels": {"app": "probe"}},
        "spec": {
            "securityContext": _POD_SECURITY,
            "terminationGracePeriodSeconds": 0,
            "containers": [container],
            "volumes": [{"name": "data", **volume}],
        },
    }


def _start(cluster: KindCluster, namespace: str, *objects: Mapping[str, object]) -> None:
    cluster.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    items = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    cluster.kubectl("-n", namespace, "apply", "-f", "-", stdin=items)
    cluster.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/probe", "--timeout=90s")


def _service(**spec: object) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "probe"},
        "spec": {"selector": {"app": "probe"}, **spec},
    }


def test_metrics_server_measures_the_node(cluster: KindCluster) -> None:
    name, cpu, _, memory, *_ = cluster.kubectl("top", "nodes", "--no-headers").split()
    assert name == cluster.node
    assert int(cpu.removesuffix("m")) > 0
    assert int(memory.removesuffix("Mi")) > 100


def test_claim_binds_and_a_non_root_pod_writes_to_it(cluster: KindCluster, cluster_namespace: str) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": spec}
    _start(cluster, cluster_namespace, claim, _pod({"persistentVolumeClaim": {"claimName": "data"}}))
    execute = ["-n", cluster_namespace, "exec", "probe", "--", "sh", "-c"]
    assert cluster.kubectl(*execute, "id -u && echo kept >/tmp/file && cat /tmp/file").split() == ["10001", "kept"]

    cluster.kubectl("-n", cluster_namespace, "delete", "pod", "probe")
    again = json.dumps(_pod({"persistentVolumeClaim": {"claimName": "data"}}))
    cluster.kubectl("-n", cluster_namespace, "apply", "-f", "-", stdin=again)
    cluster.kubectl("-n", cluster_namespace, "wait", "--for=condition=Ready", "pod/probe", "--timeout=90s")
    assert cluster.kubectl(*execute, "cat /tmp/file").strip() == "kept"


def test_service_is_found_by_name_and_answers(cluster: KindCluster, cluster_namespace: str) -> None:
    _start(cluster, cluster_namespace, _service(ports=[{"port": 80, "targetPort": 8080}]), _pod({"emptyDir": {}}))
    fetch = (
        "import urllib.request as u, time\n"
        "for _ in range(50):\n"
        f"  try: print(u.urlopen('http://probe.{cluster_namespace}.svc/', timeout=2).status); break\n"
        "  except OSError as error: last = error; time.sleep(.2)\n"
        "else: raise last"
    )
    assert cluster.kubectl("-n", cluster_namespace, "exec", "probe", "--", "python3", "-c", fetch).strip() == "200"


def test_node_port_is_reachable_from_the_host(cluster: KindCluster, cluster_namespace: str) -> None:
    ports = [{"port": 80, "targetPort": 8080, "nodePort": 30999}]
    _start(cluster, cluster_namespace, _service(type="NodePort", ports=ports), _pod({"emptyDir": {}}))
    url, end = cluster.spare_url, time.monotonic() + 20
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                assert answer.status == 200
                return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def test_image_is_neither_built_nor_loaded_twice(cluster: KindCluster) -> None:
    command: list[str | Path] = [
        SCRIPTS / "build-image",
        PROBE,
        PROBE_SOURCE,
        "--cluster",
        cluster.name,
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.startswith("sha256:")
    assert done.stderr == ""


def test_what_the_cluster_refuses_is_told(cluster: KindCluster, cluster_namespace: str) -> None:
    cluster.kubectl("label", "namespace", cluster_namespace, "pod-security.kubernetes.io/enforce=restricted")
    with pytest.raises(StageError, match="violates PodSecurity"):
        cluster.kubectl("-n", cluster_namespace, "run", "root", f"--image={PROBE}")

"""What a cluster looked like when a test failed: it is gone by the time that somebody reads of it."""

from __future__ import annotations

from tests.cluster.kindcluster import KindCluster
from tests.cluster.run import StageError
from tests.demo.stage import SYSTEM_NAMESPACE

_LINES = 40


def explain(cluster: KindCluster) -> str:
    """Node, pods, our objects, what the pods that are not ready say of themselves, and the latest Events."""
    parts = [
        _say(cluster, "describe", "nodes", last=30),
        _say(cluster, "top", "pods", "-A"),
        _say(cluster, "get", "pods,hpa,ttd,sf", "-A", "-o", "wide", last=80),
    ]
    for namespace, pod in _unready(cluster)[:4]:
        parts.append(_say(cluster, "describe", "pod", pod, "-n", namespace))
        parts.append(_say(cluster, "logs", pod, "-n", namespace, "--tail=20"))
        parts.append(_say(cluster, "logs", pod, "-n", namespace, "--previous", "--tail=20"))
    parts.append(_say(cluster, "logs", "-n", SYSTEM_NAMESPACE, "deploy/tracetrack-operator", "--tail=20"))
    parts.append(_say(cluster, "get", "events", "-A", "--sort-by=.lastTimestamp"))
    return "\n\n".join(parts)


def _say(cluster: KindCluster, *arguments: str, last: int = _LINES) -> str:
    try:
        text = cluster.kubectl(*arguments)
    except StageError as error:
        text = str(error)
    return "\n".join([f"$ kubectl {' '.join(arguments)}", *text.splitlines()[-last:]])


def _unready(cluster: KindCluster) -> list[tuple[str, str]]:
    """(namespace, name) of the pods that are to run and are not ready."""
    try:
        pods = cluster.get("pods", "-A")["items"]
    except StageError:
        return []
    return [
        (pod["metadata"]["namespace"], pod["metadata"]["name"])
        for pod in pods
        if pod["status"]["phase"] != "Succeeded"
        and not any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))
    ]

"""Looks for what Secrets hold wherever else the cluster keeps or says something."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

from tests.cluster.run import StageError
from tests.demo.stage import Stage

NOT_SECRET = {
    *("type", "provider", "host", "port", "database", "username", "sslmode", "tls", "ca.crt", "endpoint"),
    *("replica-host", "replica-port"),
}
NOT_SECRET_ENDINGS = (".crt", "settings.json")
_KINDS = (
    "ttd,sf,ss,deploy,rs,sts,ds,controllerrevisions,po,svc,cm,sa,hpa,pdb,ing,netpol,pvc,events,endpointslices,jobs,"
    "cronjobs,leases,roles,rolebindings"
)
_KINDS_OF_THE_CLUSTER = "namespaces,nodes,pv,clusterroles,clusterrolebindings,apiservices"
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def secret_values(stage: Stage, *namespaces: str) -> dict[str, str]:
    """Every secret value of these namespaces that is long enough to be looked for, with where it is kept."""
    found: dict[str, str] = {}
    for namespace in namespaces:
        for secret in stage.get("secrets", "-n", namespace)["items"]:
            if secret["type"].startswith(("helm.sh/", "kubernetes.io/")):
                continue
            for key, value in (secret.get("data") or {}).items():
                text = base64.b64decode(value).decode(errors="replace").strip()
                if key in NOT_SECRET or key.endswith(NOT_SECRET_ENDINGS) or len(text) < 12:
                    continue
                where = f"{secret['metadata']['name']}/{key}"
                for part in _parts(text):
                    found[part] = where
    return found


def _parts(text: str) -> list[str]:
    """The value itself, or what is secret inside a key file or a JSON document."""
    if text.startswith("{"):
        document = json.loads(text)
        return [key["secret"] for key in document.get("signingKeys", [])]
    if "PRIVATE KEY" in text:
        return [max(text.splitlines(), key=len)]
    return [text]


def encoded(value: str) -> str:
    """The beginning that `value` has in base64, whatever comes behind it."""
    data = value.encode()
    return base64.b64encode(data[: len(data) // 3 * 3]).decode()


def texts(stage: Stage) -> dict[str, str]:
    """What the cluster tells to whoever may not read Secrets, by place: objects, Events, Secrets' metadata and logs."""
    found = {
        "objects": stage.kubectl("get", _KINDS, "-A", "-o", "yaml"),
        "objects of the cluster": stage.kubectl("get", _KINDS_OF_THE_CLUSTER, "-o", "yaml"),
        "metadata of Secrets": json.dumps([_metadata(item) for item in stage.get("secrets", "-A")["items"]]),
    }
    for pod in stage.get("pods", "-A")["items"]:
        found.update(_logs(stage, pod))
    return found


def leaks(secrets: dict[str, str], places: dict[str, str]) -> list[str]:
    """Which of the values are in which place, as they are or in base64."""
    return sorted(
        {
            f"{where} in {place}"
            for place, text in places.items()
            for value, where in secrets.items()
            if value in text or encoded(value) in text
        }
    )


def _metadata(secret: dict[str, Any]) -> dict[str, Any]:
    """Without the copy of the whole Secret that `kubectl apply` keeps in it."""
    metadata = secret["metadata"]
    kept = {name: text for name, text in metadata.get("annotations", {}).items() if name != _LAST_APPLIED}
    return {**metadata, "annotations": kept}


def _logs(stage: Stage, pod: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The logs of a pod's containers, and of those that ran before them; pods of other tests may go meanwhile."""
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    statuses = pod["status"].get("initContainerStatuses", []) + pod["status"].get("containerStatuses", [])
    for status in statuses:
        for before in (False, True):
            if before and not status["restartCount"]:
                continue
            words = ("logs", "-n", namespace, name, "-c", status["name"], "--tail=-1", f"--previous={before}".lower())
            try:
                yield f"log of {name}/{status['name']}{', before' if before else ''}", stage.kubectl(*words)
            except StageError:
                continue

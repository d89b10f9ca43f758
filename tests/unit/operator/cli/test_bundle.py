"""A support bundle from a cluster with an operator's pod in it."""

from __future__ import annotations

import base64
import tarfile
from argparse import Namespace
from pathlib import Path
from typing import Any

from tests.unit.operator.deployment.factory import owner
from tracetrack_operator.api.constants import LABEL_DEPLOYMENT
from tracetrack_operator.cli import bundle
from tracetrack_operator.cli.installation import SELECTOR
from tracetrack_operator.engine.errors import RetryableError
from tracetrack_operator.engine.objects import Object

PASSWORD = "tr0ub4dor-and-3"


class Cluster:
    """Namespace `shop`; a deployment whose Secret's value stands in the operator's log; little else may be read."""

    namespace = "shop"

    @property
    def kube(self) -> Cluster:
        return self

    async def deployment(self, name: str) -> Object:
        return owner()

    async def list_or_none(self, *_: Any) -> None:
        return None

    async def list(self, kind: str, namespace: str = "", label_selector: str = "") -> list[Object]:
        if kind == "Secret":
            labels = {LABEL_DEPLOYMENT: "demo"}
            data = {"password": base64.b64encode(PASSWORD.encode()).decode()}
            return [{"kind": "Secret", "metadata": {"name": "demo-credentials", "labels": labels}, "data": data}]
        if (kind, namespace, label_selector) == ("Pod", "tracetrack-system", SELECTOR):
            return [{"kind": "Pod", "metadata": {"name": "tracetrack-operator-0"}}]
        if kind == "Event":
            about = [{"involvedObject": {"name": name}} for name in ("demo", "demo-app-1", "demolition")]
            return [{"kind": "Event", "metadata": {"name": f"e{n}"}, **each} for n, each in enumerate(about)]
        raise RetryableError("Forbidden", f"may not list {kind}")

    async def log(self, namespace: str, pod: str, lines: int) -> str:
        return f"{namespace}/{pod}: login with {PASSWORD} refused"


async def test_what_can_be_read_is_in_it_and_what_can_not_is_told(tmp_path: Path) -> None:
    path = tmp_path / "demo.tar.gz"
    options = Namespace(name="demo", filename=str(path), operator_namespace="tracetrack-system", region=None)
    cluster: Any = Cluster()
    found = await bundle.run(cluster, options)
    with tarfile.open(path) as archive:
        files = {
            entry.name.partition("/")[2]: archive.extractfile(entry).read().decode()  # type: ignore[union-attr]
            for entry in archive.getmembers()
        }
    assert files["operator/tracetrack-operator-0.log"] == (
        "tracetrack-system/tracetrack-operator-0: login with (redacted) refused"
    )
    assert not any(PASSWORD in text or base64.b64encode(PASSWORD.encode()).decode() in text for text in files.values())
    assert "demo-credentials" in files["objects/secrets.json"]
    assert files["events.json"].count('"e') == 2
    assert "objects/pods.json: may not list Pod" in files["missing.txt"]
    assert any(
        each.startswith("plan.json: the operator's Deployment may not be looked for") for each in found["missing"]
    )

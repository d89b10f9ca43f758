"""No secret value is found anywhere but in Secrets: not in objects, Events, logs or image layers."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import engine
from tests.demo.stage import IMAGES, SYSTEM_NAMESPACE, Stage

NAMESPACES = ("default", SYSTEM_NAMESPACE, "tracetrack-aws")
NOT_SECRET = {"type", "provider", "host", "port", "database", "username", "sslmode", "tls", "ca.crt", "endpoint"}
PRIVATE_KEY = re.compile(rb"-----BEGIN (EC |RSA |ENCRYPTED )?PRIVATE KEY-----\n[A-Za-z0-9+/]{40}")
NOT_SECRET_ENDINGS = (".crt", "settings.json")


def _secrets(stage: Stage) -> dict[str, str]:
    """Every secret value in the cluster that is long enough to be looked for, with where it is kept."""
    found: dict[str, str] = {}
    for namespace in ("default", SYSTEM_NAMESPACE):
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


def _haystacks(stage: Stage) -> dict[str, str]:
    kinds = "ttd,sf,ss,deploy,rs,sts,po,svc,cm,sa,hpa,pdb,ing,netpol,pvc,events,endpointslices,jobs"
    texts = {f"objects in {n}": stage.kubectl("get", kinds, "-n", n, "-o", "yaml") for n in NAMESPACES}
    for namespace in NAMESPACES:
        for pod in stage.get("pods", "-n", namespace)["items"]:
            name = pod["metadata"]["name"]
            texts[f"log of {name}"] = stage.kubectl("logs", "-n", namespace, name, "--all-containers", "--tail=-1")
    return texts


def test_no_secret_outside_of_secrets(tracetrack: Stage) -> None:
    secrets = _secrets(tracetrack)
    kept_in = {where.split("/")[0] for where in secrets.values()}
    for expected in ("demo-admin", "demo-session", "demo-database-binding", "demo-cache-binding", "lucknow-0"):
        assert expected in kept_in, f"the search covers no value of Secret {expected}: {sorted(kept_in)}"
    texts = _haystacks(tracetrack)
    assert any(place.startswith("log of demo-app") for place in texts)
    leaks = sorted(
        {f"{where} in {place}" for place, text in texts.items() for s, where in secrets.items() if s in text}
    )
    encoded = {base64.b64encode(s.encode()).decode(): where for s, where in secrets.items()}
    leaks += sorted({f"{w} in {place}" for place, text in texts.items() for s, w in encoded.items() if s in text})
    assert leaks == []


@pytest.mark.aside
def test_no_secret_in_an_image_layer(tracetrack: Stage, tmp_path: Path) -> None:
    """Every file of every layer, as a registry would be sent it: deleted in a later layer is still shipped."""
    secrets = [secret.encode() for secret in _secrets(tracetrack)]
    for image in (name for name in IMAGES if not name.startswith("tracetrack-aws")):
        archive = tmp_path / "image.tar"
        subprocess.run([engine.docker(), "save", "-o", archive, image], check=True)
        files = 0
        for path, content in _files(archive):
            files += 1
            assert not PRIVATE_KEY.search(content), f"{image}: a private key in {path}"
            assert not [needle for needle in secrets if needle in content], f"{image}: a secret value in {path}"
        assert files > 1000, f"only {files} files of {image} were read"
        archive.unlink()


def _files(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Path and content of the files in all layers of a saved image, and of its configuration."""
    with tarfile.open(archive) as image:
        for blob in image:
            content = image.extractfile(blob)
            if content is None:
                continue
            data = content.read()
            try:
                with tarfile.open(fileobj=io.BytesIO(data)) as layer:
                    yield from _members(layer)
            except tarfile.ReadError:
                yield blob.name, data


def _members(layer: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    for member in layer:
        file = layer.extractfile(member) if member.isfile() else None
        if file is not None:
            yield member.name, file.read()

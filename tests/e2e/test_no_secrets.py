"""No secret value is found anywhere but in Secrets: not in objects, Events, logs or image layers.

conftest.py puts this file at the end of each lane, when there is most to be found.
"""

from __future__ import annotations

import io
import re
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import engine
from tests.demo.stage import IMAGES, SYSTEM_NAMESPACE, Stage
from tests.e2e.leaks import encoded, leaks, secret_values, texts

PRIVATE_KEY = re.compile(rb"-----BEGIN (EC |RSA |ENCRYPTED )?PRIVATE KEY-----\n[A-Za-z0-9+/]{40}")


def test_no_secret_outside_of_secrets(tracetrack: Stage) -> None:
    secrets = secret_values(tracetrack, "default", SYSTEM_NAMESPACE)
    kept_in = {where.split("/")[0] for where in secrets.values()}
    for expected in ("demo-admin", "demo-session", "demo-database-binding", "demo-cache-binding", "lucknow-0"):
        assert expected in kept_in, f"the search covers no value of Secret {expected}: {sorted(kept_in)}"
    places = texts(tracetrack)
    for expected in ("demo-app", "demo-database", "tracetrack-operator", "aws/aws"):
        logs = [text for place, text in places.items() if place.startswith(f"log of {expected}")]
        assert any(logs), f"no log of {expected} was read: {sorted(places)}"
    assert leaks(secrets, places) == []


@pytest.mark.aside
def test_no_secret_in_an_image_layer(tracetrack: Stage, tmp_path: Path) -> None:
    """Every file of every layer, as a registry would be sent it: deleted in a later layer is still shipped."""
    values = secret_values(tracetrack, "default", SYSTEM_NAMESPACE)
    needles = [text.encode() for value in values for text in (value, encoded(value))]
    for image in IMAGES:
        archive = tmp_path / "image.tar"
        subprocess.run([engine.docker(), "save", "-o", archive, image], check=True)
        files = 0
        for path, content in _files(archive):
            files += 1
            assert not PRIVATE_KEY.search(content), f"{image}: a private key in {path}"
            assert not [needle for needle in needles if needle in content], f"{image}: a secret value in {path}"
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

"""The Kubernetes API over kept connections, for many requests and for one long watch."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3

from tests.cluster.run import StageError

_HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}
_MERGE = "application/merge-patch+json"
_THREADS = 4


class Api:
    """Whoever the kubeconfig's client certificate says."""

    def __init__(self, kubeconfig: Path) -> None:
        config = json.loads(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        address = urlsplit(cluster["server"])
        self._pool = urllib3.HTTPSConnectionPool(
            str(address.hostname),
            address.port,
            maxsize=_THREADS + 1,
            ca_certs=cluster["certificate-authority"],
            cert_file=user["client-certificate"],
            key_file=user["client-key"],
            retries=False,
        )

    def request(self, method: str, path: str, body: object = None) -> Any:
        """JSON both ways; a PATCH is a merge patch. StageError with the server's words."""
        data = None if body is None else json.dumps(body)
        headers = {**_HEADERS, "Content-Type": _MERGE} if method == "PATCH" else _HEADERS
        answer = self._pool.request(method, path, body=data, headers=headers, timeout=60)
        if answer.status >= 300:
            raise StageError(f"{method} {path}: {answer.status}: {answer.data.decode()[:500]}")
        return json.loads(answer.data)

    def create(self, path: str, bodies: Sequence[dict[str, Any]]) -> list[float]:
        """POST them all, a few at a time; gives when each was sent (epoch seconds)."""

        def one(body: dict[str, Any]) -> float:
            sent = time.time()
            self.request("POST", path, body)
            return sent

        with ThreadPoolExecutor(_THREADS) as pool:
            return list(pool.map(one, bodies))

    def delete(self, path: str, names: Sequence[str]) -> None:
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(lambda name: self.request("DELETE", f"{path}/{name}"), names))

    def watch(self, path: str, version: str) -> Iterator[dict[str, Any]]:
        """The events after `version`, until the server ends the stream."""
        query = f"{path}?watch=1&resourceVersion={version}&timeoutSeconds=7200"
        answer = self._pool.request("GET", query, headers=_HEADERS, preload_content=False, timeout=7200)
        for line in answer:
            yield json.loads(line)

"""The Kubernetes API behind the engine's port."""

import time
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson
from kubernetes import client, config
from prometheus_client import Counter, Histogram

from ..api.constants import FIELD_MANAGER
from ..engine.errors import ReconcileError, RetryableError, TerminalError, WaitingError
from ..engine.objects import Object
from .kinds import KINDS, Kind
from .names import Names
from .transport import FAILURES, Transport

PAGE_SIZE = 250
REQUESTS = Counter(
    "tracetrack_operator_kube_requests_total", "Requests to the Kubernetes API.", ["verb", "kind", "code"]
)
REQUEST_DURATION = Histogram(
    "tracetrack_operator_kube_request_seconds", "Duration of Kubernetes API requests.", ["verb"]
)
_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
_APPLY = {"Content-Type": "application/apply-patch+yaml"}
_DELETE = {"Content-Type": "application/json"}
NO_HEADERS: Mapping[str, str] = {}

Event = tuple[str, Object]
Objects = list[Object]


def load_configuration(kubeconfig: Path | None = None) -> client.Configuration:
    """The in-cluster configuration, or the one of a kubeconfig file (KUBECONFIG when None); ValueError without any."""
    configuration = client.Configuration()
    try:
        if kubeconfig is not None:
            raise config.ConfigException
        config.load_incluster_config(client_configuration=configuration)
    except config.ConfigException:
        path = str(kubeconfig) if kubeconfig else None
        try:
            config.load_kube_config(config_file=path, client_configuration=configuration)
        except config.ConfigException as error:
            raise ValueError(
                f"no way to reach Kubernetes: run in a pod with a ServiceAccount token, or set KUBECONFIG ({error})"
            ) from None
    return configuration


class KubeClient:
    """`engine.ports.KubePort` over the Kubernetes API.

    `connections` bounds concurrent requests; every request ends within `transport.REQUEST_SECONDS`.
    """

    def __init__(self, configuration: client.Configuration, connections: int = 16) -> None:
        self._transport = Transport(configuration, connections)
        self._names = Names(self._list_names)

    async def get(self, kind: str, namespace: str, name: str) -> Object | None:
        found: Object | None
        _, found = await self._send("get", kind, "GET", _path(KINDS[kind], namespace, name), absent=True)
        return found

    async def find(self, kind: str, namespace: str, name: str) -> Object | None:
        try:
            taken = await self._names.taken(kind, namespace, name)
        except ReconcileError as error:
            if error.reason != "Forbidden":
                raise
            taken = True
        return await self.get(kind, namespace, name) if taken else None

    async def list(self, kind: str, namespace: str = "", label_selector: str = "") -> list[Object]:
        return [item async for page, _ in self.pages(kind, namespace, label_selector) for item in page]

    async def pages(
        self, kind: str, namespace: str = "", label_selector: str = ""
    ) -> AsyncIterator[tuple[Objects, str]]:
        """As `list`, some at a time, each with the resourceVersion that a watch goes on from after the last."""
        known = KINDS[kind]
        query = {"labelSelector": label_selector} if label_selector else {}
        async for page in self._pages("list", known, namespace, query, {}):
            for item in page["items"]:
                item["apiVersion"], item["kind"] = known.api_version, kind
                item["metadata"].pop("managedFields", None)
            yield page["items"], page["metadata"]["resourceVersion"]

    async def watch(
        self, kind: str, namespace: str, label_selector: str, version: str, seconds: int, silence: float
    ) -> AsyncIterator[Event]:
        """Events after `version` (the type, and the object), bookmarks among them, for at most `seconds`.

        An ERROR event ends it, and is how a version that is too old is told; so does `silence`, as a ReconcileError.
        """
        asked = urlencode(
            {
                "watch": "1",
                "allowWatchBookmarks": "true",
                "resourceVersion": version,
                "timeoutSeconds": str(seconds),
                **({"labelSelector": label_selector} if label_selector else {}),
            }
        )
        try:
            async for status, line in self._transport.stream(f"{_path(KINDS[kind], namespace)}?{asked}", silence):
                if status >= 300:
                    yield "ERROR", orjson.loads(line)
                    return
                event = orjson.loads(line)
                yield event["type"], event["object"]
        except FAILURES as error:
            told = str(error) or type(error).__name__
            raise RetryableError("KubernetesUnreachable", f"The watch of {kind} has broken off: {told}") from error

    async def apply(self, manifest: Object, *, field_manager: str = FIELD_MANAGER) -> Object:
        stored, _ = await self._apply("apply", manifest, "", field_manager, force=True)
        return stored

    async def create(self, manifest: Object, *, field_manager: str = FIELD_MANAGER) -> tuple[Object, bool]:
        return await self._apply("create", manifest, "", field_manager, force=False)

    async def apply_status(self, manifest: Object, *, field_manager: str = f"{FIELD_MANAGER}-status") -> Object:
        stored, _ = await self._apply("apply_status", manifest, "/status", field_manager, force=True)
        return stored

    async def delete(self, kind: str, namespace: str, name: str, *, uid: str, propagation: str = "Background") -> bool:
        body = {"preconditions": {"uid": uid}, "propagationPolicy": propagation}
        path = _path(KINDS[kind], namespace, name)
        _, gone = await self._send("delete", kind, "DELETE", path, _DELETE, body, absent=True)
        return gone is not None

    async def close(self) -> None:
        await self._transport.close()

    async def _pages(
        self, verb: str, kind: Kind, namespace: str, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> AsyncIterator[Any]:
        token: str | None = None
        while True:
            more = {"continue": token} if token else {}
            asked = urlencode({**query, "limit": str(PAGE_SIZE), **more})
            _, page = await self._send(verb, kind.kind, "GET", f"{_path(kind, namespace)}?{asked}", headers)
            yield page
            token = page["metadata"].get("continue")
            if not token:
                return

    async def _list_names(self, kind: str, namespace: str) -> frozenset[str]:
        # As a table, since whole objects would be a hundred times as much.
        pages = self._pages("names", KINDS[kind], namespace, {"includeObject": "None"}, {"Accept": _TABLE})
        return frozenset([row["cells"][0] async for page in pages for row in page["rows"]])

    async def _apply(
        self, verb: str, manifest: Object, subresource: str, field_manager: str, *, force: bool
    ) -> tuple[Object, bool]:
        """The object as stored, and whether it was made by this."""
        kind, namespace, name = manifest["kind"], manifest["metadata"]["namespace"], manifest["metadata"]["name"]
        path = f"{_path(KINDS[kind], namespace, name)}{subresource}"
        asked = urlencode({"fieldManager": field_manager, "force": str(force).lower()})
        try:
            status, stored = await self._send(verb, kind, "PATCH", f"{path}?{asked}", _APPLY, manifest)
        except ReconcileError:
            self._names.forget(kind, namespace)
            raise
        self._names.used(kind, namespace, name)
        return stored, status == HTTPStatus.CREATED

    async def _send(
        self,
        verb: str,
        kind: str,
        method: str,
        path: str,
        headers: Mapping[str, str] = NO_HEADERS,
        body: Object | None = None,
        *,
        absent: bool = False,
    ) -> tuple[int, Any]:
        """Status code and content; with `absent`, None where there is none of that name."""
        began = time.perf_counter()
        try:
            sent = orjson.dumps(body) if body is not None else None
            status, data = await self._transport.request(method, path, headers, sent)
        except FAILURES as error:
            REQUESTS.labels(verb, kind, "none").inc()
            told = str(error) or type(error).__name__
            raise RetryableError("KubernetesUnreachable", f"Cannot reach the Kubernetes API: {told}") from error
        REQUEST_DURATION.labels(verb).observe(time.perf_counter() - began)
        REQUESTS.labels(verb, kind, "200" if status < 300 else str(status)).inc()
        if status < 300:
            return status, orjson.loads(data)
        if status == 404 and absent:
            return status, None
        raise _sorted(status, data, verb, kind)


def _path(kind: Kind, namespace: str, name: str = "") -> str:
    root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    within = f"/namespaces/{namespace}" if kind.namespaced and namespace else ""
    return f"{root}{within}/{kind.plural}" + (f"/{name}" if name else "")


def _sorted(status: int, data: bytes, verb: str, kind: str) -> ReconcileError:
    try:
        message = orjson.loads(data)["message"]
    except (TypeError, ValueError, KeyError):
        message = f"HTTP status {status}"
    text = f"The Kubernetes API refused to {verb} a {kind}: {message}"
    if status == 403 and "because it is being terminated" in message:
        return WaitingError("NamespaceTerminating", text, retry_after=10.0)
    if status == 403 and "exceeded quota" in message:
        return RetryableError("QuotaExceeded", text, "Raise the namespace's ResourceQuota or free what it counts.")
    if status == 403:
        return RetryableError("Forbidden", text, "Grant it in the operator's ClusterRole (the chart does by default).")
    if status in (400, 422):
        return TerminalError("Invalid", text, "Correct the field that the message names.")
    if status == 404:
        return RetryableError("NotFound", text, "Check that the namespace exists and the CRDs are installed.")
    if status == 409:
        return RetryableError("Conflict", text)
    return RetryableError("KubernetesError", text)

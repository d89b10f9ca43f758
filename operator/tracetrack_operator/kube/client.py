"""The official client behind the engine's five methods, in a thread pool of its own."""

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import urllib3
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.resource import Resource
from prometheus_client import Counter, Histogram

from ..api.constants import FIELD_MANAGER
from ..engine.errors import ReconcileError, RetryableError, TerminalError, WaitingError
from ..engine.objects import Object
from .kinds import KINDS, Kind

REQUEST_SECONDS = 30.0
PAGE_SIZE = 500
REQUESTS = Counter(
    "tracetrack_operator_kube_requests_total", "Requests to the Kubernetes API.", ["verb", "kind", "code"]
)
REQUEST_DURATION = Histogram(
    "tracetrack_operator_kube_request_seconds", "Duration of Kubernetes API requests.", ["verb"]
)


class _FixedResources:
    """Stands in for discovery: the kinds are known, so no request is spent on finding them."""

    def __init__(self, dynamic: DynamicClient, _cache_file: str | None) -> None:
        self._dynamic = dynamic

    def resource(self, kind: Kind) -> Resource:
        return Resource(
            prefix="apis" if kind.group else "api",
            group=kind.group,
            api_version=kind.version,
            kind=kind.kind,
            namespaced=True,
            name=kind.plural,
            client=self._dynamic,
        )


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

    `threads` bounds concurrent requests; every request ends within `REQUEST_SECONDS`.
    """

    def __init__(self, configuration: client.Configuration, threads: int = 8) -> None:
        configuration.connection_pool_maxsize = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="kube")
        self._dynamic = DynamicClient(client.ApiClient(configuration), discoverer=_FixedResources)
        self._resources = {name: self._dynamic.resources.resource(kind) for name, kind in KINDS.items()}

    async def get(self, kind: str, namespace: str, name: str) -> Object | None:
        resource = self._resources[kind]
        found: Object | None = await self._run(
            "get", kind, lambda: self._dynamic.get(resource, name=name, namespace=namespace, **_RAW), missing=None
        )
        return found

    async def list(self, kind: str, namespace: str = "", label_selector: str = "") -> list[Object]:
        items: list[Object] = []
        token: str | None = None
        known = KINDS[kind]
        while True:
            page = await self._run("list", kind, partial(self._page, kind, namespace, label_selector, token))
            for item in page["items"]:
                item["apiVersion"], item["kind"] = known.api_version, kind
            items += page["items"]
            token = page["metadata"].get("continue")
            if not token:
                return items

    async def apply(self, manifest: Object, *, field_manager: str = FIELD_MANAGER) -> Object:
        return await self._apply("apply", self._resources[manifest["kind"]], manifest, field_manager)

    async def apply_status(self, manifest: Object, *, field_manager: str = f"{FIELD_MANAGER}-status") -> Object:
        resource = self._resources[manifest["kind"]]
        return await self._apply("apply_status", _StatusOf(resource), manifest, field_manager)

    async def delete(self, kind: str, namespace: str, name: str, *, uid: str, propagation: str = "Background") -> bool:
        resource = self._resources[kind]
        body = {"preconditions": {"uid": uid}, "propagationPolicy": propagation}
        gone = await self._run(
            "delete",
            kind,
            lambda: self._dynamic.delete(resource, name=name, namespace=namespace, body=body, **_RAW),
            missing=None,
        )
        return gone is not None

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _page(self, kind: str, namespace: str, label_selector: str, token: str | None) -> Any:
        return self._dynamic.get(
            self._resources[kind],
            namespace=namespace or None,
            label_selector=label_selector or None,
            limit=PAGE_SIZE,
            _continue=token,
            **_RAW,
        )

    async def _apply(self, verb: str, resource: Any, manifest: Object, field_manager: str) -> Object:
        metadata = manifest["metadata"]
        stored: Object = await self._run(
            verb,
            manifest["kind"],
            lambda: self._dynamic.server_side_apply(
                resource,
                body=manifest,
                name=metadata["name"],
                namespace=metadata["namespace"],
                field_manager=field_manager,
                force_conflicts=True,
                **_RAW,
            ),
        )
        return stored

    async def _run(self, verb: str, kind: str, request: Callable[[], Any], **fallback: Any) -> Any:
        def call() -> Any:
            with REQUEST_DURATION.labels(verb).time():
                return json.loads(request().data)

        try:
            answer = await asyncio.get_running_loop().run_in_executor(self._pool, call)
        except ApiException as error:
            REQUESTS.labels(verb, kind, str(error.status)).inc()
            if error.status == 404 and "missing" in fallback:
                return fallback["missing"]
            raise _sorted(error, verb, kind) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            REQUESTS.labels(verb, kind, "none").inc()
            raise RetryableError("KubernetesUnreachable", f"Cannot reach the Kubernetes API: {error}") from error
        REQUESTS.labels(verb, kind, "200").inc()
        return answer


_RAW: dict[str, Any] = {"serialize": False, "_request_timeout": REQUEST_SECONDS}


class _StatusOf:
    """The status subresource of a resource, as the dynamic client's request methods want it."""

    namespaced = True

    def __init__(self, resource: Resource) -> None:
        self._resource = resource
        self.group_version = resource.group_version
        self.kind = resource.kind

    def path(self, name: str | None = None, namespace: str | None = None) -> str:
        path: str = self._resource.path(name=name, namespace=namespace)
        return f"{path}/status"


def _sorted(error: ApiException, verb: str, kind: str) -> ReconcileError:
    try:
        message = json.loads(error.body or "")["message"]
    except (TypeError, ValueError, KeyError):
        message = str(error.reason)
    text = f"The Kubernetes API refused to {verb} a {kind}: {message}"
    if error.status == 403 and "because it is being terminated" in message:
        return WaitingError("NamespaceTerminating", text, retry_after=10.0)
    if error.status == 403 and "exceeded quota" in message:
        return RetryableError("QuotaExceeded", text, "Raise the namespace's ResourceQuota or free what it counts.")
    if error.status == 403:
        return RetryableError("Forbidden", text, "Grant it in the operator's ClusterRole (the chart does by default).")
    if error.status in (400, 422):
        return TerminalError("Invalid", text, "Correct the field that the message names.")
    if error.status == 404:
        return RetryableError("NotFound", text, "Check that the namespace exists and the CRDs are installed.")
    if error.status == 409:
        return RetryableError("Conflict", text)
    return RetryableError("KubernetesError", text)

"""The user's way into a cluster: a kubeconfig, a context, a namespace."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import urllib3
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from ..api.constants import GROUP, VERSION
from ..engine.errors import ReconcileError
from ..engine.objects import Object, annotations_of
from ..kube.client import KubeClient
from ..kube.kinds import KINDS
from .errors import CliError, ConflictError

FIELD_MANAGER = "kubectl-tracetrack"
DEPLOYMENT = "TraceTrackDeployment"
_TRIES = 10
SERVICE_ACCOUNT_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class Cluster:
    """Reads by `kube`; the few writes of a person are methods here."""

    def __init__(self, configuration: client.Configuration, namespace: str) -> None:
        self.namespace = namespace
        self.kube = KubeClient(configuration)
        self._api = client.ApiClient(configuration)

    @classmethod
    def open(cls, kubeconfig: str | None, context: str | None, namespace: str | None) -> Cluster:
        """Raises CliError when there is no way into a cluster."""
        configuration = client.Configuration()
        try:
            config.load_kube_config(config_file=kubeconfig, context=context, client_configuration=configuration)
            contexts, active = config.list_kube_config_contexts(config_file=kubeconfig)
        except config.ConfigException as error:
            return cls._inside(configuration, namespace, error, kubeconfig or context)
        chosen = next((each for each in contexts if each["name"] == context), active) if context else active
        return cls(configuration, namespace or chosen["context"].get("namespace") or "default")

    @classmethod
    def _inside(
        cls, configuration: client.Configuration, namespace: str | None, error: Exception, named: str | None
    ) -> Cluster:
        try:
            if named:
                raise config.ConfigException
            config.load_incluster_config(client_configuration=configuration)
        except config.ConfigException:
            raise CliError(
                f"no way to reach Kubernetes: {str(error).rstrip('.')}. Name a kubeconfig with --kubeconfig."
            ) from None
        own = SERVICE_ACCOUNT_NAMESPACE.read_text().strip() if SERVICE_ACCOUNT_NAMESPACE.exists() else "default"
        return cls(configuration, namespace or own)

    async def deployment(self, name: str) -> Object:
        """Raises CliError when there is none of that name."""
        found = await self.kube.get(DEPLOYMENT, self.namespace, name)
        if found is None:
            raise CliError(
                f"TraceTrackDeployment {name} does not exist in namespace {self.namespace}: "
                "name another namespace with -n, or see kubectl get ttd -A."
            )
        return found

    async def list_or_none(self, kind: str, namespace: str | None = None, selector: str = "") -> list[Object] | None:
        """None where the user may not list them."""
        try:
            return await self.kube.list(kind, self.namespace if namespace is None else namespace, selector)
        except ReconcileError as error:
            if error.reason == "Forbidden":
                return None
            raise

    async def would_be(self, manifest: Object) -> Object:
        """A TraceTrackDeployment as the API server would store it: defaulted and validated; nothing is stored."""
        metadata = manifest["metadata"]
        name, namespace = metadata["name"], metadata.get("namespace") or self.namespace
        for _ in range(_TRIES - 1):
            with contextlib.suppress(ConflictError):
                return await self._would_be(manifest, namespace, name)
        return await self._would_be(manifest, namespace, name)

    async def _would_be(self, manifest: Object, namespace: str, name: str) -> Object:
        metadata = manifest["metadata"]
        live = await self.kube.get(DEPLOYMENT, namespace, name)
        api, where = client.CustomObjectsApi(self._api), (GROUP, VERSION, namespace, KINDS[DEPLOYMENT].plural)
        if live is None:
            body = {**manifest, "metadata": {**metadata, "namespace": namespace}}
            return await self._ask(lambda: api.create_namespaced_custom_object(*where, body, dry_run="All"))
        kept = live["metadata"]
        body = {
            **live,
            "spec": manifest["spec"],
            "metadata": {
                **kept,
                **{
                    key: {**(kept.get(key) or {}), **(metadata.get(key) or {})}
                    for key in ("labels", "annotations")
                    if kept.get(key) or metadata.get(key)
                },
            },
        }
        return await self._ask(lambda: api.replace_namespaced_custom_object(*where, name, body, dry_run="All"))

    async def create(self, manifest: Object) -> Object:
        """Make a TraceTrackDeployment. Raises CliError when there is one of that name."""
        api, namespace = client.CustomObjectsApi(self._api), manifest["metadata"]["namespace"]
        where = (GROUP, VERSION, namespace, KINDS[DEPLOYMENT].plural)
        return await self._ask(
            lambda: api.create_namespaced_custom_object(*where, manifest, field_manager=FIELD_MANAGER)
        )

    async def merge(self, obj: Object, change: Object) -> Object:
        """Merge `change` into a TraceTrackDeployment, if what is declared of it is still as it was read.

        Its status may have changed: the operator writes that all the time.
        """
        latest = obj
        for _ in range(_TRIES - 1):
            try:
                return await self._merge(latest, change)
            except ConflictError:
                latest = await self.deployment(obj["metadata"]["name"])
                if _declared(latest) != _declared(obj):
                    raise CliError(
                        f"somebody changed {obj['metadata']['name']} meanwhile: look at it and ask again."
                    ) from None
        return await self._merge(latest, change)

    async def _merge(self, obj: Object, change: Object) -> Object:
        metadata = obj["metadata"]
        body = {
            **change,
            "metadata": {**change.get("metadata", {}), "resourceVersion": metadata["resourceVersion"]},
        }
        api = client.CustomObjectsApi(self._api)
        plural = KINDS[DEPLOYMENT].plural
        return await self._ask(
            lambda: api.patch_namespaced_custom_object(
                GROUP, VERSION, metadata["namespace"], plural, metadata["name"], body, field_manager=FIELD_MANAGER
            )
        )

    async def log(self, namespace: str, pod: str, lines: int) -> str:
        api = client.CoreV1Api(self._api)
        return str(await self._ask(lambda: api.read_namespaced_pod_log(pod, namespace, tail_lines=lines)))

    async def close(self) -> None:
        await self.kube.close()

    async def _ask(self, request: Callable[[], Any]) -> Object:
        try:
            found: Object = await asyncio.to_thread(request)
            return found
        except ApiException as error:
            try:
                message = json.loads(error.body or "")["message"]
            except (TypeError, ValueError, KeyError):
                message = str(error.reason)
            refusal = ConflictError if error.status == 409 and "modified" in message else CliError
            raise refusal(f"the Kubernetes API refused it: {message}") from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise CliError(f"cannot reach the Kubernetes API: {error}") from error


def _declared(obj: Object) -> tuple[object, ...]:
    """What tells whether somebody changed it: its UID, the generation of its spec, and its annotations."""
    metadata = obj["metadata"]
    return metadata["uid"], metadata.get("generation"), annotations_of(obj)

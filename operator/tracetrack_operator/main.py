"""Wiring only: settings, clients, cache, reconcilers, Kopf."""

import asyncio
import logging
import socket
from collections.abc import Mapping
from typing import Any

import kopf
from prometheus_client import start_http_server

from . import logs
from .aws.client import AwsClient
from .context import INDEXERS, Context
from .deployment.reconciler import DeploymentReconciler
from .engine.cache import ObjectCache
from .engine.events import EventRecorder
from .engine.loop import ReconcileLoop, Reconciler
from .engine.objects import Object
from .engine.queue import WorkQueue
from .engine.status import StatusWriter
from .fleet.reconciler import FleetReconciler
from .kube.client import KubeClient, load_configuration
from .kube.kinds import WATCHED, selector_of
from .kube.watch import Watcher
from .probes import Health
from .routing import Routes
from .settings import Settings

logger = logging.getLogger(__name__)


class Operator:
    """The whole operator in one process: `await Operator(settings).run()`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.kube = KubeClient(load_configuration())
        self.aws = AwsClient()
        self.cache = ObjectCache(INDEXERS)
        self.queue = WorkQueue()
        recorder = EventRecorder(self.kube, "tracetrack-operator", socket.gethostname())
        self.context = Context(
            settings=settings,
            cache=self.cache,
            queue=self.queue,
            kube=self.kube,
            aws=self.aws,
            recorder=recorder,
            status=StatusWriter(self.kube, recorder),
        )
        self.watcher = Watcher(self.cache, self.queue, Routes(self.cache))
        self.fleets = FleetReconciler(self.context)
        reconcilers: Mapping[str, Reconciler] = {
            "TraceTrackDeployment": DeploymentReconciler(self.context),
            "ScannerFleet": self.fleets,
        }
        self.loop = ReconcileLoop(
            self.queue,
            self.cache,
            reconcilers,
            kinds=WATCHED,
            lister=self._list,
            silent_for=self.watcher.silent_for,
            workers=settings.workers,
            resync_seconds=settings.resync_seconds,
        )
        self.health = Health(self.queue, self.loop)

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT, which Kopf listens to."""
        start_http_server(self.settings.metrics_port)
        registry, kopf_settings = kopf.OperatorRegistry(), kopf.OperatorSettings()
        self._configure(kopf_settings)
        self.watcher.register(registry, kopf_settings)
        kopf.on.login(registry=registry, errors=kopf.ErrorsMode.TEMPORARY)(_login)
        kopf.on.startup(registry=registry)(self._start)
        kopf.on.cleanup(registry=registry)(self._stop)
        kopf.on.probe(registry=registry, id="loop", errors=kopf.ErrorsMode.PERMANENT)(self._probe)
        await kopf.operator(
            registry=registry,
            settings=kopf_settings,
            # Named, because Kopf would look up the user, and a container's UID need not have one.
            identity=f"tracetrack-operator@{socket.gethostname()}",  # type: ignore[arg-type]
            standalone=True,
            clusterwide=not self.settings.namespaces,
            namespaces=self.settings.namespaces,
            liveness_endpoint=f"http://0.0.0.0:{self.settings.health_port}/healthz",
        )

    def _configure(self, settings: kopf.OperatorSettings) -> None:
        settings.posting.enabled = False
        settings.scanning.disabled = True
        settings.watching.chunk_size = 500
        settings.watching.connect_timeout = 10
        settings.networking.request_timeout = 60
        settings.process.ultimate_exiting_timeout = 30

    async def _start(self, **_: Any) -> None:
        await self.loop.start()
        logger.info("reconciling", extra={"objects": len(self.cache), "cluster": self.settings.cluster})

    async def _stop(self, **_: Any) -> None:
        await self.loop.stop()
        await self.fleets.stop()
        self.kube.close()
        self.aws.close()

    async def _probe(self, **_: Any) -> dict[str, float]:
        return self.health.check()

    async def _list(self, kind: str) -> list[Object]:
        selector = selector_of(kind)
        if not self.settings.namespaces:
            return await self.kube.list(kind, label_selector=selector)
        lists = [await self.kube.list(kind, namespace, selector) for namespace in self.settings.namespaces]
        return [obj for objects in lists for obj in objects]


def _login(**kwargs: Any) -> kopf.ConnectionInfo | None:
    return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)


def main() -> None:
    try:
        settings = Settings.from_environ()
        logs.configure(settings.log_level)
        operator = Operator(settings)
    except ValueError as error:
        raise SystemExit(f"tracetrack-operator: {error}") from None
    asyncio.run(operator.run())

"""Wiring only: settings, clients, cache, reconcilers, Kopf."""

import asyncio
import gc
import logging
import socket
from collections.abc import AsyncIterator, Mapping
from typing import Any

import kopf
import uvloop
from prometheus_client import start_http_server

from . import logs
from .api import reasons
from .aws.client import AwsClient
from .context import INDEXERS, Context
from .deployment.reconciler import DeploymentReconciler
from .deployment.status import at_rest
from .engine.cache import ObjectCache
from .engine.events import EventRecorder
from .engine.loop import ReconcileLoop, Reconciler
from .engine.objects import Object
from .engine.queue import WorkQueue
from .engine.status import StatusWriter
from .fleet.reconciler import FleetReconciler
from .kube.client import KubeClient, load_configuration
from .kube.kinds import CHILDREN, WATCHED, selector_of
from .kube.streams import ChildStream
from .kube.watch import Watcher
from .probes import Health
from .routing import Routes
from .settings import Settings

logger = logging.getLogger(__name__)
GARBAGE_THRESHOLDS = (50_000, 20, 50)


class Operator:
    """The whole operator in one process: `await Operator(settings).run()`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.kube = KubeClient(load_configuration())
        self.aws = AwsClient()
        self.cache = ObjectCache(INDEXERS)
        self.queue = WorkQueue()
        guide = reasons.guide(settings.docs_url)
        recorder = EventRecorder(self.kube, "tracetrack-operator", socket.gethostname(), guide)
        self.context = Context(
            settings=settings,
            cache=self.cache,
            queue=self.queue,
            kube=self.kube,
            aws=self.aws,
            recorder=recorder,
            status=StatusWriter(self.kube, recorder, guide, at_rest),
        )
        self.watcher = Watcher(self.cache, self.queue, Routes(self.cache))
        self.fleets = FleetReconciler(self.context)
        self.deployments = DeploymentReconciler(self.context)
        reconcilers: Mapping[str, Reconciler] = {
            "TraceTrackDeployment": self.deployments,
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
        self.streams = {
            (kind, namespace): ChildStream(
                self.kube, kind, namespace, selector_of(kind), self.watcher.take, self.loop.relist
            )
            for kind in CHILDREN
            for namespace in settings.namespaces or ("",)
        }
        self._following: list[asyncio.Task[None]] = []
        self.health = Health(self.queue, self.loop, self._following)

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
        self._following += [asyncio.create_task(stream.follow()) for stream in self.streams.values()]
        self._following.append(asyncio.create_task(self.deployments.follow_aws()))
        logger.info("reconciling", extra={"objects": len(self.cache), "cluster": self.settings.cluster})

    async def _stop(self, **_: Any) -> None:
        await self.loop.stop()
        for task in self._following:
            task.cancel()
        await asyncio.gather(*self._following, return_exceptions=True)
        await self.fleets.stop()
        await self.kube.close()
        self.aws.close()

    async def _probe(self, **_: Any) -> dict[str, float]:
        return self.health.check()

    async def _list(self, kind: str) -> AsyncIterator[list[Object]]:
        for namespace in self.settings.namespaces or ("",):
            shown = ""
            async for objects, version in self.kube.pages(kind, namespace, selector_of(kind)):
                yield objects
                shown = version
            if (stream := self.streams.get((kind, namespace))) is not None:
                stream.listed(shown)


def _login(**kwargs: Any) -> kopf.ConnectionInfo | None:
    return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)


def main() -> None:
    # Nearly all that is made goes by reference counts, and looking through the rest took an eighth of the CPU time.
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    try:
        settings = Settings.from_environ()
        logs.configure(settings.log_level)
        operator = Operator(settings)
    except ValueError as error:
        raise SystemExit(f"tracetrack-operator: {error}") from None
    uvloop.run(operator.run())

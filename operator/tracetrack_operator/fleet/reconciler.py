"""Conducts the fleets: looks, starts a run where something is to do, tells."""

import asyncio
import logging
import time

from ..api.constants import FINALIZER
from ..api.model import InvalidResourceError
from ..api.slice import ScannerState
from ..context import Context
from ..engine import metrics as engine_metrics
from ..engine.conditions import READY, Conditions
from ..engine.errors import ReconcileError, RetryableError
from ..engine.loop import Result
from ..engine.objects import Key, Object, uid_of
from . import metrics, status
from .halt import Halt
from .memory import Memory, Progress
from .observe import Observed, observe
from .run import Run
from .shared import SharedResources
from .sweep import CertificateSweeper
from .work import FleetWork, Services

RUN_SECONDS = 20.0
RUNS_AT_ONCE = 16
LOOK_SECONDS = 5.0
STOP_SECONDS = 20.0

logger = logging.getLogger(__name__)


class FleetReconciler:
    """`reconcile` never waits for AWS: runs beside it do the work, each of which queues the fleet at its end."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._memories: dict[tuple[str, str], Memory] = {}
        self._gate = asyncio.Semaphore(RUNS_AT_ONCE)
        self._services = Services(
            context, SharedResources(context.aws), CertificateSweeper(context.aws, self._known_certificates)
        )

    async def reconcile(self, key: Key) -> Result:
        obj = self._context.cache.get(key.kind, key.namespace, key.name)
        self._forget_gone(key, obj)
        if obj is None:
            return Result()
        memory = self._memories.setdefault((key.namespace, key.name), Memory(uid_of(obj)))
        try:
            observed = observe(self._context, obj)
        except InvalidResourceError as error:
            await self._refuse(obj, error)
            return Result()
        wait = self._conduct(key, observed, memory)
        self._measure(observed, memory)
        await self._tell(obj, observed, memory)
        return Result(wait)

    async def stop(self) -> None:
        """Let the runs end what they are at, so that no answer of AWS goes unsaved."""
        runs = [memory.run for memory in self._memories.values() if memory.run and memory.run.active]
        for run in runs:
            run.stop()
        if runs:
            await asyncio.wait([asyncio.ensure_future(run.wait()) for run in runs], timeout=STOP_SECONDS)

    def _conduct(self, key: Key, observed: Observed, memory: Memory) -> float | None:
        """Start or stop a run as needed; gives the seconds until the next look."""
        target, now = observed.target, time.monotonic()
        generation = target.fleet.metadata.generation
        if memory.run and memory.run.active:
            if memory.run.generation != generation:
                memory.run.stop()
            return LOOK_SECONDS
        memory.turn(generation, target.deleting)
        if target.deleting:
            if FINALIZER not in target.fleet.metadata.finalizers:
                return None
        elif target.fleet.spec.suspend or not observed.deployment_found:
            return None
        elif now < memory.check_at and self._settled(observed, memory):
            return memory.check_at - now
        if now < memory.not_before:
            return memory.not_before - now
        halt = Halt(RUN_SECONDS)
        memory.run = Run(halt, generation, lambda: self._work(key, observed, memory, halt))
        return LOOK_SECONDS

    def _settled(self, observed: Observed, memory: Memory) -> bool:
        return not memory.troubled and memory.mirrored(observed) and not memory.plan(observed)

    async def _work(self, key: Key, observed: Observed, memory: Memory, halt: Halt) -> None:
        error: ReconcileError | None = None
        async with self._gate:
            halt.begin()
            runs = RUNS_AT_ONCE - self._gate._value
            work = FleetWork(self._services, observed, memory, halt, runs)
            try:
                if not halt:
                    await (work.remove() if observed.target.deleting else work.provision())
            except ReconcileError as failure:
                error = failure
            except Exception as failure:
                logger.exception("work on a fleet crashed", extra={"key": str(key)})
                error = RetryableError(
                    "OperatorError", f"The operator failed: {type(failure).__name__}.", "See its log."
                )
        memory.error = error
        if memory.troubled:
            delay = memory.backoff()
            logger.warning(
                "fleet is held up",
                extra={"key": str(key), "seconds": delay, "error": str(error or memory.scanner_errors)},
            )
        else:
            memory.succeeded()
        self._context.queue.add(key)

    def _measure(self, observed: Observed, memory: Memory) -> None:
        names, entries = observed.target.names, observed.entries
        ready = observed.count(ScannerState.READY)
        metrics.record_scanners(names.namespace, names.fleet, observed.target.replicas, (e.state for e in entries))
        if ready >= observed.target.replicas:
            memory.progress = None
        elif memory.progress is None and memory.run and memory.run.active:
            memory.progress = Progress(time.monotonic(), ready)

    async def _tell(self, obj: Object, observed: Observed, memory: Memory) -> None:
        before = obj.get("status") or {}
        conditions = Conditions(before.get("conditions", []), obj["metadata"].get("generation", 0))
        status.tell(conditions, observed, memory)
        stored = await self._context.status.publish(obj, status.fields(observed), conditions)
        if stored is not None:
            self._context.cache.put(stored)

    async def _refuse(self, obj: Object, error: InvalidResourceError) -> None:
        conditions = Conditions((obj.get("status") or {}).get("conditions", []), obj["metadata"].get("generation", 0))
        conditions.false(READY, "InvalidSpec", f"{error}. Correct the fields it names.")
        stored = await self._context.status.publish(obj, {"replicas": 0}, conditions)
        if stored is not None:
            self._context.cache.put(stored)

    def _forget_gone(self, key: Key, obj: Object | None) -> None:
        """Drop what is known of an earlier fleet of that name."""
        place = (key.namespace, key.name)
        memory = self._memories.get(place)
        if memory is None or (obj is not None and memory.uid == uid_of(obj)):
            return
        if memory.run and memory.run.active:
            memory.run.stop()
        del self._memories[place]
        metrics.forget_fleet(key.namespace, key.name)
        engine_metrics.CONDITIONS.forget(key.kind, key.namespace, key.name)

    def _known_certificates(self) -> set[str]:
        """The certificates that some slice tells of."""
        return {
            scanner["certificateId"]
            for slice_ in self._context.cache.of_kind("ScannerSlice")
            for scanner in slice_.get("scanners", [])
            if scanner.get("certificateId")
        }

"""One run over a fleet: set-up, slices, what is left over; or the removal of it all."""

import asyncio
import logging
import random
import time
from dataclasses import dataclass

from ..api.constants import FINALIZER
from ..api.fleet import FleetDeletionPolicy
from ..aws.errors import AwsNotFound
from ..context import Context
from ..engine.errors import ReconcileError
from ..engine.objects import Key, uid_of
from . import cleanup, signing
from .halt import Halt
from .memory import Memory
from .observe import Observed, observe
from .plan import FleetPlan, SlicePlan, plan
from .shared import SharedResources
from .slicework import SliceWork
from .store import SliceSaver, Store
from .sweep import CertificateSweeper
from .target import Setup, Target
from .things import Things

SLICES_AT_ONCE = 2

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Services:
    """What the work on all fleets shares. `window` gives how many scanners one slice may have under way."""

    context: Context
    shared: SharedResources
    sweeper: CertificateSweeper

    def window(self, runs: int) -> int:
        return max(4, 48 // max(1, runs))


class FleetWork:
    """Does for one fleet what its spec asks for, until it is done or `halt` says so."""

    def __init__(self, services: Services, observed: Observed, memory: Memory, halt: Halt, runs: int) -> None:
        self._services = services
        self._context = services.context
        self._aws = services.context.aws
        self._target: Target = observed.target
        self._memory = memory
        self._halt = halt
        self._window = services.window(runs)
        self._store = Store(self._context, self._target)
        self._things = Things(self._aws, services.sweeper, self._target)

    async def provision(self) -> None:
        """Towards the spec. What holds up single scanners is left in the memory; what holds up all is raised."""
        try:
            await self._provision()
        except AwsNotFound:
            # Something of the set-up has been taken away since it was made or looked at.
            self._memory.setup = None
            self._services.shared.forget(self._target)
            raise

    async def _provision(self) -> None:
        await self._store.add_finalizer()
        setup = await self._set_up()
        observed = self._observe()
        if observed is None:
            return
        present = self._memory.present or set()
        self._memory.present = present
        todo = self._memory.plan(observed)
        if any(each.removes for each in todo.slices) or todo.strays or todo.doomed:
            live = await self._store.live_fleet()
            if live is None or live["metadata"].get("generation") != self._target.fleet.metadata.generation:
                return
        await self._slices(todo, setup, present)
        strays = list(todo.strays)
        self._memory.foreign |= await cleanup.remove_things(
            self._things, self._services.sweeper, self._target, strays, self._halt
        )
        present.difference_update(todo.strays if not self._halt else ())
        for each in todo.doomed:
            await self._store.remove(each.record)

    async def remove(self) -> None:
        """Everything of a deleted fleet, by its deletion policy; the finalizer last."""
        live = await self._store.live_fleet()
        if live is None or not live["metadata"].get("deletionTimestamp"):
            return
        if FINALIZER not in live["metadata"].get("finalizers", []):
            return
        if self._target.fleet.spec.deletion_policy is FleetDeletionPolicy.RETAIN:
            await self._tell_retained()
        elif not await self._remove_from_aws():
            return
        await self._store.remove_children()
        await self._store.remove_finalizer()

    async def _remove_from_aws(self) -> bool:
        """False when there is more to do than there was time."""
        names, shared = self._target.names, self._services.shared
        observed = self._observe()
        arn = await shared.own_group(self._target)
        if arn is None and observed is not None and observed.entries:
            # Somebody removed the group; what the slices tell of is still to be found by its ARN.
            arn, _ = await shared.ensure(self._target)
        if arn is not None and observed is not None:
            setup = Setup(observed.signing or signing.nothing(), arn, "")
            present = await cleanup.list_group(self._aws, names.group) or set()
            todo = plan(observed, setup, present)
            await self._slices(todo, setup, present)
            if self._halt or self._memory.scanner_errors:
                return False
            left = await cleanup.list_group(self._aws, names.group) or set()
            await cleanup.remove_things(self._things, self._services.sweeper, self._target, sorted(left), self._halt)
        if self._halt:
            return False
        await cleanup.remove_shared(self._aws, shared, self._target)
        return True

    async def _set_up(self) -> Setup:
        memory = self._memory
        observed = self._observe()
        intact = observed is None or memory.mirrored(observed)
        if memory.setup is not None and time.monotonic() < memory.check_at and intact:
            return memory.setup
        mirrored = observed.signing if observed else None
        # What AWS had is worth more than a Secret that somebody may have edited since.
        known = memory.setup.signing if memory.setup else mirrored
        try:
            keys = await signing.ensure(self._aws, self._target, known)
            if keys != mirrored:
                if not mirrored:
                    await self._store.claim("Secret", self._target.names.signing_secret)
                await self._store.apply(signing.mirror(self._target, keys))
                names = self._target.names
                self._context.queue.add(Key("TraceTrackDeployment", names.namespace, names.deployment))
        except ReconcileError as error:
            memory.signing_error = error
            raise
        memory.signing_error = None
        arn, made = await self._services.shared.ensure(self._target)
        endpoint = await self._services.shared.endpoint()
        memory.present = set() if made else await cleanup.list_group(self._aws, self._target.names.group) or set()
        memory.foreign &= memory.present
        memory.setup = Setup(keys, arn, endpoint)
        interval = self._context.settings.fleet_check_seconds
        memory.check_at = time.monotonic() + interval * random.uniform(0.9, 1.1)  # noqa: S311
        return memory.setup

    async def _slices(self, todo: FleetPlan, setup: Setup, present: set[str]) -> None:
        memory, errors = self._memory, dict[str, ReconcileError]()
        gate = asyncio.Semaphore(SLICES_AT_ONCE)

        async def one(each: SlicePlan) -> None:
            async with gate:
                if self._halt:
                    return
                saver = SliceSaver(self._store, self._target, each.record, forgiving=self._target.deleting)
                work = SliceWork(
                    self._target,
                    setup,
                    each,
                    saver,
                    self._things,
                    self._services.sweeper,
                    present,
                    self._halt,
                    self._window,
                )
                try:
                    await work.run()
                except ReconcileError as error:
                    self._halt.error = self._halt.error or error
                errors.update(work.errors)
                memory.scanner_errors = memory.scanner_errors | work.errors

        for each in todo.slices:
            if each.removes:
                await one(each)
        await asyncio.gather(*(one(each) for each in todo.slices if not each.removes))
        # Only now: what the last run found is told until this one has tried again.
        memory.scanner_errors = errors
        if self._halt.error is not None:
            raise self._halt.error

    def _observe(self) -> Observed | None:
        """The fleet's children as they are now; None when the fleet is another one by now."""
        names = self._target.names
        obj = self._context.cache.get("ScannerFleet", names.namespace, names.fleet)
        if obj is None or uid_of(obj) != self._target.uid:
            return None
        return observe(self._context, self._target.obj)

    async def _tell_retained(self) -> None:
        names = self._target.names
        await self._context.recorder.emit(
            self._target.obj,
            "Normal",
            "Retained",
            f"The scanners stay in AWS, as spec.deletionPolicy Retain asks: thing group and policy {names.group}, its "
            f"things and certificates, and the secret {names.signing}. Their private keys go with the Secrets here.",
        )

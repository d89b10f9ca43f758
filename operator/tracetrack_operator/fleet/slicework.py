"""Works on the scanners of one slice: several at once, each step saved before what depends on it."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from ..api.slice import ScannerState
from ..aws.errors import AwsNotFound
from ..engine.errors import ReconcileError
from . import keys, metrics
from .errors import certainly_refused, hits_one_scanner
from .halt import Halt
from .plan import Need, SlicePlan
from .slices import certificate_file, key_file
from .store import SliceSaver
from .sweep import CertificateSweeper, Found
from .target import Setup, Target
from .things import Things

SAVE_SECONDS = 1.5
SAVE_AFTER = 25


class SliceWork:
    """One pass over a slice. `errors` has what kept single scanners back; what concerns all is in `halt.error`.

    `present`, the things in the group, is kept up to date.
    """

    def __init__(
        self,
        target: Target,
        setup: Setup,
        plan: SlicePlan,
        saver: SliceSaver,
        things: Things,
        sweeper: CertificateSweeper,
        present: set[str],
        halt: Halt,
        window: int,
    ) -> None:
        self._target = target
        self._setup = setup
        self._needs = dict(plan.needs)
        self._record = saver.record
        self._saver = saver
        self._things = things
        self._sweeper = sweeper
        self._present = present
        self._halt = halt
        self._window = window
        self.errors: dict[str, ReconcileError] = {}

    async def run(self) -> None:
        """Do it. A failure to save is raised, after what was under way has ended."""
        await self._resolve()
        await self._drive(
            [s for s, need in self._needs.items() if need is Need.RETIRE], self._mark_retiring, self._retire
        )
        rest = [s for s, need in self._needs.items() if need is not Need.RETIRE]
        done = await self._drive(rest, self._mark_provisioning, self._provision)
        if not self._target.deleting and self._record.scanners:
            if done and not self.errors and not self._halt.error:
                self._record.thing_hash = self._target.thing_hash
            self._record.refresh(self._target, self._setup)
        await self._saver.save()

    async def _drive(
        self,
        todo: list[str],
        mark: Callable[[list[str]], Awaitable[None]],
        conduct: Callable[[str], Awaitable[None]],
    ) -> bool:
        """Conduct each of `todo`, `window` at once, saving as it goes; False when it was halted before the end."""
        waiting, running = deque(todo), set[asyncio.Task[None]]()
        try:
            while running or (waiting and not self._halt):
                room = self._window - len(running)
                if waiting and not self._halt and (room >= self._window // 2 or not running):
                    batch = [waiting.popleft() for _ in range(min(room, len(waiting)))]
                    await mark(batch)
                    await self._saver.save()
                    running |= {asyncio.create_task(self._one(scanner, conduct)) for scanner in batch}
                else:
                    await self._saver.save()
                running = await self._settle(running)
        finally:
            if running:
                await asyncio.wait(running)
        if todo:
            await self._saver.save()
        return not waiting

    async def _settle(self, running: set[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
        """Wait until enough has ended, or long enough, for a save to be worth it."""
        until = time.monotonic() + SAVE_SECONDS
        enough = min(SAVE_AFTER, max(1, self._window // 2), len(running))
        while running and enough > 0 and (left := until - time.monotonic()) > 0:
            done, running = await asyncio.wait(running, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            enough -= len(done)
        return running

    async def _one(self, scanner: str, conduct: Callable[[str], Awaitable[None]]) -> None:
        try:
            await conduct(scanner)
        except ReconcileError as error:
            if hits_one_scanner(error):
                self.errors[scanner] = error
                self._update(scanner, message=str(error)[:1024])
            elif self._halt.error is None:
                self._halt.error = error

    async def _resolve(self) -> None:
        """Find what became of the certificates whose answers were lost."""
        unclear = [scanner for scanner, need in self._needs.items() if self._unclear(scanner, need)]
        if not unclear:
            return
        prints = {keys.key_fingerprint(self._record.data[key_file(scanner)]): scanner for scanner in unclear}
        entries = self._record.entries
        requested = {
            fingerprint: entries[scanner].requested_at if scanner in entries else None
            for fingerprint, scanner in prints.items()
        }
        created = self._target.fleet.metadata.creation_timestamp or datetime.now(UTC)
        found = await self._sweeper.by_key(requested, created)
        for fingerprint, scanner in prints.items():
            if fingerprint in found:
                metrics.ORPHANS.labels("adopted").inc()
                self._certified(scanner, await self._things.keep_first(found[fingerprint]))
            elif scanner in entries:
                self._update(scanner, state=ScannerState.KEY_SAVED, requested_at=None)
            if self._needs[scanner] is Need.RESOLVE:
                self._needs[scanner] = Need.FINISH if fingerprint in found else Need.ASK

    def _unclear(self, scanner: str, need: Need) -> bool:
        entry = self._record.entries.get(scanner)
        asked = entry is not None and entry.requested_at is not None and entry.certificate_id is None
        return key_file(scanner) in self._record.data and (need is Need.RESOLVE or (need is Need.RETIRE and asked))

    async def _mark_provisioning(self, batch: list[str]) -> None:
        fresh = [scanner for scanner in batch if self._needs[scanner] is Need.MAKE]
        made = await asyncio.to_thread(keys.private_keys, fresh)
        self._record.data.update({key_file(scanner): pem for scanner, pem in made.items()})
        if self._record.thing_hash != self._target.thing_hash:
            # From here on some things may be of the new shape and others not, until all of them have been done.
            self._record.thing_hash = ""
        now = datetime.now(UTC).replace(microsecond=0)
        for scanner in batch:
            entry = self._record.entries.get(scanner)
            if self._needs[scanner] is not Need.REISSUE and (entry is None or entry.certificate_id is None):
                self._update(scanner, state=ScannerState.CERTIFICATE_REQUESTED, requested_at=now)
        self._record.refresh(self._target, self._setup)

    async def _mark_retiring(self, batch: list[str]) -> None:
        for scanner in batch:
            self._update(scanner, state=ScannerState.RETIRING)

    async def _provision(self, scanner: str) -> None:
        thing, need = self._target.names.thing(scanner), self._needs[scanner]
        if need is Need.UPDATE:
            await self._things.update_thing(thing)
            self._update(scanner, message=None)
            return
        if need is Need.REISSUE:
            await self._clear(scanner, thing)
            return
        try:
            await self._things.ensure_thing(thing)
            await self._things.join_group(thing)
        except ReconcileError:
            if self._record.entries[scanner].certificate_id is None:
                self._update(scanner, state=ScannerState.KEY_SAVED, requested_at=None)
            raise
        await self._certify(scanner, thing)
        certificate_id = str(self._record.entries[scanner].certificate_id)
        try:
            await self._things.attach(thing, self._setup.certificate_arn(certificate_id))
        except AwsNotFound:
            if await self._sweeper.describe(certificate_id) is not None:
                raise
            # Someone deleted the certificate: the next pass asks for another.
            self._forget_certificate(scanner, ScannerState.KEY_SAVED)
            return
        self._present.add(thing)
        self._update(scanner, state=ScannerState.READY, message=None)

    async def _clear(self, scanner: str, thing: str) -> None:
        """Remove the certificates whose private key is lost; the next pass begins anew."""
        entry = self._record.entries.get(scanner)
        removed = await self._things.remove_principals(thing)
        if entry is not None and entry.certificate_id is not None:
            await self._things.remove_certificate(self._setup.certificate_arn(entry.certificate_id), thing)
        elif entry is not None and entry.requested_at is not None and not removed:
            for found in await self._sweeper.by_subject({keys.subject_name(thing)}, entry.requested_at):
                await self._things.remove_certificate(found.arn, thing)
        self._present.discard(thing)
        self._forget_certificate(scanner, ScannerState.PENDING)

    async def _certify(self, scanner: str, thing: str) -> None:
        """A certificate for the scanner's key, in the record."""
        entry, key_pem = self._record.entries[scanner], self._record.data[key_file(scanner)]
        if entry.certificate_id is not None and certificate_file(scanner) in self._record.data:
            return
        if entry.certificate_id is not None:
            found = await self._sweeper.describe(entry.certificate_id)
            if found is not None and found.fingerprint == keys.key_fingerprint(key_pem):
                self._certified(scanner, found)
                return
        try:
            self._certified(scanner, await self._things.issue(thing, key_pem))
        except ReconcileError as error:
            if certainly_refused(error):
                self._update(scanner, state=ScannerState.KEY_SAVED, requested_at=None)
            raise

    async def _retire(self, scanner: str) -> None:
        thing, entry = self._target.names.thing(scanner), self._record.entries[scanner]
        if entry.certificate_id is not None:
            await self._things.remove_certificate(self._setup.certificate_arn(entry.certificate_id), thing)
        await self._things.remove_thing(thing)
        self._present.discard(thing)
        self._record.drop(scanner)

    def _certified(self, scanner: str, found: Found) -> None:
        self._record.data[certificate_file(scanner)] = found.pem
        _, _, ends = keys.certificate_facts(found.pem)
        self._update(
            scanner,
            state=ScannerState.CERTIFICATE_ISSUED,
            certificate_id=found.id,
            certificate_not_after=ends,
            message=None,
        )

    def _forget_certificate(self, scanner: str, state: ScannerState) -> None:
        self._record.data.pop(certificate_file(scanner), None)
        self._update(scanner, state=state, certificate_id=None, certificate_not_after=None, requested_at=None)

    def _update(self, scanner: str, **changes: object) -> None:
        self._record.update(self._target, scanner, **changes)

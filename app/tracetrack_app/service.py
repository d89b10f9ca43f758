"""The running app: what start-up waits for, whether it is ready, and the order in which it stops."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from tracetrack_app import firstadmin, metrics
from tracetrack_app.domain.outcomes import Entry
from tracetrack_app.domain.scans import Scan, Undo
from tracetrack_app.http.auth.devices import FleetDirectory
from tracetrack_app.http.auth.legacycookies import LegacyCookies
from tracetrack_app.http.auth.limits import ScanLimit
from tracetrack_app.http.auth.sessions import Sessions
from tracetrack_app.http.auth.totp import Totp
from tracetrack_app.http.frames import text_frame
from tracetrack_app.mail import Mailer
from tracetrack_app.reload import Reload
from tracetrack_app.settings import Settings, SettingsError
from tracetrack_app.store.accounts import Accounts
from tracetrack_app.store.activity import Activity
from tracetrack_app.store.audit import Audit
from tracetrack_app.store.bags import Bags
from tracetrack_app.store.bagview import PATCH, patched
from tracetrack_app.store.bill_reports import BillReports
from tracetrack_app.store.bills import Bills
from tracetrack_app.store.business_settings import BusinessSettings, defaults
from tracetrack_app.store.cache import Cache
from tracetrack_app.store.catalogue import Catalogue
from tracetrack_app.store.coherence import Coherence
from tracetrack_app.store.credentials import Credentials
from tracetrack_app.store.database import Connector, connection_lost, renew
from tracetrack_app.store.feed import Feed
from tracetrack_app.store.history import History
from tracetrack_app.store.ledger import Ledger
from tracetrack_app.store.lists import Lists
from tracetrack_app.store.migrate import MigrationError, migrate, migrations
from tracetrack_app.store.migrate_guard import Limits
from tracetrack_app.store.preload import Preload
from tracetrack_app.store.reads import Reads
from tracetrack_app.store.requests import Requests
from tracetrack_app.store.returns import Returns
from tracetrack_app.store.shared import Shared
from tracetrack_app.store.standby import Standby
from tracetrack_app.store.views import Views, changes_of
from tracetrack_app.store.vitals import Vitals
from tracetrack_app.store.writer import Writer
from tracetrack_app.tasks import end

_log = logging.getLogger(__name__)
_PING_EVERY = 1.0
_REMIND_EVERY = 30.0


class Service:
    """Everything a request needs. `start` returns at once; readiness comes when the database is there."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.defaults = defaults(settings)
        self.connector = Connector(settings.bindings.database)
        self.coherence = Coherence(self.connector, settings.bindings.cache)
        self.cache = Cache(self.coherence, patched)
        self.coherence.patch_by(PATCH)
        self.feed = Feed(self.coherence, text_frame)
        settle = settings.replica_settle if settings.bindings.replica_comes_and_goes else 0
        self.standby = Standby(settings.bindings.database_replica, settings.replica_max_lag, self.coherence, settle)
        self.writer = Writer(
            self.connector,
            capacity=settings.parent_capacity,
            timezone=settings.timezone,
            timeout=settings.scan_timeout,
            queue_limit=settings.queue_limit,
            committed=self._committed,
        )
        self.shared = Shared(settings.bindings.cache)
        self.sessions = Sessions(
            settings.session_secret,
            self.shared.is_ended,
            settings.cookie_secure,
            absolute=settings.accounts.session_absolute,
            idle=settings.accounts.session_idle,
            previous=settings.accounts.previous_secrets,
            legacy=LegacyCookies(settings.accounts.legacy_secret) if settings.accounts.legacy_secret else None,
        )
        self.scan_limit = ScanLimit(self.shared, settings.accounts.scan_limit)
        self.totp = Totp(settings.secrets, self.shared, settings.accounts.totp_limit)
        self.mailer = Mailer(settings.bindings.mail)
        self.fleets = FleetDirectory(settings.bindings.fleets_dir())
        renewals = {
            "database": self._renew_database,
            "database-replica": self.standby.renew,
            "cache": self._renew_cache,
            "admin": self._follow_admin,
        }
        self.reloads = {
            name: Reload(name, partial(settings.bindings.mark, name), renew, partial(settings.bindings.content, name))
            for name, renew in renewals.items()
        }
        self.started = False
        self.draining = False
        self._problem = "starting"
        self._pool: object = None
        self._reads: Reads | None = None
        self._starting: asyncio.Task[None] | None = None
        self._pinged = 0.0
        self._ping_problem: str | None = None
        self._ping_lock = asyncio.Lock()

    @property
    def reads(self) -> Reads:
        if self._reads is None:
            raise RuntimeError("the service has not been started")
        return self._reads

    async def start(self) -> None:
        """Begin; returns before the database is there."""
        self._pool = await self.connector.pool()
        self._reads = Reads(self._pool, self.cache)
        self.views = Views(self._pool, self.cache)
        self.preload = Preload(self._pool, self.coherence)
        self.audit = Audit(self._pool, self.settings.secrets, self.standby)
        self.accounts = Accounts(self._pool, self.audit, self.coherence.changed)
        self.credentials = Credentials(self._pool, self.accounts, self.audit)
        self.requests = Requests(self._pool, self.accounts, self.audit)
        capacity = self.settings.parent_capacity
        self.ledger = Ledger(
            self.connector,
            self._pool,
            self.settings.timezone,
            self.coherence.changed,
            self.audit,
            feed=self.feed,
            standby=self.standby,
        )
        self.bags = Bags(self.ledger, capacity)
        self.bills = Bills(self.ledger)
        self.bill_reports = BillReports(self.ledger)
        self.history = History(self.ledger)
        self.returns = Returns(self.ledger)
        self.catalogue = Catalogue(self.ledger, capacity)
        self.business = BusinessSettings(self.ledger, self.cache, self.defaults)
        self.lists = Lists(self.ledger)
        self.activity = Activity(self.ledger)
        self.vitals = Vitals(self.ledger)
        self.shared.start()
        self.fleets.start()
        self.scan_limit.start()
        for each in self.reloads.values():
            each.start()
        self._starting = asyncio.create_task(self._prepare())

    async def stop(self) -> None:
        """Record what was accepted, then let go of everything. Requests must have ended before."""
        self.draining = True
        await end(self._starting)
        for each in self.reloads.values():
            await each.stop()
        await self.writer.drain()
        await self.preload.stop()
        await self.standby.stop()
        await self.coherence.stop()
        await self.fleets.close()
        await self.scan_limit.close()
        await self.mailer.close()
        await self.shared.close()
        pool = self._pool
        if pool is not None:
            try:
                await asyncio.wait_for(pool.close(), 5)  # type: ignore[attr-defined]
            except TimeoutError:
                pool.terminate()  # type: ignore[attr-defined]

    async def _committed(self, entries: Sequence[Entry], doubtful: Sequence[Scan | Undo]) -> None:
        keys, patches = changes_of(entries, doubtful)
        await self.coherence.changed(keys, self.feed.raw(entries), patches)

    async def _renew_database(self) -> None:
        try:
            await self.connector.probe()
        except Exception as error:
            raise ConnectionError(self.connector.explain(error)) from error
        await self.writer.renew()
        self.coherence.membership.renew()
        await renew(self._pool)

    async def _renew_cache(self) -> None:
        await self.shared.renew()
        await self.coherence.renew()

    async def problem(self) -> str | None:
        """Why the app cannot take requests now; None when it can."""
        found = await self._find_problem()
        metrics.READY.set(found is None)
        return found

    async def _find_problem(self) -> str | None:
        if self.draining:
            return "stopping"
        if not self.started:
            return self._problem
        return await self.database_problem()

    async def database_problem(self) -> str | None:
        """Why the database does not answer; None when it does. Asked at most once a second."""
        async with self._ping_lock:
            if time.monotonic() - self._pinged > _PING_EVERY:
                try:
                    await self.reads.ping()
                    self._ping_problem = None
                except Exception as error:
                    self._ping_problem = self.connector.explain(error)
                self._pinged = time.monotonic()
            return self._ping_problem

    async def _follow_admin(self) -> None:
        await firstadmin.follow(self.accounts, self.settings.bindings.admin())

    async def _prepare(self) -> None:
        await self._persist(self._open_database)
        self.coherence.start()
        self.preload.start()
        self.standby.start()
        # Other replicas may have its account cached: they are told from now on.
        await self._persist(self._follow_admin)
        self.started = True
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        _log.info("ready: database %s, time zone %s", self.connector.where, self.settings.timezone)

    async def _persist(self, step: Callable[[], Awaitable[None]]) -> None:
        """Try until it succeeds; why it doesn't is told by `problem` and logged now and then."""
        pause = 0.25
        told: tuple[str, float] = ("", 0.0)
        while True:
            try:
                await step()
                return
            except Exception as error:
                known = connection_lost(error) or isinstance(error, MigrationError | SettingsError)
                words = str(error) if isinstance(error, MigrationError) else self.connector.explain(error)
                self._problem = words if isinstance(error, MigrationError) else f"waiting for the database: {words}"
                if told[0] != words or time.monotonic() - told[1] > _REMIND_EVERY:
                    told = (words, time.monotonic())
                    _log.warning("%s", self._problem, exc_info=None if known else error)
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 5.0)

    async def _open_database(self) -> None:
        connection = await self.connector.connect()
        try:
            limits = Limits(self.settings.migration_large_rows, self.settings.migration_large_megabytes)
            await migrate(connection, migrations(), limits)
        finally:
            connection.terminate()
        await self.writer.open()

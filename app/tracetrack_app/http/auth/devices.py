"""The fleets' keys, read from a directory of JSON files and again whenever it changes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path

from tracetrack_app import metrics
from tracetrack_app.domain.devicekeys import Device, DeviceKeyError, Fleet, FleetError, parse_fleet, verify
from tracetrack_app.tasks import end

_log = logging.getLogger(__name__)
_INTERVAL = 1.0
_CACHE_SIZE = 20_000

_Stamp = tuple[tuple[str, int, int, int], ...]


class FleetDirectory:
    """Knows which device a key belongs to. A file that cannot be read leaves that fleet as it was."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._fleets: dict[Path, Fleet] = {}
        self._by_name: Mapping[str, Fleet] = {}
        self._verified: dict[str, Device] = {}
        self._stamp: _Stamp | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.reload()
        self._task = asyncio.create_task(self._watch())

    async def close(self) -> None:
        await end(self._task)

    def device(self, key: str) -> Device:
        """The device the key belongs to. Raises DeviceKeyError."""
        known = self._verified.get(key)
        if known is not None:
            return known
        if len(key) > 300:
            raise DeviceKeyError("too long for a device key")
        device = verify(key, self._by_name)
        if len(self._verified) >= _CACHE_SIZE:
            self._verified.clear()
        self._verified[key] = device
        return device

    def reload(self) -> bool:
        """Read the directory if it changed; whether it had."""
        stamp = self._look()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        fleets: dict[Path, Fleet] = {}
        for name, *_ in stamp:
            path = Path(name)
            try:
                fleets[path] = parse_fleet(path.read_text(encoding="utf-8"))
            except (OSError, UnicodeDecodeError, FleetError) as error:
                _log.error("fleet file %s: %s", path.name, error)
                if path in self._fleets:
                    fleets[path] = self._fleets[path]
        self._fleets = fleets
        self._by_name = {fleet.name: fleet for fleet in fleets.values()}
        self._verified = {}
        metrics.FLEETS.set(len(self._by_name))
        _log.info("keys of %d fleets: %s", len(self._by_name), ", ".join(sorted(self._by_name)) or "none")
        return True

    def _look(self) -> _Stamp:
        if self._folder is None or not self._folder.is_dir():
            return ()
        found = []
        for path in sorted(self._folder.glob("*.json")):
            try:
                stat = path.stat()
            except OSError:
                continue
            found.append((str(path), stat.st_mtime_ns, stat.st_size, stat.st_ino))
        return tuple(found)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_INTERVAL)
            try:
                await asyncio.to_thread(self.reload)
            except OSError as error:
                _log.error("fleet directory %s: %s", self._folder, error.strerror)

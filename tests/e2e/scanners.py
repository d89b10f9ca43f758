"""Simulated scanners: each scans children into parents over HTTP and remembers what was acknowledged."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx

CHILDREN_PER_PARENT = 30


@dataclass
class Record:
    """What a scanner knows at the end. `acknowledged` maps scan_id to the code the app said it has taken."""

    acknowledged: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    resent: int = 0
    errors: list[str] = field(default_factory=list)


class Scanners:
    """`len(keys)` scanners working at once against `url`, each with its own parents and children.

    A scan that gets no answer, 429 or 5xx is sent again with the same scan_id, as a device would. `pause` is the
    time in seconds between a scanner's scans. Parents are numbered from `first` on.
    """

    def __init__(self, url: str, keys: list[str], pause: float = 0.02, first: int = 0) -> None:
        self._url = url
        self._keys = keys
        self._pause = pause
        self._parents = itertools.count(first)
        self._tag = uuid.uuid4().hex[:6].upper()
        self.record = Record()

    async def run(self, stop: asyncio.Event) -> Record:
        """Scan until `stop` is set; every scan that was begun is brought to an answer."""
        limits = httpx.Limits(max_connections=len(self._keys) * 2)
        async with httpx.AsyncClient(base_url=self._url, limits=limits, timeout=10) as client:
            await asyncio.gather(*(self._work(client, key, stop) for key in self._keys))
        return self.record

    async def _work(self, client: httpx.AsyncClient, key: str, stop: asyncio.Event) -> None:
        while not stop.is_set():
            number = next(self._parents)
            parent = f"SB{number:05d}"
            await self._scan(client, key, parent, None)
            for child in range(CHILDREN_PER_PARENT):
                if stop.is_set():
                    return
                await self._scan(client, key, f"{self._tag}{number:05d}{child:02d}", parent)
                await asyncio.sleep(self._pause)

    async def _scan(self, client: httpx.AsyncClient, key: str, code: str, parent: str | None) -> None:
        scan_id = str(uuid.uuid4())
        body = {
            "scan_id": scan_id,
            "code": code,
            "parent": parent,
            "bill": None,
            "station": "e2e",
            "captured_at": datetime.now(UTC).isoformat(),
        }
        headers = {"Authorization": f"Bearer {key}"}
        for _ in range(600):
            try:
                answer = await client.post("/api/v1/scans", json=body, headers=headers)
            except httpx.HTTPError as error:
                self.record.errors.append(f"{type(error).__name__}: {error}")
            else:
                if answer.status_code in (200, 201):
                    self.record.acknowledged[scan_id] = code
                    return
                if answer.status_code in (409, 422):
                    self.record.refused[scan_id] = answer.text
                    return
                self.record.errors.append(f"{answer.status_code}: {answer.text[:200]}")
            self.record.resent += 1
            await asyncio.sleep(0.1)
        raise AssertionError(f"{code} was never answered; last: {self.record.errors[-1]}")
